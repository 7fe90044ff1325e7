"""Which codegen this is. A module of its own, so that all may import it and the package itself can stand above all."""

__version__ = "0.1.0"
