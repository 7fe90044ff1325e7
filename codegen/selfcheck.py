"""After every rewrite: the output parses, and with what was inserted taken out its tree is the base's. Changes nothing.

Where it is not so that is a bug of codegen, and is told as one before anything is proved or written.
"""

from __future__ import annotations

import ast
import bisect
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from codegen import rewrite, syntax
from codegen.errors import BUG, CodegenError
from codegen.syntax import Code
from codegen.types import Edit

BLOCKS = ("body", "orelse", "finalbody", "handlers", "cases")
COMPOUND = (
    *(ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.If, ast.For, ast.AsyncFor, ast.While),
    *(ast.With, ast.AsyncWith, ast.Try, ast.TryStar, ast.ExceptHandler, ast.Match),
)
HINT = "this is a bug of codegen: please report it with the command; nothing was written"


@dataclass(frozen=True)
class Change:
    """A stretch of the base and the stretch of the variant that stands in its place; an empty one of the base: inserted."""

    base: tuple[int, int]
    variant: tuple[int, int]


@dataclass(frozen=True)
class Piece:
    """A node that no change touches, by where it stands in the base, and the blocks around it."""

    start: int
    end: int
    kind: str
    around: tuple[tuple[str, int, str], ...]  # kind, start in the base, field: ("If", 120, "orelse")


def demand(source: Code, old: Sequence[Edit], new: Sequence[Edit]) -> None:
    """Compare `apply(source, old)`, the base, with `apply(source, new)`. Raises CodegenError("internal-error").

    Edits say what was inserted. Where both sides brought in the code of another file, its lines are compared; a line that
    stands on both sides of what was inserted can be taken for either, so both ways are tried.
    """
    problem, text = "", source.text
    base = syntax.shared(rewrite.apply(text, old), Path("the base")) if old else source
    variant = syntax.shared(rewrite.apply(text, new), syntax.VARIANT)
    for upwards in (False, True):
        edits = rewrite.forth(text, old, new, upwards=upwards)
        if rewrite.apply(base.text, edits) != variant.text:
            _fail("taking the edits of the variant out does not give the base")
        problem = difference(base, variant, edits)
        if not problem:
            return
    _fail(problem)


def demand_parses(code: Code) -> None:
    """Raises CodegenError("internal-error") where what codegen wrote is no Python."""
    try:
        _ = code.tree  # no assert: `python -O` leaves those out
    except CodegenError as error:
        _fail(f"it does not parse: {error.message}")


def demand_same(first: str, second: str) -> None:
    """Raises CodegenError("internal-error") where the same work gave two texts."""
    if first != second:
        lines = zip(first.splitlines(), second.splitlines(), strict=False)
        number = next((n for n, (one, other) in enumerate(lines, 1) if one != other), 0)
        _fail(f"a second run gave another file, from line {number} on")


def difference(base: Code, variant: Code, edits: Iterable[Edit]) -> str:
    """What of the base's tree is not in the variant's, "" where all of it is."""
    demand_parses(base)
    demand_parses(variant)
    changes = list(_changes(edits))
    old, new = _Side(base, changes, "base"), _Side(variant, changes, "variant")
    calm = old.calm & new.calm
    theirs, ours = (sorted(side.pieces(calm), key=_place) for side in (old, new))
    for one, other in zip([*theirs, None], [*ours, None], strict=False):
        if one != other:
            found = one or other
            assert found is not None
            line = base.text.count("\n", 0, found.start) + 1
            return f"the base's line {line} is not the same in the variant: {one} became {other}"
    if strange := next((each for each in new.around if each not in old.around), None):
        return f"what was inserted changes what stands around it: a {strange[2]} of the variant is none of the base"
    return ""


def _place(piece: Piece) -> tuple[int, int]:
    return piece.start, -piece.end


def _fail(what: str) -> NoReturn:
    raise CodegenError("internal-error", f"the self-check after the rewrite failed: {what}", HINT, BUG)


