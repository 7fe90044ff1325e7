"""The store of a sweep, `store.sqlite` in its folder: a row for each cell, committed as it ends. Only the coordinator writes.

meta     name, value: the version of codegen that wrote last. The schema's version is SQLite's own `PRAGMA user_version`.
plan     number, key, name: the cells that the last run asked for. Rows of cells that no grid asks for any more stay, unseen.
rows     one for each cell that was made, by its key; a row of the same name (the same cell, made from something else) goes.
bases    one for each source, as `codegen sites --json` has it.
looks    models that were looked at to find their sites, by a digest of their source.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from codegen.errors import CodegenError
from codegen.sweeps.planning import Item
from codegen.sweeps.rows import Base, Costs, Row
from codegen.version import __version__

FILE = "store.sqlite"
APPLICATION, SCHEMA = 0x434F4447, 1
LOCAL = {"ext2", "ext3", "ext4", "xfs", "btrfs", "zfs", "f2fs", "overlay", "tmpfs"}
PAIRS = ("flops", "memory", "latency")  # of Costs: what is known of base and variant
COLUMNS = {  # of `rows`, beside those of a Row itself: name -> type
    **{f"{side}{cost}": "REAL" if cost == "latency" else "INTEGER" for cost in PAIRS for side in ("base_", "")},
    **{f"ratio_{which}": "REAL" for which in ("low", "median", "high")},
    "export": "TEXT NOT NULL",
    "reasons": "TEXT NOT NULL",
}
PLAIN = {  # those of a Row
    **dict.fromkeys(("source", "operation", "site", "module", "arguments", "command", "status"), "TEXT NOT NULL"),
    **dict.fromkeys(("error", "message", "hint", "output", "diff"), "TEXT NOT NULL"),
    **{"number": "INTEGER NOT NULL", "parameters": "INTEGER", "new_parameters": "INTEGER", "drift": "REAL", "seconds": "REAL"},
}
OWN = {"name": "TEXT NOT NULL", "digest": "TEXT NOT NULL", "codegen": "TEXT NOT NULL", "record": "TEXT NOT NULL"}
TABLES = f"""
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE plan (number INTEGER PRIMARY KEY, key TEXT NOT NULL, name TEXT NOT NULL);
CREATE TABLE rows (key TEXT PRIMARY KEY, {", ".join(f"{n} {t}" for n, t in (OWN | PLAIN | COLUMNS).items())});
CREATE INDEX rows_by_name ON rows (name);
CREATE TABLE bases (source TEXT PRIMARY KEY, distribution TEXT NOT NULL, structure TEXT NOT NULL);
CREATE TABLE looks (key TEXT PRIMARY KEY, seen TEXT NOT NULL);
"""


@dataclass(frozen=True)
class Kept:
    """A row as the store has it. name: of its file without suffix; digest: sha256 of that file, "" where there is none."""

    row: Row
    name: str
    digest: str


@dataclass(frozen=True)
class Contents:
    """What a store has: the rows of the cells that the last run asked for, in their order."""

    folder: Path
    rows: tuple[Row, ...]
    bases: tuple[Base, ...]
    cells: int  # that were asked for: some may have no row yet


class Store:
    """An open store."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self.path = path
        self.connection = connection

    def plan(self, items: Sequence[Item]) -> None:
        """These are the cells that are asked for."""
        with self._change() as change:
            change.execute("DELETE FROM plan")
            rows = [(item.cell.number, item.cell.key, item.name) for item in items]
            change.executemany("INSERT INTO plan VALUES (?, ?, ?)", rows)
            change.execute("INSERT OR REPLACE INTO meta VALUES ('codegen', ?)", (__version__,))

    def keep(self, kept: Kept) -> None:
        """A row, in one step: it is there or it is not."""
        values = _values(kept)
        names, marks = ", ".join(values), ", ".join("?" * len(values))
        with self._change() as change:
            change.execute("DELETE FROM rows WHERE name = ? OR key = ?", (kept.name, kept.row.key))
            change.execute(f"INSERT INTO rows ({names}) VALUES ({marks})", [*values.values()])

    def keep_base(self, base: Base) -> None:
        """A source as it was measured."""
        with self._change() as change:
            values = (base.source, base.distribution, json.dumps(base.structure))
            change.execute("INSERT OR REPLACE INTO bases VALUES (?, ?, ?)", values)

    def keep_look(self, key: str, seen: Any) -> None:
        """What was seen of a model when its sites were looked for."""
        with self._change() as change:
            change.execute("INSERT OR REPLACE INTO looks VALUES (?, ?)", (key, json.dumps(seen)))

    def look(self, key: str) -> Any:
        """What was seen of a model, None where it was not looked at."""
        found = self._read("SELECT seen FROM looks WHERE key = ?", key)
        return json.loads(found[0]["seen"]) if found else None

    def kept(self) -> dict[str, Kept]:
        """Every row by its key, those too that no cell asks for any more."""
        return {kept.row.key: kept for kept in map(_kept, self._read("SELECT * FROM rows ORDER BY number"))}

    def contents(self) -> Contents:
        """The rows that are asked for, with the numbers that their cells have now."""
        planned = {found["key"]: found["number"] for found in self.planned()}
        rows = [dataclasses.replace(k.row, number=planned[k.row.key]) for k in self.kept().values() if k.row.key in planned]
        return Contents(self.path.parent, tuple(sorted(rows, key=lambda row: row.number)), self.bases(), len(planned))

    def bases(self) -> tuple[Base, ...]:
        """The sources."""
        found = self._read("SELECT * FROM bases ORDER BY source")
        return tuple(Base(each["source"], each["distribution"], json.loads(each["structure"])) for each in found)

    def planned(self) -> list[sqlite3.Row]:
        """number, key and name of each cell that is asked for."""
        return self._read("SELECT * FROM plan ORDER BY number")

    def forget_failures(self) -> None:
        """Look anew at every model that could not be looked at."""
        with self._change() as change:
            change.execute("DELETE FROM looks WHERE seen LIKE '{\"error\":%'")

    def _read(self, query: str, *values: str) -> list[sqlite3.Row]:
        with told(self.path):
            return self.connection.execute(query, values).fetchall()

    @contextlib.contextmanager
    def _change(self) -> Iterator[sqlite3.Connection]:
        with told(self.path), self.connection:
            yield self.connection


