"""Numbers as people read them: 1.23 M, +0.30 %, 1.02×, 12.3 ms. One form for the page, the plots and Markdown."""

from __future__ import annotations

import math
from collections.abc import Sequence

MINUS = "−"


def count(value: float) -> str:
    """`9,408`, `34.8 k`, `1.23 M`, `2.16 G`; a minus sign where it is negative."""
    sign, value = (MINUS if value < 0 else ""), abs(value)
    if value < 10_000:
        return f"{sign}{value:,.0f}"
    for unit, size in (("k", 1e3), ("M", 1e6), ("G", 1e9)):
        if value < 999.5 * size:
            return f"{sign}{_three(value / size)} {unit}"
    return f"{sign}{_three(value / 1e12)} T"


def memory(value: float) -> str:
    """Bytes: `12.3 MB`."""
    sign, value = (MINUS if value < 0 else ""), abs(value)
    for unit, size in (("B", 1), ("kB", 1e3), ("MB", 1e6)):
        if value < 999.5 * size:
            return f"{sign}{_three(value / size) if size > 1 else f'{value:.0f}'} {unit}"
    return f"{sign}{_three(value / 1e9)} GB"


def seconds(value: float) -> str:
    """`840 µs`, `12.3 ms`, `1.20 s`."""
    for unit, size in (("µs", 1e-6), ("ms", 1e-3)):
        if value < 999.5 * size:
            return f"{_three(value / size)} {unit}"
    return f"{_three(value)} s"


def share(value: float) -> str:
    """A part of one: 0.0003 -> `0.03 %`, 0.0000021 -> `0.0002 %`, 1.3 -> `130 %`, 0 -> `0 %`."""
    percent = 100 * abs(value)
    if not percent:
        return "0 %"
    digits = 0 if percent >= 99.5 else 1 if percent >= 9.95 else 2
    if percent < 0.005:  # two decimals would say that it is nothing: one digit that counts
        digits = min(9, -math.floor(math.log10(percent)))
    text = f"{percent:,.{digits}f}"
    return f"{MINUS if value < 0 else ''}{text if float(text.replace(',', '')) else f'{percent:.0e}'} %"


def change(value: float) -> str:
    """How much more than one: 0.003 -> `+0.30 %`."""
    return f"+{share(value)}" if value > 0 else share(value)


def times(value: float) -> str:
    """A ratio: `1.02×`."""
    return f"{value:.2f}×" if value < 99.5 else f"{value:,.0f}×"


def size(shape: Sequence[int]) -> str:
    """`64×56×56`."""
    return "×".join(map(str, shape))


def number(count: int, noun: str, plural: str = "") -> str:
    """`1 variant`, `48 variants`."""
    return f"{count:,} {noun if count == 1 else plural or noun + 's'}"


def listed(words: list[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return " and ".join(filter(None, [", ".join(words[:-1]), *words[-1:]]))


def _three(value: float) -> str:
    """Three digits that count: 1.23, 12.3, 123."""
    return f"{value:.{2 if value < 9.995 else 1 if value < 99.95 else 0}f}"
