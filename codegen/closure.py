"""Which top-level statements of a file some names need, and those statements as text. Reads only."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from codegen import rewrite, syntax
from codegen.errors import CodegenError
from codegen.imports import absolute_edits, is_import, needed
from codegen.syntax import Code
from codegen.types import Edit, SourceFile

NOTICE = re.compile(r"copyright|licen[sc]e", re.IGNORECASE)


@dataclass(frozen=True)
class Needs:
    """What is kept of a file: its statements (not the imports) and the names that are used of its imports."""

    statements: frozenset[ast.stmt]
    names: frozenset[str]


@dataclass(frozen=True)
class Brought:
    """A piece of a file made to stand in another one: import statements, and the text of the definitions."""

    imports: tuple[str, ...]
    body: str


def needs(code: Code, roots: Iterable[str], owned: Iterable[ast.stmt] = (), *, effects: bool = False) -> Needs:
    """The closure of `roots` over the file's own definitions. owned: statements that do not count.

    effects: with the bare calls of the file, which work behind the names: `register_block("mobilevit", MobileVitBlock)`.
    """
    tree, elsewhere = code.tree, set(owned)
    binding: dict[str, list[ast.stmt]] = defaultdict(list)
    changing: dict[str, list[ast.stmt]] = defaultdict(list)
    for node in tree.body:
        if is_import(node) or node in elsewhere:
            continue
        for name in syntax.bound_names(node):
            binding[name].append(node)
        for name in _changed_names(node):
            changing[name].append(node)
    calls = [n for n in tree.body if is_call(n) and n not in elsewhere and not _changed_names(n) & binding.keys()]
    kept: set[ast.stmt] = set(calls) if effects else set()
    names: set[str] = set()
    todo = [*roots, *(name for node in kept for name in code.names_read(node))]
    while todo:
        name = todo.pop()
        if name in names:
            continue
        names.add(name)
        # x = {}, and also x["key"] = ... and x.update(...) further down
        for node in [*binding[name], *(changing[name] if binding[name] else [])]:
            if node not in kept:
                kept.add(node)
                todo.extend(code.names_read(node))
    return Needs(frozenset(kept), frozenset(names))


def is_call(node: ast.stmt) -> bool:
    """Whether a statement is a bare call, made for its effect, or holds one: `for name in NAMES: register(name)`."""
    if isinstance(node, (ast.For, ast.With, ast.If)) and "__name__" not in ast.unparse(getattr(node, "test", node)):
        return any(is_call(inner) for inner in node.body)
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)


def _changed_names(node: ast.stmt) -> set[str]:
    """The names whose values a statement changes: `cfgs["a"] = 1`, `names.append("a")`, `Block.depth = 2`."""
    if isinstance(node, (ast.For, ast.While, ast.If, ast.With, ast.Try)):
        return {
            name
            for child in ast.iter_child_nodes(node)
            if isinstance(child, ast.stmt)
            for name in _changed_names(child)
        }
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call) and isinstance(node.value.func, ast.Attribute):
        targets: list[ast.expr] = [node.value.func]
    elif isinstance(node, (ast.Assign, ast.AugAssign)):
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
    else:
        return set()
    names = set()
    for target in targets:
        while isinstance(target, (ast.Attribute, ast.Subscript)):
            target = target.value
            if isinstance(target, ast.Name):
                names.add(target.id)
    return names


def block_start(code: Code, node: ast.stmt) -> int:
    """Where a statement's block begins: its decorators and the comment lines that stand directly above it."""
    first = min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", []))])
    while first > 1 and code.lines[first - 2].lstrip(" \t\f").startswith("#"):
        line = code.lines[first - 2]
        if first <= 3 and (line.startswith("#!") or syntax.COOKIE.match(line)):
            break  # these must stay on top
        first -= 1
    return code.offset(first, 0)


def bring(
    file: SourceFile,
    code: Code,
    roots: Sequence[str],
    edits: Iterable[Edit] = (),
    local: frozenset[str] = frozenset(),
    staying: Iterable[ast.stmt] = (),
) -> Brought:
    """The definitions of `roots` with everything that they need from their file, edits applied inside them.

    local: imported names that need no import where the definitions go. staying: definitions that are imported instead.
    """
    edits = list(edits)
    staying = list(staying)
    found = needs(code, roots, staying)
    missing = [r for r in roots if not any(r in syntax.bound_names(n) for n in code.tree.body)]
    if missing:
        raise CodegenError("unknown-class", f"{file.path.name} defines no {missing[0]}", "name a class of the file")
    body = ""
    previous: ast.stmt | None = None
    for index, node in enumerate(code.tree.body):
        if node not in found.statements:
            continue
        start, end = block_start(code, node), code.line_end(node)
        if previous is not None:
            neighbours = previous is code.tree.body[index - 1]
            gap = code.text[code.line_end(previous) : start] if neighbours else _gap(previous, node)
            body += gap.replace("\r\n", "\n").replace("\r", "\n")
        inside = rewrite.inside([*edits, *absolute_edits(file, code, node)], start, end)
        body += rewrite.apply(code.text[start:end], inside).rstrip() + "\n"
        previous = node
    kept = sorted(found.names & {name for node in staying for name in syntax.bound_names(node)})
    own = [f"from {file.module} import {name}" for name in kept]
    return Brought((*own, *needed(file, code, found.names - local)), body)


def _gap(above: ast.stmt, below: ast.stmt) -> str:
    large = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    return "\n\n" if isinstance(above, large) or isinstance(below, large) else ""
