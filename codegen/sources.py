"""Resolve a SOURCE argument to a file. The source is found and read, never imported."""

from __future__ import annotations

import ast
import difflib
import importlib.util
import os
import re
from pathlib import Path

from codegen import parsing, registry, syntax
from codegen.errors import CodegenError
from codegen.types import Source, SourceFile


def resolve(spec: str) -> Source:
    """`path/vit.py[:Name]`, `timm:resnet50`, `torchvision:resnet50` or `pkg.module[:Name]` as a Source.

    Raises CodegenError("unknown-source", "unreadable-source", "bad-encoding", "syntax-error").
    """
    head, _, tail = spec.rpartition(":") if ":" in spec else (spec, "", "")
    if head in registry.LIBRARIES:
        return _registered(spec, head, tail)
    path, entry = parted(spec)
    if path.endswith(".py") or path and (os.path.isfile(path) or os.sep in path):
        return Source(spec, file(Path(path)), entry)
    name, _, entry = spec.partition(":")
    found = module_path(name)
    if found is None:
        raise CodegenError(
            "unknown-source",
            f"{spec} is neither a file nor an importable module",
            "give path/model.py, timm:MODEL, torchvision:MODEL or pkg.module[:Class]",
        )
    if found.stem == "__init__" and entry:
        name, entry = _defined(name, entry) or (name, entry)
        found = module_path(name) or found
    top = name.split(".")[0]
    version = registry.version(top)
    return Source(spec, file(found, name), entry, distribution=f"{top} {version}" if version else "")


def _defined(module: str, name: str, seen: frozenset[str] = frozenset()) -> tuple[str, str] | None:
    """(module, name there) of what a package hands on: `from .resnet import ResNet`, `from .resnet import *`."""
    path = module_path(module)
    if path is None or module in seen:
        return None
    tree = syntax.shared(syntax.read(path)[0], path).tree
    imports = [node for node in tree.body if isinstance(node, ast.ImportFrom)]
    if any(name in syntax.bound_names(node) for node in tree.body if not isinstance(node, ast.ImportFrom)):
        return module, name
    for node in imports:
        above = module.split(".")[: len(module.split(".")) + (path.stem == "__init__") - node.level] if node.level else []
        origin = ".".join([*above, *([node.module] if node.module else [])])
        if origin.partition(".")[0] != module.partition(".")[0]:
            continue
        for alias in node.names:
            there = name if alias.name == "*" else alias.name if (alias.asname or alias.name) == name else ""
            if there and (found := _defined(origin, there, seen | {module})):
                return found
    return None


def parted(spec: str) -> tuple[str, str]:
    """(path, name) of `path/vit.py:Name`; what is no path stays as it is."""
    head, _, tail = spec.rpartition(":")
    return (head, tail) if head.endswith(".py") and not os.path.lexists(spec) else (spec, "")


def _registered(spec: str, library: str, name: str) -> Source:
    name = name.split(".", maxsplit=1)[0]  # resnet50.a1_in1k: a tag names weights, not code
    path = registry.definition(library, name)
    if path is None:
        if registry.folder(library) is None:
            raise CodegenError("unknown-source", f"{library} is not installed", f"pip install {library}")
        near = difflib.get_close_matches(name, registry.names(library), 3)
        hint = (
            f"did you mean {', '.join(f'{library}:{n}' for n in near)}?" if near else f"see {library}'s list of models"
        )
        raise CodegenError("unknown-source", f"{library} has no model {name}", hint)
    return Source(spec, file(path), name, library, f"{library} {registry.version(library)}")


def module_path(name: str) -> Path | None:
    """The file of a dotted module, found without importing its parents."""
    top, *rest = name.split(".")
    if not all(part.isidentifier() for part in (top, *rest)):
        return None
    spec = importlib.util.find_spec(top)
    if spec is None:
        return None
    if not rest:
        return Path(spec.origin) if spec.origin and spec.origin.endswith(".py") else None
    for location in spec.submodule_search_locations or ():
        base = Path(location, *rest)
        for candidate in (base.with_suffix(".py"), base / "__init__.py"):
            if candidate.is_file():
                return candidate
    return None


def file(path: Path, name: str = "") -> SourceFile:
    """Read a Python file and find out under which name it is imported: a package's file where it imports relatively.

    name: the dotted one by which it was found, where it was: a folder on the way may have no `__init__.py`.
    """
    path = path.absolute()
    if os.path.exists(path) and not os.path.isfile(path):
        raise CodegenError("unreadable-source", f"{path} is not a file", "give a Python file")
    text, encoding = syntax.read(path)
    tree = syntax.shared(text, path).tree
    parsing.demand_program(tree, text, path)
    dotted = re.search(r"\bfrom[\s\\]*\.", text) is not None
    levels = {n: n.level for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)} if dotted else {}
    relative = any(levels.values())
    tries = [n for n in ast.walk(tree) if isinstance(n, ast.Try)] if relative else []
    guarded = {inner for node in tries for inner in ast.walk(node)}  # `except ImportError:` says what a loose file does
    own = path.stem == "__init__"  # of a package: beside it stands what it hands on
    above = name.count(".") + own if name else max((level for n, level in levels.items() if n not in guarded), default=0)
    module, root = package(path, above)
    relative = relative or own
    alone = "." not in module and not own  # nothing that it could import relatively to
    if not (relative and not alone) and not _installed(path, module):
        return SourceFile(path, text, encoding, "", root)
    return SourceFile(path, text, encoding, module, root)


def package(path: Path, above: int = 0) -> tuple[str, Path]:
    """(dotted name, folder to put on sys.path) of a file by the `__init__.py` files around it.

    above: how many folders belong to the package in any case: `from .. import` needs two, with an `__init__.py` or without.
    """
    parts = [] if path.stem == "__init__" else [path.stem]
    folder, count = path.parent, 0
    while ((folder / "__init__.py").is_file() or count < above) and folder.name.isidentifier():
        parts.insert(0, folder.name)
        folder, count = folder.parent, count + 1
    return ".".join(parts), folder


def _installed(path: Path, module: str) -> bool:
    found = module_path(module) if "." in module else None
    return found is not None and found.resolve() == path.resolve()
