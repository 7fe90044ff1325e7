"""A Bench for people and for programs: a table, a JSON object. Decides nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from codegen.comparing import SAME, Bench, Measured, Quartiles

PREFIXES = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"), (1, ""))
UNITS = ((1, "s"), (1e-3, "ms"), (1e-6, "µs"))


def as_json(benches: Sequence[Bench]) -> dict[str, Any]:
    """The benches as plain data, one for each base; the keys are always the same."""
    return {"benches": [_bench_json(bench) for bench in benches]}


def _bench_json(bench: Bench) -> dict[str, Any]:
    head = {"source": bench.source, "input": bench.input, **asdict(bench.way), "threads": bench.threads}
    head |= {"memory_batch": bench.memory_batch, "base": asdict(bench.base), "control": bench.control}
    variants = [{**asdict(each), "verdict": bench.verdict(each)} for each in bench.variants]
    return {**head, "variants": variants, "notes": [*bench.notes]}


def show(benches: Sequence[Bench]) -> None:
    """Print a table for each base."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    console = Console(highlight=False)
    console = console if console.is_terminal else Console(highlight=False, width=400)
    for number, bench in enumerate(benches):
        if number:
            console.print()
        console.print(escape(_title(bench)))
        table = Table(box=None, padding=(0, 1), header_style="bold")
        for column in ("model", "parameters", "FLOPs", f"memory, batch {bench.memory_batch}", "time", "ratio", ""):
            table.add_column(column, justify="left" if column in ("model", "") else "right", overflow="fold")
        table.add_row(*_cells(bench.base, bench.base))
        if bench.control:
            table.add_row("the base again", *[""] * 4, _ratio(bench.control), "[dim]what is no difference[/]")
        for each in bench.variants:
            table.add_row(*_cells(each, bench.base), _coloured(bench.verdict(each)))
        console.print(table)
        for note in bench.notes:
            console.print(f"note: {escape(note)}")


def _title(bench: Bench) -> str:
    way = bench.way
    what = "a training step" if way.train else "a forward"
    where = "a GPU" if way.device == "cuda" else f"the CPU, {bench.threads} thread{'s' * (bench.threads > 1)}"
    how = "compiled" if way.compiled else "eager"
    turns = f"{way.runs} round{'s' * (way.runs > 1)} in turns; median (quartiles)"
    return f"{bench.source} on {bench.input}: {what} of batch {way.batch} on {where}, {how}, {turns}"


def _cells(each: Measured, base: Measured) -> list[str]:
    from rich.markup import escape

    cells = [escape(each.file or f"base: {each.build}"), _compared(each.parameters, base.parameters)]
    cells += [_compared(each.flops, base.flops), _compared(each.memory, base.memory, "B")]
    cells.append(_time(each.seconds) if each.seconds else "-")
    return [*cells, (_ratio(each.ratio) if each.ratio else "-") if each.file else ""]


def _ratio(ratio: Quartiles) -> str:
    """`1.043 (1.021 .. 1.102)`."""
    return "{1:.3f} ({0:.3f} .. {2:.3f})".format(*ratio)


def _compared(value: int | None, base: int | None, unit: str = "") -> str:
    """`4.09 G +0.1 %`: how much more than the base."""
    if value is None:
        return "-"
    size, prefix = next((size, prefix) for size, prefix in PREFIXES if abs(value) >= size or size == 1)
    text = f"{value / size:.4g} {prefix}{unit}".rstrip()
    if not base or value == base:
        return text
    more = 100 * (value / base - 1)
    return f"{text} ({more:+.2g} %)" if abs(more) < 100 else f"{text} ({more:+.0f} %)"


def _time(seconds: tuple[float, float, float]) -> str:
    """`12.3 ms (12.1 .. 12.9)`."""
    scale, unit = next(((scale, unit) for scale, unit in UNITS if seconds[1] >= scale), UNITS[-1])
    low, median, high = (f"{n:.3g}" if n < 1000 else f"{n:.0f}" for n in (value / scale for value in seconds))
    return f"{median} {unit} ({low} .. {high})"


def _coloured(verdict: str) -> str:
    colour = "green" if "faster" in verdict else "dim" if verdict == SAME else "red"
    return f"[{colour}]{verdict}[/]" if verdict else ""
