"""Run the cells of a sweep on warm worker processes, here or on a dask cluster: no row is lost, none comes twice.

A worker that ends in the middle takes one chunk with it, whose cells are then made one by one: only a cell that ends its
worker by itself, twice, is at fault.
"""

from __future__ import annotations

import os
import secrets
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, CancelledError, Future, wait
from dataclasses import dataclass, replace
from typing import Any, Protocol

from codegen.errors import CodegenError
from codegen.sweeps import engine
from codegen.sweeps.chunks import Chunk, Found, chunks
from codegen.sweeps.engine import Session
from codegen.sweeps.rows import Base, Cell, Row, Settings

Done = Callable[[Row | Base], None]
TRIES = 2  # of a cell by itself
NAMES = ("local", "dask")


@dataclass(frozen=True)
class Chosen:
    """What runs a sweep. name: of NAMES."""

    name: str = "local"
    workers: int = 2  # of the local pool
    scheduler: str = ""  # the address of dask's


class Pool(Protocol):
    """Workers. `size`: of a chunk; `lost`: what the future of a chunk raises whose worker has ended."""

    size: int
    lost: tuple[type[BaseException], ...]

    def start(self, waiting: list[Chunk], session: Session) -> Iterator[tuple[Future[Found], Chunk]]:
        """Take from what waits as much as there is room for."""

    def close(self) -> None:
        """End what still runs, and what was started for this sweep."""


def run(cells: Sequence[Cell], settings: Settings, chosen: Chosen, done: Done) -> None:
    """Make all cells; `done` hears of each in this thread, as it ends, and of each source once.

    Raises CodegenError("missing-package", "no-scheduler", "no-workers", "scheduler-lost", "unknown-executor"), and what `done`
    raises: what was not told by then is to be made again.
    """
    if not cells:
        return
    pool = _pool(settings, chosen, len(cells))
    session = Session(secrets.token_hex(8), os.getcwd())
    try:
        _drive(pool, chunks(cells, pool.size), session, done)
    finally:
        pool.close()


def _drive(pool: Pool, waiting: list[Chunk], session: Session, done: Done) -> None:
    running: dict[Future[Found], Chunk] = {}
    losses = 0  # since a worker answered last
    while waiting or running:
        running.update(pool.start(waiting, session))
        finished, _ = wait(running, return_when=FIRST_COMPLETED)
        for future in finished:
            chunk = running.pop(future)
            try:
                found = future.result()
            except CancelledError:
                what = "the executor has dropped what it was to make"
                raise CodegenError("scheduler-lost", what, "the same command goes on where it was") from None
            except pool.lost as error:
                losses += 1
                if losses > 2 * TRIES + 2:
                    what = f"worker processes end before they have made a variant: {error or type(error).__name__}"
                    raise CodegenError("no-workers", what, "fewer workers need less memory; --verbose shows more") from error
                waiting[:0] = _again(chunk, done)
                continue
            losses = 0
            session = replace(session, told=session.told | _tell(found, session, done))


def _tell(found: Found, session: Session, done: Done) -> set[str]:
    """Hand everything on; the sources that are told of now."""
    told = {*session.told}
    for each in found:
        if isinstance(each, Base):
            if each.source in told:
                continue
            told.add(each.source)
        done(each)
    return told


def _again(chunk: Chunk, done: Done) -> list[Chunk]:
    """The cells of a chunk whose worker has ended, one by one. One that did it by itself is at fault."""
    tries = chunk.tries + (len(chunk.cells) == 1)
    if tries < TRIES:
        return [Chunk(chunk.family, (cell,), tries) for cell in chunk.cells]
    what = "the worker process that made this variant ended, each time that it was tried"
    error = CodegenError("worker-exited", what, "look for too much memory in the model's file; --memory limits it")
    done(replace(engine.refused(engine.blank(chunk.cells[0]), error), status="failed"))
    return []


def _pool(settings: Settings, chosen: Chosen, cells: int) -> Pool:
    if chosen.name == "local":
        return Local(settings, max(1, min(chosen.workers, cells)))
    if chosen.name == "dask":
        from codegen.sweeps.clusters import Dask

        return Dask(settings, chosen.scheduler)
    what = f"there is no executor {chosen.name}"
    raise CodegenError("unknown-executor", what, f"choose one of {', '.join(NAMES)}")


def tie(coordinator: int) -> None:
    """In a worker: end with the process that started it, also where that is killed and says nothing."""

    def watch() -> None:
        while os.getppid() == coordinator:
            time.sleep(1.0)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


class Local:
    """Warm processes of this machine, each an executor of its own: one that ends takes nothing of another's with it."""

    size = 5

    def __init__(self, settings: Settings, count: int) -> None:
        from loky.process_executor import BrokenProcessPool

        self.settings = settings
        self.lost: tuple[type[BaseException], ...] = (BrokenProcessPool,)
        self.executors: list[Any] = [None] * count
        self.families = [""] * count
        self.busy: dict[int, Future[Found]] = {}

    def start(self, waiting: list[Chunk], session: Session) -> Iterator[tuple[Future[Found], Chunk]]:
        """One chunk for each idle worker: of the family that it is warm for, else of one that nobody has."""
        session = replace(session, share=len(self.executors))
        for number in range(len(self.executors)):
            if number in self.busy and not self.busy[number].done():
                continue
            if number in self.busy and isinstance(self.busy.pop(number).exception(), self.lost):
                self._end(number)
            if waiting:
                chunk = waiting.pop(self._best(number, waiting))
                self.families[number] = chunk.family
                self.busy[number] = self._executor(number).submit(engine.work, chunk.cells, self.settings, session)
                yield self.busy[number], chunk

    def _best(self, number: int, waiting: list[Chunk]) -> int:
        own, taken = self.families[number], {*self.families}
        ranks = [0 if chunk.family == own else 1 if chunk.family not in taken else 2 for chunk in waiting]
        return ranks.index(min(ranks))

    def _executor(self, number: int) -> Any:
        if self.executors[number] is None:
            from loky import ProcessPoolExecutor

            self.executors[number] = ProcessPoolExecutor(max_workers=1, initializer=tie, initargs=(os.getpid(),))
        return self.executors[number]

    def _end(self, number: int) -> None:
        executor, self.executors[number], self.families[number] = self.executors[number], None, ""
        if executor is not None:
            executor.shutdown(wait=False, kill_workers=True)

    def close(self) -> None:
        """The workers are killed: each child of theirs ends with its worker."""
        for number in range(len(self.executors)):
            self._end(number)
