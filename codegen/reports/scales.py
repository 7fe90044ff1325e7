"""Axes: numbers -> places on paper, with round ticks; logarithmic where the numbers need it. Draws nothing."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

ROUND = re.compile(r"\.0+(?=\D|$)|(\.\d*[1-9])0+(?=\D|$)")  # 10.0 % and 0.10 % are round numbers on such an axis
WIDE = 50.0  # the largest by the smallest: from here on an axis is logarithmic
GUTTER = 44.0  # room for what is 0, beside a logarithmic axis


@dataclass(frozen=True)
class Scale:
    """From `start` to `stop` on paper; `ticks` are numbers."""

    low: float
    high: float
    start: float
    stop: float
    log: bool
    gutter: bool  # some are 0, or below
    ticks: tuple[float, ...]

    def at(self, value: float) -> float:
        """The place of a number."""
        if not self.log:
            return self.start + (self.stop - self.start) * (value - self.low) / (self.high - self.low)
        if value <= 0:
            return self.start
        shift = math.copysign(GUTTER, self.stop - self.start) if self.gutter else 0.0
        part = math.log(value / self.low) / math.log(self.high / self.low)
        return self.start + shift + (self.stop - self.start - shift) * part

    def marks(self, text: Callable[[float], str]) -> list[tuple[float, str]]:
        """The ticks, each with its place and its text."""
        if not self.log:
            return [(self.at(tick), text(tick)) for tick in self.ticks]
        zero = [(self.at(0), text(0))] if self.gutter else []
        texts = [ROUND.sub(lambda found: found[1] or "", text(tick)) for tick in self.ticks]
        texts[0] = "" if zero else texts[0]  # it would stand on the 0
        return [*zero, *zip(map(self.at, self.ticks), texts, strict=True)]


def scale(values: Sequence[float], start: float, stop: float, *, zero: bool = True, least: int = 4) -> Scale:
    """An axis for these values. zero: it begins at 0, where all are above it and it is not logarithmic."""
    positive = [value for value in values if value > 0]
    if positive and min(values) >= 0 and max(positive) / min(positive) > WIDE:
        return _logarithmic(positive, (start, stop), gutter=len(positive) < len(values))
    low, high = min(values, default=0.0), max(values, default=1.0)
    low = min(low, 0.0) if zero else low
    if low == high:
        low, high = (low - abs(low) * 0.05, high + abs(high) * 0.05) if low else (0.0, 1.0)
    step = _step((high - low) / least)
    low, high = math.floor(low / step + 1e-9) * step, math.ceil(high / step - 1e-9) * step
    ticks = tuple(round(low + i * step, 12) for i in range(round((high - low) / step) + 1))
    return Scale(low, high, start, stop, False, False, ticks)


def edges(values: Sequence[float], bins: int) -> list[float]:
    """What divides values into shades, in steps that are equal on their axis."""
    positive = sorted(value for value in values if value > 0)
    low, high = min(values, default=0.0), max(values, default=0.0)
    if positive and low >= 0 and positive[-1] / positive[0] > WIDE:
        ratio = positive[-1] / positive[0]
        return [positive[0] * ratio ** (i / bins) for i in range(1, bins)]
    return [low + (high - low) * i / bins for i in range(1, bins)]


def _logarithmic(positive: Sequence[float], ends: tuple[float, float], *, gutter: bool) -> Scale:
    low, high = math.floor(math.log10(min(positive))), math.ceil(math.log10(max(positive)))
    every = max(1, math.ceil((high - low) / 6))
    low -= (low - high) % every  # so that the axis ends on a tick
    ticks = tuple(10.0**power for power in range(low, high + 1, every))
    return Scale(10.0**low, 10.0**high, *ends, True, gutter, ticks)


def _step(rough: float) -> float:
    """1, 2 or 5 times a power of ten, not below `rough`."""
    power = 10.0 ** math.floor(math.log10(rough))
    return next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough * 0.999)
