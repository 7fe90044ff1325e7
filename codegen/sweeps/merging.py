"""Join the stores of shards: their rows, their bases and their variants' files. Refuses what contradicts."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from codegen import emit
from codegen.errors import CodegenError
from codegen.sweeps import locking, store
from codegen.sweeps.planning import Item
from codegen.sweeps.rows import Base, Cell
from codegen.sweeps.store import Kept
from codegen.types import Request


@dataclasses.dataclass(frozen=True)
class Part:
    """What a store brings."""

    folder: Path
    kept: dict[str, Kept]  # by the key
    plan: tuple[tuple[int, str, str], ...]  # number, key, name
    bases: tuple[Base, ...]


def merge(folders: Sequence[Path], output: Path) -> None:
    """Join the stores of folders in that of `output`, which may have rows already.

    Raises CodegenError("stores-differ") where two were made from something else, and what `store.opened` raises. Nothing is
    written then.
    """
    parts = [_part(folder) for folder in dict.fromkeys(folders) if folder.absolute() != output.absolute()]
    _demand_one_truth(parts)
    with locking.locked(output), store.opened(output, create=True) as target:
        every = [_of(target), *parts]
        _demand_one_truth(every)
        for part in parts:
            for kept in part.kept.values():
                if kept.digest:
                    emit.write(output / kept.row.output, (part.folder / kept.row.output).read_bytes())
                target.keep(kept)
            for base in part.bases:
                target.keep_base(base)
        cells = {number: (key, name) for part in every for number, key, name in part.plan}
        nothing = Request("")
        target.plan([Item(Cell(number, key, nothing), name) for number, (key, name) in sorted(cells.items())])


def _part(folder: Path) -> Part:
    with store.opened(folder) as opened:
        part = _of(opened)
    for kept in part.kept.values():
        if kept.digest and not (folder / kept.row.output).is_file():
            what = f"{folder / kept.row.output} is missing"
            raise CodegenError("stores-differ", what, "run this shard again: it makes what is missing")
    return part


def _of(opened: store.Store) -> Part:
    plan = tuple((each["number"], each["key"], each["name"]) for each in opened.planned())
    asked = {key for _, key, _ in plan}
    kept = {key: kept for key, kept in opened.kept().items() if key in asked}
    return Part(opened.path.parent, kept, plan, opened.bases())


def _demand_one_truth(parts: Sequence[Part]) -> None:
    """No cell is made from two things, and none has two results."""
    numbers: dict[int, tuple[str, str, Path]] = {}
    keys: dict[str, tuple[str, Path]] = {}
    results: dict[str, tuple[Kept, Path]] = {}
    hint = "the shards are of one grid, of the same sources and one version of codegen; merge into a new folder"
    for part in parts:
        for number, key, name in part.plan:
            other_key, other_name, where = numbers.setdefault(number, (key, name, part.folder))
            if other_name != name:
                what = f"cell {number} is {other_name} in {where} and {name} in {part.folder}"
                raise CodegenError("stores-differ", what, hint)
            if other_key != key:
                what = f"{name} was made from something else in {where} than in {part.folder}"
                raise CodegenError("stores-differ", what, hint)
            known, where = keys.setdefault(name, (key, part.folder))
            if known != key:
                raise CodegenError("stores-differ", f"{name} differs in {where} and {part.folder}", hint)
        for key, kept in part.kept.items():
            other, where = results.setdefault(key, (kept, part.folder))
            if (other.row.status, other.row.error, other.digest) != (kept.row.status, kept.row.error, kept.digest):
                what = f"{kept.name} {other.row.status} in {where} and {kept.row.status} in {part.folder}"
                raise CodegenError("stores-differ", what, "run it once more in one of them with --retry, or leave one out")