def _changes(edits: Iterable[Edit]) -> Iterator[Change]:
    moved = 0
    for edit in sorted(edits, key=lambda e: (e.start, e.end)):
        start = edit.start + moved
        yield Change((edit.start, edit.end), (start, start + len(edit.text)))
        moved += len(edit.text) - (edit.end - edit.start)


class _Side:
    """One of the two texts, its positions counted in the base's."""

    def __init__(self, code: Code, changes: Sequence[Change], side: str) -> None:
        self.code = code
        self.spans: list[tuple[int, int]] = [getattr(change, side) for change in changes]
        self.starts = [start for start, _ in self.spans]
        self.ends = [end for _, end in self.spans]
        self.moves = [change.base[1] - getattr(change, side)[1] for change in changes]
        self.around: set[tuple[int, int, str]] = set()  # nodes with changes inside, both of whose ends are the base's

        self.top = [(self.code.start(node), self.code.end(node), node) for node in code.tree.body]
        self.calm = set(self._calm())

    def _calm(self) -> Iterator[Piece]:
        """The top-level statements with no change inside, nor between them and the next: of the same text, the same tree."""
        edges = [0, *(end for _, end, _ in self.top)]
        following = [*(start for start, _, _ in self.top[1:]), len(self.code.text)]
        for (start, end, node), low, high in zip(self.top, edges, following, strict=False):
            first = bisect.bisect_left(self.ends, low)
            if first == len(self.spans) or self.spans[first][0] > high:
                yield Piece(self._in_base(start), self._in_base(end), _kind(node), ())

    def pieces(self, calm: set[Piece]) -> Iterator[Piece]:
        """Every simple statement and expression that no change touches, the largest of each. calm: of these nothing."""
        for start, end, node in self.top:
            if Piece(self._in_base(start), self._in_base(end), _kind(node), ()) not in calm:
                yield from self._below(node, ())

    def _below(self, node: ast.AST, around: tuple[tuple[str, int, str], ...]) -> Iterator[Piece]:
        node = node.value if isinstance(node, ast.Expr) else node  # a statement or not: what surrounds it says
        if getattr(node, "end_lineno", None) is None:
            yield from self._children(node, around)
            return
        start, end = self.code.start(node), self.code.end(node)
        first = bisect.bisect_left(self.ends, start)
        last = bisect.bisect_right(self.starts, end)
        near = [(s, e) for s, e in self.spans[first:last]]
        if any(s <= start and end <= e for s, e in near):
            return  # inserted here, or left out there
        inside = any((s < end and e > start) if e > s else start < s < end for s, e in near)
        # what stands at its end may be larger now, and it with that: `return x, self.m(x) + self.se(x)`
        grown = bool(near) and any(isinstance(n, ast.expr) for n in ast.iter_child_nodes(node))
        block = isinstance(node, COMPOUND)
        if not inside and not grown and not block:
            yield Piece(self._in_base(start), self._in_base(end), _kind(node), around)
        elif not isinstance(node, ast.JoinedStr):  # before Python 3.12 what is inside has no position of its own
            if not block and not any(s <= start < e or s < end <= e for s, e in near):
                self.around.add((self._in_base(start), self._in_base(end), _kind(node)))
            yield from self._children(node, around)

    def _children(self, node: ast.AST, around: tuple[tuple[str, int, str], ...]) -> Iterator[Piece]:
        for name, value in ast.iter_fields(node):
            outer = around
            if name in BLOCKS and isinstance(node, COMPOUND):
                own = self.code.offset(node.lineno, node.col_offset)
                kept = not any(s <= own < e for s, e in self.spans)
                outer = (*around, (type(node).__name__, self._in_base(own) if kept else -1, name))
            for child in value if isinstance(value, list) else [value]:
                if isinstance(child, ast.AST):
                    yield from self._below(child, outer)

    def _in_base(self, offset: int) -> int:
        """A place of this text that no change covers, in the base."""
        before = bisect.bisect_right(self.ends, offset)
        return offset + (self.moves[before - 1] if before else 0)


def _kind(node: ast.AST) -> str:
    operator = getattr(node, "op", None)
    return type(node).__name__ + (f" {type(operator).__name__}" if operator is not None else "")
