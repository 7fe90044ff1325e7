"""Make a source stand alone: absolute imports, registrations renamed, unused code left out, a host brought in. As edits."""

from __future__ import annotations

import ast
import functools
import io
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from codegen import closure, foreign, imports, origins, registry, renaming, rewrite, siblings, style, syntax
from codegen.closure import block_start, needs
from codegen.errors import CodegenError
from codegen.foreign import Foreign
from codegen.imports import is_import, trimmed
from codegen.syntax import Code
from codegen.types import Edit, SourceFile


@dataclass(frozen=True)
class Parts:
    """The files that a variant is made of. `host` is `main` itself where the host class stands in the source's file."""

    file: SourceFile
    main: Code
    host_file: SourceFile
    host: Code
    host_class: str
    roots: tuple[str, ...]  # names that must stay: the entry, what the build expression uses
    keep: str  # "all" or "used"
    suffix: str
    foreign: tuple[Foreign, ...] = ()  # files whose classes are brought in; the host's among them where it is another file


@dataclass(frozen=True)
class Addition:
    """What a variant has beside the edits of its class: import statements, and code in front of the host class."""

    imports: tuple[str, ...] = ()
    code: str = ""
    elsewhere: tuple[tuple[Path, Edit], ...] = ()  # edits of other files than the host's


def renames(parts: Parts) -> dict[str, str]:
    """{"resnet50": "resnet50_se"} for every function that the file enters into a library's registry."""
    return {name: name + parts.suffix for name in _registered(parts.file, parts.main)}


@functools.lru_cache(maxsize=16)
def _registered(file: SourceFile, main: Code) -> tuple[str, ...]:
    table = imports.meanings(file, main)
    functions = (node for node in main.tree.body if isinstance(node, ast.FunctionDef))
    return tuple(node.name for node in functions if any(registry.is_registrar(d, table) for d in node.decorator_list))


def assemble(parts: Parts, edits: Iterable[Edit] = (), addition: Addition = Addition()) -> str:
    """The standalone text: the base without `edits` and `addition`, the variant with them. `edits` are of the host's file.

    Raises CodegenError("name-clash", "not-encodable", "host-not-found").
    """
    return written(parts, changes(parts, edits, addition))


@functools.lru_cache(maxsize=8)
def base(parts: Parts) -> tuple[tuple[Edit, ...], str]:
    """The edits that make the base, and its text: the same for every variant that a module makes of a source.

    Raises what `assemble` raises.
    """
    edits = changes(parts)
    return edits, written(parts, edits)


def written(parts: Parts, every: Iterable[Edit]) -> str:
    """The text of the source's file with these edits. Raises CodegenError("not-encodable")."""
    text = rewrite.apply(parts.main.text, every)
    return syntax.encodable(text, parts.file.encoding, parts.file.path.name)


def used_imports(parts: Parts) -> dict[str, str]:
    """The imported names that the source's own file needs, and what they stand for."""
    here = (parts.host_class.split(".")[0],) if parts.host is parts.main else ()
    found = _needed(parts, (*here, *parts.roots))
    table = imports.meanings(parts.file, parts.main)
    return {n: m for n, m in table.items() if parts.keep == "all" or n in found.names}


def changes(parts: Parts, edits: Iterable[Edit] = (), addition: Addition = Addition()) -> tuple[Edit, ...]:
    """The edits of the source's own file that make it stand alone. Raises CodegenError("name-clash", "host-not-found")."""
    by_file: dict[Path, list[Edit]] = defaultdict(list)
    by_file[parts.host_file.path] += [*_host_addition(parts, addition), *edits]
    for path, edit in addition.elsewhere:
        by_file[path].append(edit)
    here = (parts.host_class.split(".")[0],) if parts.host is parts.main else ()
    found = _needed(parts, (*here, *parts.roots))
    used = used_imports(parts)
    loose = [f for f in parts.foreign if origins.is_beside(parts.file, f.file.path)]
    defined = {n for s in found.statements for n in syntax.bound_names(s)}
    brought = foreign.gather([f for f in parts.foreign if f not in loose], by_file, used, defined)
    local = foreign.local_names(used, brought, parts.file.path.name)
    changed = [siblings.Edited(f.file.path, f.names, tuple(by_file[f.file.path])) for f in loose]
    beside = siblings.gather(parts.file, parts.main, None if parts.keep == "all" else found, changed)
    kept = found.statements - beside.statements
    above = _above(parts.main, _top(parts, kept), _joined([*beside.bodies, brought.body]))
    plain = _base_edits(parts, found, local, beside.statements)
    wanted = (*_library_imports(parts, found), *beside.imports, *brought.imports, *addition.imports)
    new = _import_edits(parts, wanted, found, plain)
    own = beside.translated(by_file[parts.file.path])
    return (*plain, *new, *above, *beside.edits, *own)


