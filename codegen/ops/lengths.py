"""A statement of one line that an edit makes too long is written as black writes it; no other line is."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from codegen import rewrite, style
from codegen.syntax import Code
from codegen.types import Edit

SIMPLE = (ast.Assign, ast.AugAssign, ast.AnnAssign, ast.Return, ast.Expr)


def fitted(code: Code, cls: ast.ClassDef, edits: Sequence[Edit]) -> list[Edit]:
    """The edits of a class, those inside one statement as one where its line would get too long."""
    found = [*edits]
    for statement in _of_one_line(code, cls):
        start, end = code.start(statement), code.end(statement)
        inside = [e for e in edits if start <= e.start and e.end <= end]
        if inside and not any("\n" in e.text for e in inside) and (text := fitting(code, statement, inside)) != inside:
            found = [*(e for e in found if e not in inside), *text]
    return found


def _of_one_line(code: Code, cls: ast.ClassDef) -> Iterator[ast.stmt]:
    return (n for n in ast.walk(cls) if isinstance(n, SIMPLE) and n.lineno == n.end_lineno and code.stands_alone(n))


def fitting(code: Code, statement: ast.AST, edits: Iterable[Edit]) -> list[Edit]:
    """The edits of one statement; where its only line gets too long, the statement as black writes it."""
    edits = list(edits)
    if not isinstance(statement, SIMPLE) or statement.lineno != statement.end_lineno or not code.stands_alone(statement):
        return edits
    start, end = code.line_start(statement), code.line_end(statement)
    old = code.text[start:end]
    new = rewrite.apply(old, [replace(e, start=e.start - start, end=e.end - start) for e in edits])
    limit = style.line_length(code.text)
    if len(new.rstrip().expandtabs(4)) <= limit or len(old.rstrip().expandtabs(4)) > limit:
        return edits
    block = style.block(new.strip(), code, code.indent(statement))
    return [Edit(start, end, block if old.endswith(("\n", "\r")) else block.removesuffix(code.newline), edits[0].what)]
