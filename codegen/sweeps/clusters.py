"""A dask cluster that exists as the workers of a sweep. Starts no scheduler and no workers; needs the `distributed` package."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import replace
from typing import Any

from codegen.errors import CodegenError
from codegen.sweeps import engine
from codegen.sweeps.chunks import Chunk, Found
from codegen.sweeps.engine import Session
from codegen.sweeps.rows import Settings
from codegen.version import __version__

SECONDS = 15.0  # until a scheduler, and then a worker, must have answered
AHEAD = 2  # chunks for each thread of a worker: one runs, one waits there


def version() -> str:
    """Of the codegen that a worker has; it imports what a cell needs."""
    return __version__


class Dask:
    """The workers of a scheduler, through its `concurrent.futures.Executor`."""

    size = 10

    def __init__(self, settings: Settings, address: str) -> None:
        distributed = _imported()
        self.settings = settings
        self.lost: tuple[type[BaseException], ...] = (distributed.KilledWorker,)
        if not address:
            raise CodegenError("usage", "--executor dask needs a scheduler", "--scheduler tcp://HOST:8786")
        try:
            self.client = distributed.Client(address, timeout=SECONDS, set_as_default=False)
        except (OSError, TimeoutError, ValueError) as error:
            what = f"no dask scheduler answers at {address} within {SECONDS:g} s: {str(error)[:200]}"
            raise CodegenError("no-scheduler", what, "start one (dask scheduler), or give the address that it shows") from None
        try:
            self._demand_workers(address)
            self.executor = self.client.get_executor(pure=False)
        except BaseException:
            self.client.close()
            raise
        self.running: set[Future[Found]] = set()
        self.share = max(Counter(each["host"] for each in self._workers()).values(), default=1)  # of one machine's memory

    def _workers(self) -> list[dict[str, Any]]:
        return [*self.client.scheduler_info(n_workers=-1)["workers"].values()]

    def _demand_workers(self, address: str) -> None:
        try:
            self.client.wait_for_workers(1, timeout=SECONDS)
        except TimeoutError:
            what = f"the scheduler at {address} has no worker"
            raise CodegenError("no-workers", what, f"start some: dask worker {address}") from None
        try:
            versions = {*self.client.run(version).values()}
        except Exception as error:
            what = f"a worker of {address} cannot import codegen: {error}"
            raise CodegenError("no-workers", what, "install the same codegen on all of them") from None
        if versions != {__version__}:
            what = f"the workers have codegen {', '.join(sorted(versions))}, here it is {__version__}"
            raise CodegenError("no-workers", what, "install the same codegen on all of them")

    def start(self, waiting: list[Chunk], session: Session) -> Iterator[tuple[Future[Found], Chunk]]:
        """So many chunks that no thread waits for one, and no more: what has not begun need not be called back."""
        session = replace(session, share=self.share)
        self.running = {future for future in self.running if not future.done()}
        room = AHEAD * max(1, sum(each["nthreads"] for each in self._workers())) - len(self.running)
        for chunk in waiting[: max(0, room)]:
            waiting.remove(chunk)
            future = self.executor.submit(engine.work, chunk.cells, self.settings, session)
            self.running.add(future)
            yield future, chunk

    def close(self) -> None:
        """Call back what has not begun, and end the children of the workers."""
        for future in self.running:
            future.cancel()
        with contextlib.suppress(Exception):  # the scheduler may be gone
            self.client.run(engine.stop_all, on_error="ignore")
        self.client.close()


def _imported() -> Any:
    try:
        import distributed
    except ImportError:
        what = "--executor dask needs the package distributed"
        raise CodegenError("missing-package", what, 'pip install "backbone-codegen[dask]"') from None
    return distributed
