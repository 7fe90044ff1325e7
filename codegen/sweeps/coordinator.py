"""A sweep from its grid to its store: what is there stays, what is missing is made, each row is kept as it ends.

The one that writes: workers hand back rows with the variants' texts.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from codegen import emit, imports, pipeline, warm
from codegen.errors import BUG, CONTRACT, INTERRUPTED, CodegenError
from codegen.grids import Grid
from codegen.limits import Limits
from codegen.sweeps import executors, locking, places, planning, store
from codegen.sweeps.executors import Chosen
from codegen.sweeps.planning import Item
from codegen.sweeps.rows import Base, Cell, Row, Settings
from codegen.sweeps.store import Kept, Store
from codegen.types import Request, Source
from codegen.version import __version__

CRASHES = ("model-timeout", "model-exited", "model-memory", "source-fails")  # of a source when it was looked at


@dataclass(frozen=True)
class Task:
    """What to sweep, and how."""

    grid: Grid
    settings: Settings
    chosen: Chosen
    limits: Limits
    part: tuple[int, int] = (1, 1)  # i of n
    strict: bool = False
    retry: bool = False
    dry_run: bool = False


@dataclass(frozen=True)
class Told:
    """What `done` hears: a stage that begins, or a row as it ends; how many of the cells have one by now."""

    stage: str
    row: Row | None
    ready: int
    cells: int


@dataclass(frozen=True)
class Planned:
    """A cell of the plan, and its row where the store has it already. error: why it is refused without being made."""

    cell: Cell
    row: Row | None
    error: CodegenError | None


@dataclass(frozen=True)
class Sweep:
    """What became of a sweep. rows: all that the store has of its cells; made: how many of them are new; grid: the plan."""

    folder: Path
    grid: tuple[Planned, ...]
    rows: tuple[Row, ...]
    made: int
    seconds: float
    dry_run: bool = False
    cells: int = 0
    exported: str = ""

    @property
    def failed(self) -> int:
        """Rows whose variant did not hold the contract, crashed or took too long."""
        return sum(row.status == "failed" for row in self.rows)


Done = Callable[[Told], object]


def run(task: Task, done: Done) -> Sweep:
    """Make the cells of the grid that have no row. Raises what the planning and the store raise.

    CodegenError("interrupted") at Ctrl-C: the rows that are there are kept.
    """
    begun, folder = time.perf_counter(), task.settings.folder
    imports.forget()
    if folder.exists() and not folder.is_dir():
        raise CodegenError("output-is-file", f"{folder} is a file", "give a folder: -o FOLDER")
    templates = planning.templates(task.grid, task.limits)
    if task.dry_run:
        return _shown(task, templates, done, begun)
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    with locking.locked(folder), store.opened(folder, create=True) as kept_in:
        if task.retry:
            kept_in.forget_failures()
        try:
            items = _plan(task, templates, kept_in, done)
        except BaseException:
            for path in missing[-1:]:  # nothing is left of a sweep that has not begun
                shutil.rmtree(path, ignore_errors=True)
            raise
        kept_in.plan(items)
        left = _left(task, items, kept_in)
        _made(task, items, left, kept_in, done)
        rows = kept_in.contents().rows
    return _told(task, items, rows, len(left), begun)


def _shown(task: Task, templates: Sequence[Request], done: Done, begun: float) -> Sweep:
    """The plan, and which rows of it are there. Writes nothing."""
    folder = task.settings.folder
    with store.opened(folder) if (folder / store.FILE).is_file() else contextlib.nullcontext() as kept_in:
        items = _plan(task, templates, kept_in, done)
        left = {item.name for item in _left(task, items, kept_in)}
        kept = kept_in.kept() if kept_in else {}
    ready = [kept[item.cell.key].row for item in items if item.name not in left]
    return _told(task, items, tuple(ready), 0, begun)


def show(folder: Path) -> Sweep:
    """What the store of a folder has, without making anything. Raises what `store.read` raises."""
    contents = store.read(folder)
    return Sweep(folder, (), contents.rows, 0, 0.0, cells=contents.cells)


def _told(task: Task, items: Sequence[Item], rows: tuple[Row, ...], made: int, begun: float) -> Sweep:
    known = {row.key: row for row in rows}
    grid = tuple(Planned(item.cell, known.get(item.cell.key), item.refusal) for item in items)
    seconds = time.perf_counter() - begun
    return Sweep(task.settings.folder, grid, rows, made, seconds, task.dry_run, cells=len(items))


def _plan(task: Task, templates: Sequence[Request], kept_in: Store | None, done: Done) -> list[Item]:
    worker = warm.Warm()

    def look(source: Source, request: Request) -> places.Map:
        key = _digest_of(source, request)
        seen = kept_in.look(key) if kept_in else None
        if seen is None:
            done(Told(f"looking at {source.spec}", None, 0, 0))
            seen = _looked(worker, source, request)
            if kept_in and not task.dry_run:
                kept_in.keep_look(key, seen)
        if "error" in seen:
            raise CodegenError(**seen["error"])
        return places.from_json(seen)

    try:
        items = planning.plan(task.grid, templates, task.settings, look)
    finally:
        worker.stop()
    if task.strict:
        planning.demand_all_known(items)
    if not (mine := planning.shard(items, task.part)):
        i, n = task.part
        raise CodegenError("empty-grid", f"shard {i}/{n} has none of the {len(items)} cells", "take fewer shards")
    return mine


def _digest_of(source: Source, request: Request) -> str:
    """What a look depends on, beside the version of codegen that looked."""
    said = [emit.digest(source.file), source.distribution, source.entry, request.build, request.input, __version__]
    return hashlib.sha256("\n".join(said).encode()).hexdigest()


def _looked(worker: warm.Warm, source: Source, request: Request) -> dict[str, Any]:
    """The places of a model, or why there are none, as values for JSON."""
    worker.serve(warm.family(source.spec))
    whole = Request(source.spec, build=request.build, input=request.input)  # all sites, not those of one
    try:
        with worker.start(request.limits) as child:
            return places.as_json(places.of(pipeline.traced(child, source, whole)))
    except CodegenError as error:
        named = {"name": error.name, "message": error.message, "hint": error.hint, "exit_code": error.exit_code}
        return {"error": named}


def _left(task: Task, items: Sequence[Item], kept_in: Store | None) -> list[Item]:
    """The cells without a row, or whose file is not what it was."""
    known = kept_in.kept() if kept_in else {}

    def ready(item: Item) -> bool:
        kept = known.get(item.cell.key)
        if kept is None or task.retry and kept.row.status != "passed":
            return False
        return not kept.digest or _digest(planning.relative(task.settings.folder, item)) == kept.digest

    return [item for item in items if not ready(item)]


def _digest(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return ""


def _made(task: Task, items: Sequence[Item], left: Sequence[Item], kept_in: Store, done: Done) -> None:
    """Make what is left; rows are kept in the order in which they come."""
    waiting = {item.cell.key: item for item in left}
    count = len(items)

    def hear(told: Row | Base) -> None:
        if isinstance(told, Base):
            kept_in.keep_base(told)
        elif item := waiting.pop(told.key, None):  # a row that comes twice is one row
            row = _kept(task.settings.folder, item, told, kept_in)
            done(Told("", row, count - len(waiting), count))

    done(Told("", None, count - len(left), count))
    try:
        for item in left:
            if item.refusal:
                hear(_refused(item))
        if cells := [item.cell for item in left if not item.refusal]:
            executors.run(cells, task.settings, task.chosen, hear)
    except KeyboardInterrupt:
        what = f"stopped by the user: {count - len(waiting)} of {count} rows are kept in {task.settings.folder}"
        raise CodegenError("interrupted", what, "the same command goes on where it was", INTERRUPTED) from None
    if waiting:
        what = f"{len(waiting)} of {count} cells came back without a row"
        raise CodegenError("rows-missing", what, "the same command makes them; report it if it happens again")


def _kept(folder: Path, item: Item, row: Row, kept_in: Store) -> Row:
    """The row as it is kept; its variant's file is in place before it is."""
    record = {key: value for key, value in row.record.items() if key not in ("text", "encoding")}
    digest, output, path = "", "", planning.relative(folder, item)
    if row.status == "passed":
        output = path.relative_to(folder).as_posix()
        if "text" in row.record:
            _write(path, row.record["text"].encode(row.record.get("encoding") or "utf-8"))
        digest = _digest(path)
        record |= {"output": output}
    else:
        path.unlink(missing_ok=True)  # of the same cell, made from something else
    row = dataclasses.replace(row, number=item.cell.number, record=record, output=output)
    kept_in.keep(Kept(row, item.name, digest))
    return row


def _write(path: Path, data: bytes) -> None:
    """All of the file or none of it. It is not waited for the disk: the next run knows a damaged file by its digest."""
    begun = path.with_suffix(".tmp")
    with store.told(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            begun.write_bytes(data)
            begun.replace(path)
        except BaseException:
            begun.unlink(missing_ok=True)
            raise


def _refused(item: Item) -> Row:
    """The row of a cell that nobody has to make."""
    request, error = item.cell.request, item.refusal
    assert error
    return Row(
        key=item.cell.key,
        number=item.cell.number,
        source=request.source,
        operation=request.operation,
        site=request.site,
        module=request.module,
        arguments=item.cell.arguments,
        command=emit.command(request, request.source),
        status="failed" if error.name in CRASHES or error.exit_code in (BUG, CONTRACT) else "refused",
        error=error.name,
        message=error.message,
        hint=error.hint,
    )
