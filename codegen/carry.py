"""Edits of a text, carried over to the same text as a person went on with it. Only positions change; decides nothing else."""

from __future__ import annotations

import bisect
import difflib
import io
import itertools
from collections.abc import Iterable, Iterator
from dataclasses import replace

from codegen.errors import CodegenError
from codegen.types import Edit


def carried(edits: Iterable[Edit], old: str, new: str, name: str) -> list[Edit]:
    """Edits of `old`, for `new`: where lines were added, taken out or changed elsewhere. name: of the file, for people.

    Raises CodegenError("edited-by-hand") where an edit's own lines are not in `new` as they were.
    """
    if old == new:
        return [*edits]
    lines, others = _lines(old), _lines(new)
    starts, new_starts = _starts(lines), _starts(others)
    stayed = kept(lines, others)
    found = []
    for edit in edits:
        for same in _alike(edit, lines, starts):
            first = _line_of(starts, same.start)
            last = _line_of(starts, max(same.end - 1, same.start))
            if same.start == same.end and same.start == starts[first] and first - 1 in stayed:
                first = last = first - 1  # text that stood between two lines: behind the first of them
            if first not in stayed or last not in stayed:
                continue
            start = new_starts[stayed[first]] + same.start - starts[first]
            end = new_starts[stayed[last]] + same.end - starts[last]
            if new[start:end] == old[same.start : same.end]:
                found.append(replace(edit, start=start, end=end))
                break
        else:
            meant = range(_line_of(starts, edit.start), _line_of(starts, max(edit.end - 1, edit.start)) + 1)
            raise _touched(lines, meant, stayed, name)
    return found


def _alike(edit: Edit, lines: list[str], starts: list[int]) -> Iterator[Edit]:
    """The edit, and those that take the same lines out one line further up, and so on: a blank line above it for one below."""
    yield edit
    first, last = _line_of(starts, edit.start), _line_of(starts, edit.end)
    whole = not edit.text and starts[first] == edit.start and starts[last] == edit.end
    while whole and 0 < first < last and lines[first - 1] == lines[last - 1]:
        first, last = first - 1, last - 1
        yield replace(edit, start=starts[first], end=starts[last])


def kept(old: list[str], new: list[str]) -> dict[int, int]:
    """Line of the old text -> line of the new one, of all that stayed."""
    size = min(len(old), len(new))
    front = next((i for i in range(size) if old[i] != new[i]), size)
    back = next((i for i in range(size - front) if old[-1 - i] != new[-1 - i]), size - front)
    middle = difflib.SequenceMatcher(None, old[front : len(old) - back], new[front : len(new) - back], autojunk=False)
    found = {i: i for i in range(front)}
    for i, j, count in middle.get_matching_blocks():
        found.update({front + i + k: front + j + k for k in range(count)})
    found.update({len(old) - 1 - i: len(new) - 1 - i for i in range(back)})
    return found


def _touched(lines: list[str], meant: range, stayed: dict[int, int], name: str) -> CodegenError:
    line = next((lines[i] for i in meant if i not in stayed), lines[meant.start]).strip()
    what = f"{name} has no more, or has changed, what codegen put there: `{line}`"
    return CodegenError("edited-by-hand", what, "put that line back as codegen writes it, or take the insertion out by hand")


def _line_of(starts: list[int], position: int) -> int:
    """The line that holds a character; that behind the last one is of the last line."""
    return min(bisect.bisect_right(starts, position) - 1, max(len(starts) - 2, 0))


def _lines(text: str) -> list[str]:
    return [*io.StringIO(text, newline="")]


def _starts(lines: list[str]) -> list[int]:
    return [0, *itertools.accumulate(map(len, lines))]
