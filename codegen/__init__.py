"""codegen inserts modules into vision backbones as a source-to-source transformation, and proves the result."""

__version__ = "0.1.0"
