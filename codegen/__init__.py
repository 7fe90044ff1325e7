"""codegen inserts modules into vision backbones as a source-to-source transformation, and proves the result.

The functions are the commands of the command line: `codegen.insert("timm:resnet50", module="se", after="layer2")`. They are
imported when they are first asked for; `import codegen` itself reads nothing else.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from codegen.version import __version__

if TYPE_CHECKING:
    from codegen.api import (
        base,
        bench,
        build,
        certify,
        check,
        diff,
        eject,
        head,
        insert,
        modules,
        remove,
        replace,
        report,
        schema,
        sites,
        sweep,
        update,
        verify,
        wrap,
    )
    from codegen.errors import CodegenError
    from codegen.traced import Trace
    from codegen.types import Report
else:

    def __getattr__(name: str) -> Any:
        """A function of the API, or a type that one returns. No module of the package has the name of one."""
        if name.startswith("_") or name not in __all__:
            raise AttributeError(f"module 'codegen' has no attribute {name!r}")
        home = {"CodegenError": "codegen.errors", "Report": "codegen.types", "Trace": "codegen.types"}
        return getattr(importlib.import_module(home.get(name, "codegen.api")), name)

    def __dir__() -> list[str]:
        return [*__all__]


__all__ = [
    "CodegenError",
    "Report",
    "Trace",
    "__version__",
    "base",
    "bench",
    "build",
    "certify",
    "check",
    "diff",
    "eject",
    "head",
    "insert",
    "modules",
    "remove",
    "replace",
    "report",
    "schema",
    "sites",
    "sweep",
    "update",
    "verify",
    "wrap",
]
