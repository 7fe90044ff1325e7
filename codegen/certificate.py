"""A Certificate for people and for programs: a table, a JSON object. Decides nothing."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from codegen.certifying import Certificate, named


def as_json(found: Certificate) -> dict[str, Any]:
    """The certificate as plain data."""
    layouts = [
        {
            "layout": fitting.layout.kind,
            "prefix": fitting.layout.prefix,
            "status": fitting.status,
            "detail": fitting.detail,
            "checks": [asdict(check) for check in fitting.checks],
        }
        for fitting in found.layouts
    ]
    whole = {"module": found.module, "construct": found.construct, "width": found.width, "parameters": found.parameters}
    checks = [asdict(check) for check in found.checks]
    return {**whole, "passed": not found.failed, "layouts": layouts, "checks": checks, "notes": [*found.notes]}


def show(found: Certificate) -> None:
    """Print what it was made of, a line a layout, a line a check."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    console = Console(highlight=False)
    console = console if console.is_terminal else Console(highlight=False, width=400)
    built = found.checks[0].status == "passed"
    cost = f": {found.parameters:,} parameter{'s' * (found.parameters != 1)}"
    console.print(f"[bold]{escape(found.construct)}[/bold]{cost * built}")
    layouts, checks = (Table(show_header=False, box=None, padding=(0, 1)) for _ in range(2))
    for fitting in found.layouts:
        layouts.add_row(_coloured(fitting.status), named(fitting.layout), escape(fitting.detail))
    for row in _rows(found):
        checks.add_row(_coloured(row[0]), *map(escape, row[1:]))
    if built:
        console.print(layouts)
    console.print(checks)
    for note in found.notes:
        console.print(f"note: {escape(note)}")


def _coloured(status: str) -> str:
    colour = {"takes": "green", "passed": "green", "failed": "red"}.get(status, "yellow")
    return f"[{colour}]{status}[/]"


def _rows(found: Certificate) -> Iterator[tuple[str, str, str]]:
    """Status, name and detail; many that were skipped for one reason are one line."""
    for (status, detail), same in itertools.groupby(found.checks, key=lambda check: (check.status, check.detail)):
        names = [check.name for check in same]
        if status == "skipped" and len(names) > 2:
            yield status, "the rest", f"{detail} ({', '.join(names)})"
        else:
            yield from ((status, name, detail) for name in names)
