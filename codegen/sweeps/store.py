"""A stand-in for the store of a sweep, with the names of the real one: reads rows as JSON lines. Gives way to it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from codegen.errors import CodegenError
from codegen.sweeps.rows import Base, Costs, Row

FILE = "rows.jsonl"


@dataclass(frozen=True)
class Contents:
    """What a store has: the rows of the cells that the last run asked for, in their order."""

    folder: Path
    rows: tuple[Row, ...]
    bases: tuple[Base, ...]
    cells: int  # that were asked for: some may have no row yet


def read(folder: Path) -> Contents:
    """What the store of a folder has. Raises CodegenError("no-store")."""
    if not (folder / FILE).is_file():
        raise CodegenError("no-store", f"{folder} has no {FILE}", "a sweep writes one")
    rows = tuple(_row(json.loads(line)) for line in (folder / FILE).read_text().splitlines())
    bases = tuple(Base(**json.loads(line)) for line in (folder / "bases.jsonl").read_text().splitlines())
    return Contents(folder, rows, bases, len(rows))


def _row(values: dict[str, Any]) -> Row:
    given: dict[str, Any] = values.pop("costs")
    costs: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in given.items()}
    return Row(**values, costs=Costs(**costs))