@contextlib.contextmanager
def opened(folder: Path, *, create: bool = False) -> Iterator[Store]:
    """The store of a folder, closed at the end.

    Raises CodegenError("no-store", "bad-store", "store-version", "read-only", "disk-full").
    """
    path = folder / FILE
    if not create and not path.is_file():
        hint = "a sweep writes one: codegen sweep NAME, or codegen sweep SOURCE --modules se --sites every-stage"
        raise CodegenError("no-store", f"{folder} has no {FILE}", hint)
    with told(path):
        if create:
            folder.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(path, timeout=30)
    try:
        with told(path):
            connection.row_factory = sqlite3.Row
            _demand_ours(connection, path, create)
            if create and _is_local(path):
                connection.execute("PRAGMA journal_mode = WAL")  # a commit waits for no disk
        yield Store(path, connection)
        if create:
            with contextlib.suppress(sqlite3.Error):  # somebody reads: the next run does it
                connection.execute("PRAGMA busy_timeout = 0")
                connection.execute("PRAGMA journal_mode = DELETE")  # all in one file again, which can be copied, or read only
    finally:
        connection.close()


def _is_local(path: Path) -> bool:
    """Whether the file system is one of this machine: the write-ahead log does not work on those of a cluster. A process that
    is killed loses no commit either way.
    """
    mounts = Path("/proc/mounts")
    lines = [line.split() for line in mounts.read_text().splitlines()] if mounts.exists() else []
    holding = [words for words in lines if len(words) > 2 and path.resolve().is_relative_to(words[1])]
    return max(holding, key=lambda words: len(words[1]))[2] in LOCAL if holding else False


