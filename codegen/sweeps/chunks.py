"""Cells that go to a worker together. Runs nothing."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from codegen import warm
from codegen.sweeps.rows import Base, Cell, Row

Found = list[Row | Base]


@dataclass(frozen=True)
class Chunk:
    """Cells of one family. tries: how often they were by themselves and lost a worker."""

    family: str
    cells: tuple[Cell, ...]
    tries: int = 0


def chunks(cells: Iterable[Cell], size: int) -> list[Chunk]:
    """The cells by family and source, then by module: what is made of one base comes together."""
    families: dict[str, list[Cell]] = {}
    for cell in cells:
        families.setdefault(warm.family(cell.request.source), []).append(cell)
    found = []
    for family, members in families.items():
        members.sort(key=lambda cell: (cell.request.source, cell.request.module, cell.number))
        found += [Chunk(family, tuple(members[i : i + size])) for i in range(0, len(members), size)]
    return found
