"""A unified diff -> two columns of lines, each as coloured pieces of text. Writes no markup."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pygments.lexer import Lexer

HUNK = re.compile(r"@@ -(\d+)(?:,\d+)? \+(\d+)(?:,\d+)? @@")
WORD = re.compile(r"\w+|\s+|.")
ALIKE = 0.5  # lines that are so alike stand side by side
MOST = 400  # pairs of lines that are compared in one place
Pieces = list[str]  # colour, text, colour, text ...; a colour that ends in "!" is a word that changed
Side = tuple[int, Pieces] | None  # the line's number and its pieces
Hunk = list[tuple[Side, Side]]


def columns(diff: str) -> list[Hunk]:
    """The hunks; in each, pairs of (old line, new line). Lines that did not change are on both sides."""
    return [_hunk(old, new, tuple(lines)) for old, new, lines in _hunks(diff)]


def _hunks(diff: str) -> Iterator[tuple[int, int, list[str]]]:
    found: tuple[int, int, list[str]] | None = None
    for line in diff.split("\n"):
        if match := HUNK.match(line):
            if found:
                yield found
            found = int(match[1]), int(match[2]), []
        elif found and line[:1] in (" ", "+", "-"):
            found[2].append(line)
        elif found and not line:
            found[2].append(" ")  # a blank line whose space was lost
    if found:
        while found[2] and found[2][-1] == " ":
            found[2].pop()
        yield found


def _hunk(old: int, new: int, lines: tuple[str, ...]) -> Hunk:
    colours = [iter(_coloured("\n".join(line[1:] for line in lines if line[0] in signs))) for signs in (" -", " +")]
    rows: Hunk = []
    removed: list[tuple[int, Pieces]] = []
    added: list[tuple[int, Pieces]] = []
    for line in [*lines, " "]:  # the last one ends a change
        if line[0] == "-":
            removed.append((old, list(next(colours[0]))))
            old += 1
        elif line[0] == "+":
            added.append((new, list(next(colours[1]))))
            new += 1
        else:
            rows += _paired(removed, added)
            removed, added = [], []
            left, right = next(colours[0], None), next(colours[1], None)
            if left is not None and right is not None:
                rows.append(((old, list(left)), (new, list(right))))
            old, new = old + 1, new + 1
    return rows


def _paired(removed: Sequence[tuple[int, Pieces]], added: Sequence[tuple[int, Pieces]]) -> Iterator[tuple[Side, Side]]:
    """Lines that are alike side by side, the others alone."""
    at = 0
    for number, pieces in removed:
        match = _alike(pieces, added, at) if len(removed) * len(added) <= MOST else None
        if match is None:
            yield (number, pieces), None
            continue
        yield from ((None, each) for each in added[at:match])
        yield _differing((number, pieces), added[match])
        at = match + 1
    yield from ((None, each) for each in added[at:])


def _alike(pieces: Pieces, added: Sequence[tuple[int, Pieces]], at: int) -> int | None:
    text = _text(pieces)
    ratios = [(SequenceMatcher(None, text, _text(each), autojunk=False).ratio(), -i) for i, (_, each) in enumerate(added)]
    best = max(ratios[at:], default=(0.0, 0))
    return -best[1] if best[0] >= ALIKE and text.strip() else None


def _differing(old: tuple[int, Pieces], new: tuple[int, Pieces]) -> tuple[Side, Side]:
    """Two lines with the words marked in which they differ."""
    words = [WORD.findall(_text(pieces)) for _, pieces in (old, new)]
    spans: tuple[list[tuple[int, int]], list[tuple[int, int]]] = ([], [])
    for tag, *ends in SequenceMatcher(None, words[0], words[1], autojunk=False).get_opcodes():
        for side, (start, stop) in enumerate((ends[:2], ends[2:])) if tag != "equal" else ():
            before = sum(map(len, words[side][:start]))
            spans[side].append((before, before + sum(map(len, words[side][start:stop]))))
    return (old[0], _marked(old[1], spans[0])), (new[0], _marked(new[1], spans[1]))


def _marked(pieces: Pieces, spans: Sequence[tuple[int, int]]) -> Pieces:
    found: Pieces = []
    at = 0
    for colour, text in zip(pieces[::2], pieces[1::2], strict=True):
        cuts = sorted({0, len(text), *(min(max(end - at, 0), len(text)) for span in spans for end in span)})
        for start, stop in zip(cuts, cuts[1:], strict=False):
            inside = any(low <= at + start and at + stop <= high for low, high in spans)
            found += [colour + "!" * inside, text[start:stop]]
        at += len(text)
    return found


def _text(pieces: Pieces) -> str:
    return "".join(pieces[1::2])


@functools.lru_cache(maxsize=4096)  # the class of a module is the same in every variant that has it
def _coloured(text: str) -> tuple[tuple[str, ...], ...]:
    """Each line of a Python text as (colour, text, colour, text ...)."""
    lines: list[list[str]] = [[]]
    for kind, value in _lexer().get_tokens(text):
        colour = _colour(kind)
        for index, part in enumerate(value.split("\n")):
            if index:
                lines.append([])
            if part and lines[-1] and lines[-1][-2] == colour:
                lines[-1][-1] += part
            elif part:
                lines[-1] += [colour, part]
    return tuple(map(tuple, lines[: text.count("\n") + 1]))


@functools.cache
def _lexer() -> Lexer:
    from pygments.lexers.python import PythonLexer

    return PythonLexer(stripnl=False, ensurenl=False)


@functools.cache
def _colour(kind: Any) -> str:
    """A letter for what a reader tells apart: keyword, string, comment, number, definition, builtin."""
    from pygments.token import Comment, Keyword, Name, Number, String

    kinds = ((Comment, "c"), (String, "s"), (Number, "n"), (Keyword, "k"))
    names = ((Name.Function, "f"), (Name.Class, "f"), (Name.Decorator, "f"), (Name.Builtin, "b"))
    return next((letter for family, letter in (*kinds, *names) if kind in family), "")
