"""Apply edits to text: the only module that changes code. It decides nothing; every byte outside the edits stays."""

from __future__ import annotations

import difflib
import io
import itertools
import os
from collections.abc import Iterable, Iterator

from codegen.types import Edit


def apply(text: str, edits: Iterable[Edit]) -> str:
    """The text with all edits in place. Insertions at one spot keep their order; overlapping edits are a bug of codegen.

    Raises ValueError where two edits overlap or one lies outside the text.
    """
    pieces: list[str] = []
    position = 0
    for edit in sorted(edits, key=lambda e: (e.start, e.end)):  # stable: insertions at one place stay in order
        if edit.start < position or not edit.start <= edit.end <= len(text):
            raise ValueError(
                f"edit {edit.what!r} at {edit.start}..{edit.end} overlaps another or lies outside the text"
            )
        pieces += [text[position : edit.start], edit.text]
        position = edit.end
    return "".join([*pieces, text[position:]])


def back(text: str, old: Iterable[Edit], new: Iterable[Edit]) -> list[Edit]:
    """The edits that turn `apply(text, new)` into `apply(text, old)`: where a stretch of the text got the same, none.

    Raises what `apply` raises.
    """
    found: list[Edit] = []
    moved = 0  # how far what stands behind the stretch is moved in apply(text, new)
    for start, end, olds, news in _stretches([*old], [*new]):
        before, now = (apply(text[start:end], _shifted(edits, -start)) for edits in (olds, news))
        if before != now:
            found += _shifted(_differences(now, before), start + moved)
        moved += len(now) - (end - start)
    return found


def forth(text: str, old: Iterable[Edit], new: Iterable[Edit], *, upwards: bool = False) -> list[Edit]:
    """The edits that turn `apply(text, old)` into `apply(text, new)`: those of `new` where `old` has none, else lines.

    upwards: lines that could stand as well a little higher stand as high as they can. Raises what `apply` raises.
    """
    found: list[Edit] = []
    moved = 0
    for start, end, olds, news in _stretches([*old], [*new]):
        if not olds:
            found += _shifted(news, moved)
            continue
        before, now = (apply(text[start:end], _shifted(edits, -start)) for edits in (olds, news))
        if before != now:
            lines = _slid(before, _differences(before, now), upwards)
            found += _shifted((_least(before, edit) for edit in lines), start + moved)
        moved += len(before) - (end - start)
    return found


def _least(text: str, edit: Edit) -> Edit:
    """The edit without what it leaves as it was at its two ends. A word is left whole: `x` is no part of `aux`."""
    old, new = text[edit.start : edit.end], edit.text
    front = _alike(old, new)
    back = _alike(old[front:][::-1], new[front:][::-1])
    return Edit(edit.start + front, edit.end - back, new[front : len(new) - back], edit.what)


def _alike(one: str, other: str) -> int:
    """How many characters both begin with, up to the end of a word."""
    count = len(os.path.commonprefix([one, other]))
    while count and _is_word(one[count - 1]) and any(_is_word(text[count : count + 1]) for text in (one, other)):
        count -= 1
    return count


def _is_word(character: str) -> bool:
    return character.isalnum() or character == "_"


def _slid(text: str, edits: list[Edit], upwards: bool) -> list[Edit]:
    """Insertions of whole lines, moved by lines that are equal above and below, one way or the other."""
    found: list[Edit] = []
    for index, edit in enumerate(edits):
        low = edits[index - 1].end if index else 0
        high = edits[index + 1].start if index + 1 < len(edits) else len(text)
        at, new = edit.start, edit.text
        while new and edit.start == edit.end:
            lines = new.splitlines(keepends=True)
            above = text[low:at].splitlines(keepends=True)[-1:]
            below = text[at:high].splitlines(keepends=True)[:1]
            if upwards and above == lines[-1:]:
                at, new = at - len(above[0]), "".join([*above, *lines[:-1]])
            elif not upwards and below == lines[:1]:
                at, new = at + len(below[0]), "".join([*lines[1:], *below])
            else:
                break
        found.append(Edit(at, at + edit.end - edit.start, new, edit.what))
    return found


def _stretches(old: list[Edit], new: list[Edit]) -> Iterator[tuple[int, int, list[Edit], list[Edit]]]:
    """(start, end, edits of old, edits of new) of every smallest piece of text whose edits reach into no other piece."""
    every = sorted([*((e, 0) for e in old), *((e, 1) for e in new)], key=lambda pair: (pair[0].start, pair[0].end))
    index = 0
    while index < len(every):
        start, end = every[index][0].start, every[index][0].end
        both: tuple[list[Edit], list[Edit]] = ([], [])
        while index < len(every) and (every[index][0].start < end or every[index][0].end == start):
            edit, which = every[index]
            both[which].append(edit)
            end = max(end, edit.end)
            index += 1
        yield start, end, *both


def _shifted(edits: Iterable[Edit], by: int) -> list[Edit]:
    return [Edit(e.start + by, e.end + by, e.text, e.what) for e in edits]


def _differences(text: str, wanted: str) -> list[Edit]:
    """The edits from one text to the other: lines, where both have some."""
    lines, others = ([*io.StringIO(t, newline="")] for t in (text, wanted))
    starts = [0, *itertools.accumulate(map(len, lines))]
    codes = difflib.SequenceMatcher(None, lines, others, autojunk=False).get_opcodes()
    return [Edit(starts[i], starts[j], "".join(others[k:m])) for kind, i, j, k, m in codes if kind != "equal"]


def inside(edits: Iterable[Edit], start: int, end: int) -> list[Edit]:
    """The edits of text[start:end], moved to positions in that piece."""
    return [Edit(e.start - start, e.end - start, e.text, e.what) for e in edits if start <= e.start and e.end <= end]
