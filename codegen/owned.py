"""A class of the user's own file: copied into the variant with what it needs and its licence notice, or imported by it."""

from __future__ import annotations

import ast
import keyword
import sys
from collections.abc import Iterator
from importlib.machinery import PathFinder
from pathlib import Path

from codegen import closure, licences, siblings, sources, syntax
from codegen.errors import CodegenError
from codegen.syntax import Code
from codegen.types import SourceFile


def inlined(file: SourceFile, code: Code, name: str, *, any_licence: bool = False) -> closure.Brought:
    """A definition with everything that it needs, from its own file and from those beside it, each under its notice.

    Raises CodegenError("licence") where one of these files is under the GPL or the AGPL, and what `siblings.gather` raises.
    """
    beside = siblings.gather(file, code, closure.needs(code, [name]))
    for each in () if any_licence else (code, *beside.codes):
        licences.demand(each)
    local = frozenset().union(*(syntax.bound_names(s) for s in beside.statements))
    own = closure.bring(file, code, [name], beside.edits, local)
    stars = {ast.unparse(s) for s in beside.statements}
    texts = [*beside.imports, *(text for text in own.imports if ast.unparse(ast.parse(text)) not in stars)]
    whole = [licences.noted(each, body) for each, body in zip(beside.codes, beside.bodies, strict=False)]
    plain = own.body.replace("\r\n", "\n").replace("\r", "\n")
    pieces = [*whole, *beside.bodies[len(whole) :], licences.noted(code, plain)]
    body = "\n\n\n".join(piece.strip("\n") for piece in pieces)
    return closure.Brought(tuple(dict.fromkeys(texts)), body + "\n")


def statement(file: SourceFile, name: str) -> str:
    """The import of a class, under the name that Python has for its file: in the working directory, or installed.

    Raises CodegenError("not-importable") where it finds none there, or another file.
    """
    for entry, dotted in _names(file):
        if _found(dotted, [str(Path.cwd()), entry, *sys.path]) == file.path.resolve():
            return f"from {dotted} import {name}"
    what = f"{file.path.name} cannot be imported: Python, started in this folder, finds no module of that file"
    hint = "run codegen where your code is run, rename a file that a module of Python hides, install it, or leave --import out"
    raise CodegenError("not-importable", what, hint)


def _names(file: SourceFile) -> Iterator[tuple[str, str]]:
    """(folder, dotted name seen from there) for a file; its package's own name first, and only that where it needs one."""
    path, known = file.path.resolve(), file.module or sources.package(file.path)[0]
    folders = dict.fromkeys(Path(entry or ".").resolve() for entry in (".", *sys.path))
    found = []
    for folder in folders:
        if path.is_relative_to(folder):
            parts = path.relative_to(folder).with_suffix("").parts
            parts = parts[:-1] if parts[-1] == "__init__" else parts
            if parts and all(part.isidentifier() and not keyword.iskeyword(part) for part in parts):
                found.append((str(folder), ".".join(parts)))
    found.sort(key=lambda pair: (pair[1] != known, pair[1].count(".")))
    yield from (pair for pair in found if pair[1] == known or not file.module)


def _found(dotted: str, path: list[str]) -> Path | None:
    """The file that Python imports under a name; nothing is imported to see it."""
    top, *rest = dotted.split(".")
    spec = None if top in sys.stdlib_module_names else PathFinder.find_spec(top, path)
    if spec is None or not rest:
        return Path(spec.origin).resolve() if spec and spec.origin else None
    bases = [Path(location, *rest) for location in spec.submodule_search_locations or ()]
    candidates = (file for base in bases for file in (base / "__init__.py", base.with_suffix(".py")))
    return next((file.resolve() for file in candidates if file.is_file()), None)
