"""Workers of a sweep, here and behind a real dask scheduler: whatever happens to one, no row is lost and none comes twice."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path

import pytest
from conftest import children_of, environment, is_alive
from small_sweep import cells, rows, written

from codegen.errors import CodegenError
from codegen.sweeps import executors
from codegen.sweeps.chunks import Chunk, Found, chunks
from codegen.sweeps.executors import Chosen
from codegen.sweeps.rows import Base, Row, Settings

GOOD = ["se", "eca", "Good", "scale"]
SITES = ["stem", "act", "body"]


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    written(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_chunks_keep_what_is_of_one_base_together() -> None:
    asked = [*cells(["se", "eca"], SITES), *cells(["se"], SITES, source="other.py")]
    asked = [replace(cell, number=number) for number, cell in enumerate(reversed(asked))]
    found = chunks(asked, 2)
    assert sorted(cell.number for chunk in found for cell in chunk.cells) == [*range(9)]
    assert [(chunk.family, [cell.request.module for cell in chunk.cells]) for chunk in found] == [
        ("other.py", ["se", "se"]),
        ("other.py", ["se"]),
        ("net.py", ["eca", "eca"]),
        ("net.py", ["eca", "se"]),
        ("net.py", ["se", "se"]),
    ]


class Lost(Exception):
    pass


class Frail:
    """A pool without processes whose worker ends at the cells of some numbers, or always."""

    size, lost = 3, (Lost,)

    def __init__(self, guilty: set[int], always: bool = False) -> None:
        self.guilty, self.always, self.innocent = guilty, always, [1]

    def start(self, waiting: list[Chunk], session: executors.Session) -> Iterator[tuple[Future[Found], Chunk]]:
        for chunk in [waiting.pop(0) for _ in range(min(2, len(waiting)))]:
            future: Future[Found] = Future()
            numbers = {cell.number for cell in chunk.cells}
            unlucky = 4 in numbers and self.innocent and self.innocent.pop()
            if self.always or numbers & self.guilty or unlucky:
                future.set_exception(Lost())
            else:
                base = Base("net.py", "", {})
                future.set_result([*(executors.engine.blank(cell) for cell in chunk.cells), base])
            yield future, chunk

    def close(self) -> None:
        pass


def test_only_the_cell_that_ends_its_worker_is_at_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(executors, "_pool", lambda *_: Frail({1, 7}))
    found: list[Row | Base] = []
    executors.run(cells(GOOD, SITES), Settings(Path()), Chosen(), found.append)
    got = rows(found)
    assert sorted(got) == [*range(12)] and len(found) == 13
    assert {number for number, row in got.items() if row.error == "worker-exited" and row.status == "failed"} == {1, 7}


def test_workers_that_never_work_end_the_sweep(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(executors, "_pool", lambda *_: Frail(set(), always=True))
    with pytest.raises(CodegenError, match="no-workers"):
        executors.run(cells(GOOD, SITES), Settings(Path()), Chosen(), lambda _: None)


def test_bad_choices(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(CodegenError, match="unknown-executor"):
        executors.run(cells(["se"]), Settings(Path()), Chosen("slurm"), lambda _: None)
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(CodegenError, match=r"missing-package.*distributed"):
        executors.run(cells(["se"]), Settings(Path()), Chosen("dask", scheduler="tcp://127.0.0.1:1"), lambda _: None)


class Killing:
    """Takes what is told, and at the third row kills a process."""

    def __init__(self) -> None:
        self.found: list[Row | Base] = []
        self.victim = lambda: 0

    def __call__(self, each: Row | Base) -> None:
        self.found.append(each)
        if len(rows(self.found)) == 3 and isinstance(each, Row):
            os.kill(self.victim(), signal.SIGKILL)


@pytest.mark.slow
def test_a_worker_killed_and_a_variant_that_crashes(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[int] = []
    made = executors.Local._executor

    def known(self: executors.Local, number: int) -> object:
        executor = made(self, number)
        executor.submit(os.getpid).add_done_callback(lambda future: future.exception() or started.append(future.result()))
        return executor

    monkeypatch.setattr(executors.Local, "_executor", known)
    killing = Killing()
    killing.victim = lambda: started[0]
    executors.run(cells([*GOOD, "Exits"], SITES), Settings(place), Chosen(workers=2), killing)
    got = rows(killing.found)
    assert sorted(got) == [*range(15)]
    assert {number for number, row in got.items() if row.status != "passed"} == {12, 13, 14}
    assert {got[number].error for number in (12, 13, 14)} == {"model-exited"}
    assert len([each for each in killing.found if isinstance(each, Base)]) == 1
    deadline = time.monotonic() + 10
    while any(map(is_alive, started)) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not any(map(is_alive, started)) and len({*started}) == 3


@contextlib.contextmanager
def cluster(count: int) -> Iterator[tuple[str, list[subprocess.Popen[bytes]]]]:
    """A dask scheduler and workers, processes of their own that speak over TCP."""
    pytest.importorskip("distributed")
    quiet = {"stdout": subprocess.DEVNULL, "env": environment()}
    command = [sys.executable, "-m", "distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", "0"]
    scheduler = subprocess.Popen([*command, "--no-dashboard"], stderr=subprocess.PIPE, **quiet)  # type: ignore[call-overload]
    workers: list[subprocess.Popen[bytes]] = []
    try:
        address = next(m[0] for line in scheduler.stderr if (m := re.search(r"tcp://\S+:\d+", line.decode())))
        command = [sys.executable, "-m", "distributed.cli.dask_worker", address, "--nthreads", "1"]
        command += ["--no-nanny", "--no-dashboard"]
        for _ in range(count):
            workers.append(subprocess.Popen(command, stderr=subprocess.DEVNULL, **quiet))  # type: ignore[call-overload]
        yield address, workers
    finally:
        for process in [*workers, scheduler]:
            process.kill()
            process.wait()


@pytest.mark.slow
def test_a_dask_worker_killed_in_the_middle(place: Path) -> None:
    with cluster(3) as (address, workers):
        killing = Killing()
        killing.victim = lambda: workers[0].pid
        asked = cells([*GOOD, "Exits", *GOOD], [*SITES, "fc", "nowhere"])  # more than the workers have in hand
        executors.run(asked, Settings(place), Chosen("dask", scheduler=address), killing)
        assert workers[0].wait(10) == -signal.SIGKILL
        left = [pid for worker in workers[1:] for pid in children_of(worker.pid)]
        assert not any(map(is_alive, left)) or time.sleep(2) or not any(map(is_alive, left))
    got = rows(killing.found)
    assert sorted(got) == [*range(45)]
    statuses = {(row.module, row.site): (row.status, row.error) for row in got.values()}
    assert {error for (_, site), error in statuses.items() if site == "nowhere"} == {("refused", "unknown-site")}
    assert statuses["mods.py:Exits", "body"] == ("failed", "model-exited")
    assert all(statuses[module, site] == ("passed", "") for module in ("se", "eca") for site in SITES)
    assert len([each for each in killing.found if isinstance(each, Base)]) == 1


@pytest.mark.slow
def test_a_scheduler_that_does_not_answer_or_goes_away(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from codegen.sweeps import clusters

    pytest.importorskip("distributed")
    monkeypatch.setattr(clusters, "SECONDS", 2.0)
    with pytest.raises(CodegenError, match="no-scheduler"):
        executors.run(cells(["se"]), Settings(place), Chosen("dask", scheduler="tcp://127.0.0.1:9"), lambda _: None)
    with cluster(0) as (address, _), pytest.raises(CodegenError, match=r"no-workers.*has no worker"):
        executors.run(cells(["se"]), Settings(place), Chosen("dask", scheduler=address), lambda _: None)
