"""What `codegen sweep` tells, as text and JSON: how it goes on (on stderr), the plan, and what came of it. Decides nothing."""

from __future__ import annotations

import contextlib
import shlex
from collections import Counter
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

    from codegen.sweeps.coordinator import Planned, Sweep, Told
    from codegen.sweeps.rows import Row

COLOURS = {"passed": "green", "refused": "yellow", "failed": "red"}
MOST = 12  # kinds of errors that are shown


@contextlib.contextmanager
def progress(quiet: bool) -> Iterator[Callable[[Told], None]]:
    """What hears of each row: a line for each that failed; on a terminal one that goes on, elsewhere one for each tenth."""
    if quiet:
        yield lambda told: None
        return
    from rich.console import Console

    console = Console(stderr=True, highlight=False, soft_wrap=True, markup=False)
    counts: Counter[str] = Counter()
    status = console.status("")

    def hear(told: Told) -> None:
        if told.row:
            counts[told.row.status] += 1
            if told.row.status == "failed":
                console.print(f"failed {_cell(told.row)}: {told.row.error}: {told.row.message}")
        now = ", ".join(f"{count} {name}" for name, count in counts.items())
        line = f"{told.ready} of {told.cells} rows{f': {now} now' if now else ''}" if told.cells else told.stage
        if console.is_terminal:
            status.update(line)
            status.start()
        elif not told.row or told.ready * 10 // told.cells > (told.ready - 1) * 10 // told.cells:
            console.print(line)

    try:
        yield hear
    finally:
        status.stop()


def summary(found: Sweep) -> None:
    """The plan of a dry run; else what came of it: counts, errors by name, where it is."""
    from rich.console import Console

    console = Console(highlight=False, soft_wrap=True)
    if found.dry_run:
        _plan(found, console)
        return
    counts = Counter(row.status for row in found.rows)
    said = ", ".join(f"[{COLOURS[name]}]{counts[name]} {name}[/]" for name in COLOURS if counts[name]) or "none"
    missing = found.cells - len(found.rows)
    console.print(f"{len(found.rows)} rows: {said}{f'; {missing} cells have none yet' if missing else ''}")
    _errors(found, console)
    made = f"{found.made} made in {found.seconds:.1f} s" if found.made else "nothing to do" if found.grid else ""
    folder = shlex.quote(str(found.folder))
    console.print("; ".join(filter(None, [made, f"{folder}/store.sqlite, {folder}/variants/"])))
    if found.exported:
        console.print(f"exported to {found.exported}")
    console.print(f"codegen report {folder} -o report.html")


def _errors(found: Sweep, console: Console) -> None:
    """How many rows have an error of each name, with the first of its messages."""
    from rich.markup import escape

    names = Counter((row.status, row.error) for row in found.rows if row.status != "passed")
    for (status, error), count in names.most_common(MOST):
        first = next(row for row in found.rows if (row.status, row.error) == (status, error))
        console.print(f"  {status}: {count} x {escape(error)}, first {escape(_cell(first))}")
        console.print(f"    {escape(first.message)}\n    hint: {escape(first.hint)}")
    if len(names) > MOST:
        console.print(f"  and {len(names) - MOST} other kinds")


def _plan(found: Sweep, console: Console) -> None:
    """Every cell, and whether its row is there."""
    from rich.table import Table

    console = console if console.is_terminal else type(console)(highlight=False, width=400)
    table = Table(box=None, pad_edge=False)
    for column in ("n", "source", "module", "arguments", "operation", "site", "state"):
        table.add_column(column, overflow="fold", justify="right" if column == "n" else "left")
    for planned in found.grid:
        request = planned.cell.request
        words = (request.source, request.module, planned.cell.arguments, request.operation, request.site)
        table.add_row(str(planned.cell.number), *words, _state(planned))
    console.print(table)
    ready = len(found.rows)
    refused = sum(planned.error is not None and planned.row is None for planned in found.grid)
    left = found.cells - ready - refused
    parts = [f"{left} to make", *([f"{refused} refused by name"] * bool(refused)), *([f"{ready} made before"] * bool(ready))]
    console.print(f"{found.cells} cells: {', '.join(parts)}. Nothing was made: --dry-run")


def _state(planned: Planned) -> str:
    if planned.row:
        return planned.row.status
    return f"refused: {planned.error.name}" if planned.error else ""


def _cell(row: Row) -> str:
    return " ".join(filter(None, [row.source, row.module, row.operation, row.site, row.arguments]))


def as_json(found: Sweep) -> dict[str, Any]:
    """The same for scripts; of a dry run the cells, else the rows."""
    counts = Counter(row.status for row in found.rows)
    whole: dict[str, Any] = {"folder": str(found.folder), "cells": found.cells, "rows": len(found.rows)}
    whole |= {name: counts[name] for name in COLOURS} | {"made": found.made, "seconds": round(found.seconds, 3)}
    whole |= {"exported": found.exported} if found.exported else {}
    if found.dry_run:
        return {**whole, "plan": [_cell_json(planned) for planned in found.grid]}
    return {**whole, "results": [row_json(row) for row in found.rows]}


def _cell_json(planned: Planned) -> dict[str, Any]:
    cell, request = planned.cell, planned.cell.request
    plain = {name: getattr(request, name) for name in ("source", "module", "operation", "site")}
    more = {"arguments": cell.arguments, "output": request.output, "state": _state(planned) or "to make"}
    return {"number": cell.number, **plain, **more}


def row_json(row: Row) -> dict[str, Any]:
    """A row with its costs, each of base and variant; without its diff."""
    plain = ("number", "source", "module", "arguments", "operation", "site", "status", "error", "message", "hint", "output")
    costs = {name: getattr(row.costs, name) for name in ("flops", "memory", "latency", "ratio", "export")}
    measured = {name: getattr(row, name) for name in ("parameters", "new_parameters", "drift", "seconds", "command")}
    return {**{name: getattr(row, name) for name in plain}, **measured, "costs": costs}
