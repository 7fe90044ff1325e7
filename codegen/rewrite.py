"""Apply edits to text: the only module that changes code. It decides nothing; every byte outside the edits stays."""

from __future__ import annotations

from collections.abc import Iterable

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


def inside(edits: Iterable[Edit], start: int, end: int) -> list[Edit]:
    """The edits of text[start:end], moved to positions in that piece."""
    return [Edit(e.start - start, e.end - start, e.text, e.what) for e in edits if start <= e.start and e.end <= end]