def read(folder: Path) -> Contents:
    """What the store of a folder has; a sweep may be running there. Raises what `opened` raises."""
    with opened(folder) as store:
        return store.contents()


def _demand_ours(connection: sqlite3.Connection, path: Path, create: bool) -> None:
    """Make the tables of a new file; refuse another file, and another version."""
    empty = not connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    application, version = (connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("application_id", "user_version"))
    if empty and not application and create:
        with connection:
            statements = [text for text in TABLES.split(";") if text.strip()]
            connection.execute("BEGIN")
            for text in (*statements, f"PRAGMA application_id = {APPLICATION}", f"PRAGMA user_version = {SCHEMA}"):
                connection.execute(text)
    elif application != APPLICATION:
        raise CodegenError("bad-store", f"{path} is no store of a sweep", "move it away, or give another folder: -o FOLDER")
    elif version != SCHEMA:
        what = f"{path} has version {version} of the store, this codegen ({__version__}) reads and writes version {SCHEMA}"
        raise CodegenError("store-version", what, "read it with the codegen that wrote it, or give another folder: -o FOLDER")
    connection.execute("PRAGMA synchronous = NORMAL")


@contextlib.contextmanager
def told(path: Path) -> Iterator[None]:
    """What SQLite and the system say, as errors of ours."""
    elsewhere = "give another folder: -o FOLDER"
    try:
        yield
    except sqlite3.Error as error:
        said = str(error)
        if "full" in said:
            raise CodegenError("disk-full", f"{path}: {said}", "make room: the same command goes on where it was") from None
        if "locked" in said or "busy" in said:
            raise CodegenError("sweep-running", f"{path}: {said}", "wait for the other process, or " + elsewhere) from None
        if "readonly" in said or "unable to open" in said or "I/O" in said:
            raise CodegenError("read-only", f"{path}: {said}", elsewhere) from None
        raise CodegenError("bad-store", f"{path} is no store of a sweep: {said}", "move it away, or " + elsewhere) from None
    except OSError as error:
        full = error.errno == 28
        hint = "make room: the same command goes on where it was" if full else elsewhere
        raise CodegenError("disk-full" if full else "read-only", f"{path.parent}: {error.strerror}", hint) from None


def _values(kept: Kept) -> dict[str, Any]:
    """The columns of a row."""
    row, costs = kept.row, kept.row.costs
    values: dict[str, Any] = {"key": row.key, "name": kept.name, "digest": kept.digest, "codegen": __version__}
    values |= {name: getattr(row, name) for name in PLAIN} | {"record": json.dumps(row.record)}
    for cost in PAIRS:
        values |= dict(zip((f"base_{cost}", cost), getattr(costs, cost) or (None, None), strict=True))
    ratio = costs.ratio or (None, None, None)
    values |= dict(zip(("ratio_low", "ratio_median", "ratio_high"), ratio, strict=True))
    return {**values, "export": costs.export, "reasons": json.dumps(costs.reasons)}


def _kept(found: sqlite3.Row) -> Kept:
    """The other way round."""
    pairs: dict[str, Any] = {cost: (found[f"base_{cost}"], found[cost]) for cost in PAIRS if found[cost] is not None}
    ratio = tuple(found[f"ratio_{which}"] for which in ("low", "median", "high"))
    said: dict[str, Any] = {"export": found["export"], "reasons": tuple(json.loads(found["reasons"]))}
    costs = Costs(**pairs, ratio=ratio if ratio[0] is not None else None, **said)
    plain = {name: found[name] for name in PLAIN}
    row = Row(key=found["key"], record=json.loads(found["record"]), costs=costs, **plain)
    return Kept(row, found["name"], found["digest"])
