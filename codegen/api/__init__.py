"""The functions of `import codegen`: what the command line does, for notebooks and scripts.

Each has the name of a command and its options as keywords. It returns the frozen dataclass that the command shows, prints
nothing, exits nowhere, and raises CodegenError(name, message, hint), whose texts speak of the command line's options.
What a function does not need is not imported for it.
"""

from codegen.api.looking import bench, certify, diff, modules, sites, verify
from codegen.api.making import base, head, insert, remove, replace, wrap
from codegen.api.recipes import build, check, eject, schema, update
from codegen.api.reports import report
from codegen.api.sweeps import sweep

__all__ = [
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
