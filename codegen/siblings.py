"""Definitions that a loose file imports from a file beside it: brought in, so that the variant imports by itself."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from codegen import closure, imports, sources, syntax
from codegen.errors import CodegenError
from codegen.syntax import Code
from codegen.types import SourceFile


@dataclass
class Gathered:
    """What stands in for the imports of siblings: import statements, definitions, and the names that they bind."""

    imports: list[str] = field(default_factory=list)
    bodies: list[str] = field(default_factory=list)
    names: set[str] = field(default_factory=set)
    statements: set[ast.stmt] = field(default_factory=set)  # the import statements of the file itself


def gather(file: SourceFile, code: Code, wanted: Iterable[str] | None) -> Gathered:
    """Everything that `file` takes from its siblings. wanted: the names that it needs, None for all.

    Raises CodegenError("sibling-import") where a sibling is imported as a module or with a star.
    """
    found = Gathered()
    _gather(file, code, None if wanted is None else set(wanted), found, top=True)
    return found


def path_of(file: SourceFile, module: str) -> Path | None:
    """The sibling that a module name means: a file beside a loose file that nothing else on the path provides."""
    if file.module or not module:
        return None
    path = file.path.parent.joinpath(*module.split(".")).with_suffix(".py")
    return path if path.is_file() and sources.module_path(module) in (None, path) else None


def _gather(file: SourceFile, code: Code, wanted: set[str] | None, found: Gathered, *, top: bool) -> None:
    for node in code.tree.body:
        modules = [a.name for a in node.names] if isinstance(node, ast.Import) else []
        plain = [m for m in modules if path_of(file, m)]
        path = path_of(file, node.module or "") if isinstance(node, ast.ImportFrom) and not node.level else None
        if plain or path and isinstance(node, ast.ImportFrom) and any(a.name == "*" or a.asname for a in node.names):
            raise CodegenError(
                "sibling-import",
                f"{file.path.name}:{node.lineno} imports {plain[0] if plain else path.name if path else ''} as a whole",
                "import the names that are used: from FILE import NAME",
            )
        if path is None or not isinstance(node, ast.ImportFrom):
            continue
        names = [a.name for a in node.names if wanted is None or a.name in wanted]
        if top:
            found.statements.add(node)
        _bring(path, [n for n in names if n not in found.names], found)


def _bring(path: Path, names: list[str], found: Gathered) -> None:
    if not names:
        return
    file = sources.file(path)
    code = Code(file.text, path.name)
    needed = closure.needs(code, names)
    _gather(file, code, set(needed.names), found, top=False)  # what it takes from siblings of its own stands above
    brought = closure.bring(file, code, names)
    foreign = [n for n in code.tree.body if isinstance(n, ast.ImportFrom) and path_of(file, n.module or "")]
    inner = {imports.trimmed(file, code, n, needed.names) for n in foreign}
    found.imports += [text for text in brought.imports if text not in inner]
    found.bodies.append(brought.body)
    found.names |= {n for s in needed.statements for n in syntax.bound_names(s)}
