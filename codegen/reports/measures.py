"""What a variant costs beside its base, each as a number to sort by and as a text. Measures nothing: the rows have it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from codegen.reports import formats
from codegen.sweeps.rows import Row

Pair = tuple[float, float] | None  # base, variant


@dataclass(frozen=True)
class Measure:
    """One cost. `value` is what is sorted and drawn: a change (0.01: one per cent more), a ratio or a part of one."""

    key: str
    title: str
    about: str
    value: Callable[[Row], float | None]
    text: Callable[[float], str]
    pair: Callable[[Row], Pair]  # as it was counted
    counted: Callable[[float], str]

    def said(self, row: Row) -> str:
        """The value as text, "" where there is none."""
        value = self.value(row)
        return "" if value is None else self.text(value)


def _changed(pair: Pair) -> float | None:
    return pair[1] / pair[0] - 1 if pair and pair[0] else None


def _parameters(row: Row) -> Pair:
    if row.parameters is None or row.new_parameters is None or row.operation == "replace":
        return None  # of what takes a module's place it is known how many that had, not how many the model has
    return row.parameters, row.parameters + row.new_parameters


LATENCY = Measure(
    *("latency", "latency", "time of the variant / time of the base, the median of paired runs"),
    lambda row: row.costs.ratio[1] if row.costs.ratio else None,
    formats.times,
    lambda row: row.costs.latency,
    formats.seconds,
)
MEASURES = (
    Measure(
        *("parameters", "parameters", "new parameters, of those of the base"),
        lambda row: _changed(_parameters(row)),
        formats.change,
        _parameters,
        formats.count,
    ),
    Measure(
        *("flops", "FLOPs", "floating-point operations of one forward at batch 1, beside the base"),
        lambda row: _changed(row.costs.flops),
        formats.change,
        lambda row: row.costs.flops,
        formats.count,
    ),
    Measure(
        *("memory", "memory", "peak of what forward and backward keep and compute, beyond parameters, beside the base"),
        lambda row: _changed(row.costs.memory),
        formats.change,
        lambda row: row.costs.memory,
        formats.memory,
    ),
    LATENCY,
    Measure(
        *("drift", "drift", "how far the outputs move at initialisation with the base's weights, relative"),
        lambda row: row.drift,
        formats.share,
        lambda row: None,
        formats.share,
    ),
)


def measured(rows: Sequence[Row]) -> list[Measure]:
    """Those that at least one row has."""
    return [measure for measure in MEASURES if any(measure.value(row) is not None for row in rows)]


def module(row: Row) -> str:
    """`se reduction=8`."""
    return f"{row.module} {row.arguments}".strip()


def place(row: Row) -> str:
    """`after layer2`."""
    return f"{row.operation} {row.site}".strip()


def model(source: str) -> str:
    """`resnet18` of `timm:resnet18`, `vit` of `models/vit.py`."""
    return source.rpartition(":")[2].rpartition("/")[2].removesuffix(".py") or source


def named(row: Row) -> str:
    """`se after layer2 of resnet18`."""
    return f"{module(row)} {place(row)} of {model(row.source)}"