def _top(parts: Parts, kept: frozenset[ast.stmt]) -> ast.stmt:
    """The statement above which brought code stands: the first that stays behind the imports at the top of the file.

    They may be interrupted: `__all__ = [...]`, `try: from typing import Literal`. Raises CodegenError("host-not-found").
    """
    body = parts.main.tree.body
    definitions = (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    first = next((i for i, n in enumerate(body) if n in kept and isinstance(n, definitions)), len(body))
    behind = [i + 1 for i, n in enumerate(body[:first]) if any(isinstance(m, ast.stmt) and is_import(m) for m in ast.walk(n))]
    for start in (*behind[-1:], 0):
        if top := next((n for n in body[start:] if n in kept and not is_docstring(n)), None):
            return top
    raise CodegenError("host-not-found", f"nothing of {parts.file.path.name} is needed", "name the host's own file")


def _library_imports(parts: Parts, found: closure.Needs) -> list[str]:
    """Import statements for the classes whose identity the library tests."""
    table = imports.meanings(parts.file, parts.main)
    return [
        f"from {parts.file.module} import {node.name}"
        for node in parts.main.tree.body
        if isinstance(node, ast.ClassDef) and registry.stays_in_library(node, table)
        if parts.keep == "all" or node.name in found.names
    ]


def spread(parts: Parts, addition: Addition) -> bool:
    """Whether other files than the source's own are edited."""
    return parts.host is not parts.main or any(path.resolve() != parts.file.path.resolve() for path, _ in addition.elsewhere)


def in_place(parts: Parts, edits: Iterable[Edit], addition: Addition) -> str:
    """The source's own file with the insertion and nothing else changed."""
    return written(parts, changes_in_place(parts, edits, addition))


def changes_in_place(parts: Parts, edits: Iterable[Edit], addition: Addition) -> tuple[Edit, ...]:
    """The edits of the source's own file that are the insertion. Raises CodegenError("in-place-foreign")."""
    if parts.host is not parts.main:
        raise CodegenError(
            "in-place-foreign",
            f"{parts.host_class} stands in {parts.host_file.path.name}",
            "give that file, or leave --in-place out",
        )
    found = _needed(parts, ())
    new = [*_import_edits(parts, addition.imports, found), *_host_addition(parts, addition)]
    if away := [path.name for path, _ in addition.elsewhere if path.resolve() != parts.file.path.resolve()]:
        raise CodegenError("in-place-foreign", f"{away[0]} must be edited too", "leave --in-place out")
    return (*new, *edits, *(edit for _, edit in addition.elsewhere))


def _host_addition(parts: Parts, addition: Addition) -> list[Edit]:
    host_name = parts.host_class.split(".")[0]
    node = next(n for n in parts.host.tree.body if host_name in syntax.bound_names(n) and not is_import(n))
    return _above(parts.host, node, addition.code)


def _needed(parts: Parts, roots: tuple[str, ...]) -> closure.Needs:
    return _needed_of(parts, roots, parts.main.tree)


@functools.lru_cache(maxsize=16)  # the same for every variant of a source; of its own tree: two files may have one text
def _needed_of(parts: Parts, roots: tuple[str, ...], tree: ast.Module) -> closure.Needs:
    if parts.keep == "all":
        return closure.Needs(frozenset(n for n in tree.body if not is_import(n)), frozenset())
    table = imports.meanings(parts.file, parts.main)
    owned = [n for n in tree.body if registry.stays_in_library(n, table) or registry.is_alias(n, table)]
    return needs(parts.main, roots, owned, effects=True)


def _above(code: Code, node: ast.stmt, text: str) -> list[Edit]:
    """Code in front of a top-level statement, two blank lines behind it."""
    if not text:
        return []
    start = block_start(code, node)
    lines = text.strip("\n").replace("\r\n", "\n").split("\n")
    above = [*io.StringIO(code.text[:start], newline="")][-1:]
    gap = ["", ""] if above and above[0].strip() else []  # import torch / class Net: no blank line between them
    block = code.newline.join([*gap, *lines, "", "", ""])
    return [Edit(start, start, block, "definitions")]


@functools.lru_cache(maxsize=4)  # base and variant are made of the same
def _base_edits(
    parts: Parts, found: closure.Needs, brought: frozenset[str], gone: frozenset[ast.stmt]
) -> tuple[Edit, ...]:
    """The edits that make the source's file stand alone."""
    code, table = parts.main, imports.meanings(parts.file, parts.main)
    kept_names = {n for s in found.statements for n in syntax.bound_names(s)}
    names = {old: new for old, new in renames(parts).items() if old in kept_names}
    edits: list[Edit] = []
    for index, node in enumerate(code.tree.body):
        if node in gone:
            edits.append(_deletion(code, node))
        elif is_import(node):
            edits += _import_edit(parts, node, found, brought)
        elif registry.stays_in_library(node, table):
            edits.append(_deletion(code, node))
        elif renaming.is_all(node):
            edits += renaming.all_edit(code, node, kept_names | set(found.names), names, parts.keep)
        elif not _stays(node, index, parts, found) or registry.is_alias(node, table):
            edits.append(_deletion(code, node))
        else:
            edits += imports.absolute_edits(parts.file, code, node)
            edits += renaming.name_edits(code, node, names)
    return tuple(edits)


def is_docstring(node: ast.stmt) -> bool:
    """Whether a statement is a bare constant."""
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _joined(bodies: Iterable[str]) -> str:
    return "\n\n\n".join(body.strip("\n") for body in bodies if body.strip())


def _stays(node: ast.stmt, index: int, parts: Parts, found: closure.Needs) -> bool:
    if parts.keep == "all" or node in found.statements:
        return True
    if index == 0 and is_docstring(node):
        return True
    return bool(syntax.bound_names(node) & found.names) and isinstance(node, (ast.Try, ast.If))


def _import_edit(parts: Parts, node: ast.stmt, found: closure.Needs, brought: frozenset[str]) -> list[Edit]:
    code = parts.main
    if isinstance(node, ast.ImportFrom) and node.module == "__future__":
        return []
    bound = syntax.bound_names(node)
    wanted = (bound if parts.keep == "all" else bound & found.names) - brought
    if bound == {"*"} or wanted == bound:
        return imports.absolute_edits(parts.file, code, node)
    text = trimmed(parts.file, code, node, wanted)
    if not text:
        return [_deletion(code, node)]
    return [Edit(code.start(node), code.end(node), text, "import")]


def _deletion(code: Code, node: ast.stmt) -> Edit:
    """Take a statement out with everything above it up to the statement before; notices of copyright and licence stay."""
    if not code.stands_alone(node):
        return Edit(code.start(node), code.end(node), "pass", "left out")
    index = code.tree.body.index(node)
    start = code.line_end(code.tree.body[index - 1]) if index else block_start(code, node)
    own = code.line_start(node) if not getattr(node, "decorator_list", []) else code.start(node)
    comments = code.text[start:own]
    if closure.NOTICE.search(comments):
        start = own
    last = node is code.tree.body[-1]
    return Edit(start, len(code.text) if last else code.line_end(node), "", "left out")


def _import_edits(
    parts: Parts, statements: Iterable[str], found: closure.Needs, others: Iterable[Edit] = ()
) -> list[Edit]:
    """Import statements that the file does not have yet. others: the edits that take imports of the file out."""
    code = parts.main
    deletions = [(e.start, e.end) for e in others if not e.text]
    starts = {n: code.start(n) for n in code.tree.body if is_import(n)}
    gone = {n for n, at in starts.items() if any(start <= at < end for start, end in deletions)}
    table = imports.meanings(parts.file, code)
    for name in (n for s in gone for n in syntax.bound_names(s)):
        table.pop(name, None)
    own = [s for s in code.tree.body if not is_import(s) and not registry.stays_in_library(s, table)]
    defined = {n for s in own for n in syntax.bound_names(s)} - table.keys()
    wanted = list(statements)
    for name, meaning in (pair for text in wanted for pair in syntax.imports(ast.parse(text)).items()):
        if not _same(table.get(name, "" if name in defined else meaning), meaning):
            raise CodegenError(
                "name-clash",
                f"{parts.file.path.name} uses the name {name} for {table.get(name, 'its own')}, the module needs {meaning}",
                "rename one of the two in its file",
            )

    def known(name: str, meaning: str) -> bool:
        return _same(table.get(name, ""), meaning) and (parts.keep == "all" or name in found.names)

    return imports.placed(code, imports.merged(wanted, known, style.line_length(code.text)), gone)


def _same(one: str, other: str) -> bool:
    """Whether two meanings are of one thing, perhaps exported again."""
    if one == other or not one:
        return one == other
    return any(imports.canonical(one, in_torch=deep) == imports.canonical(other, in_torch=deep) for deep in (False, True))
