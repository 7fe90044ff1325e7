"""Make the variants of recipes, several at a time; one that fails stops no other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from queue import SimpleQueue

from codegen import keeping, pristine, sources, variants, warm
from codegen.child import Start
from codegen.errors import CodegenError, told
from codegen.keeping import State
from codegen.types import Report, Request

BY_HAND = {"edited-by-hand", "no-header"}  # what a build would destroy


@dataclass(frozen=True)
class Job:
    """A variant to make: the Requests of its recipe, in the order of its edits."""

    name: str
    output: Path
    requests: tuple[Request, ...]
    recipe: bool = True  # False: its header is all that says how it is made
    recorded: tuple[Request, ...] = ()  # what the header of the file says, where it has one


@dataclass(frozen=True)
class Result:
    """What became of one variant. status: "made", "merged", "to make", "up to date" or "failed"."""

    name: str
    output: Path
    status: str
    report: Report | None = None
    error: CodegenError | None = None


def planned(jobs: Sequence[Job], *, force: bool, done: Callable[[Result], object]) -> list[Result]:
    """What `run` would make: "to make", "up to date" or "failed". Runs no model and writes nothing."""
    found = []
    for job in jobs:
        try:
            found.append(Result(job.name, job.output, "to make" if _wanted(job, force) else "up to date"))
        except Exception as error:  # told in the result, and the others go on
            found.append(failed(job, error))
        done(found[-1])
    return found


def run(jobs: Sequence[Job], workers: int, *, force: bool, done: Callable[[Result], object]) -> list[Result]:
    """Make all that are not as their recipes make them; `done` hears of each as it ends.

    Each worker has a child process of its own, which goes on with variants of the same library or file.
    """
    waiting = warm.Queue([warm.family(job.requests[0].source) for job in jobs])
    told: SimpleQueue[Result | None] = SimpleQueue()

    def work() -> None:
        worker = warm.Warm()
        try:
            while (index := waiting.take(worker)) is not None:
                told.put(_built(jobs[index], force, worker.start))
        finally:
            worker.stop()
            told.put(None)

    pool = ThreadPoolExecutor(workers)
    found: dict[str, Result] = {}
    try:
        running = [pool.submit(work) for _ in range(min(workers, len(jobs)))]
        for _ in running:
            while result := told.get():
                found[result.name] = result
                done(result)
        for worker in running:
            worker.result()  # a bug in it is raised here
    finally:
        waiting.clear()  # Ctrl-C: what has not begun does not begin
        pool.shutdown(wait=False)
    return [found[job.name] for job in jobs]


def _wanted(job: Job, force: bool) -> bool:
    """Whether a build makes it. Raises CodegenError("edited-by-hand"), and what a source that is not found raises."""
    state = keeping.state(job.name, job.output, job.requests, recipe=job.recipe)
    if not state.problems and not force:
        return False
    _demand_untouched(state, force)
    sources.resolve(job.requests[0].source)
    return True


def _built(job: Job, force: bool, start: Start) -> Result:
    try:
        if not _wanted(job, force):
            return Result(job.name, job.output, "up to date")
        requests = [replace(request, output=str(job.output), force=True) for request in job.requests]
        report = variants.run(requests, start)
        if report.variant:
            pristine.keep(report.variant.text)
        return Result(job.name, job.output, "made", report)
    except Exception as error:  # told in the result, and the others go on
        return failed(job, error)


def failed(job: Job, error: Exception) -> Result:
    """The result of a variant that was not made; what is no CodegenError is a bug of codegen."""
    return Result(job.name, job.output, "failed", error=told(error))


def _demand_untouched(state: State, force: bool) -> None:
    """Raise CodegenError("edited-by-hand") where a build would overwrite what a person wrote."""
    if not force and state.kinds & BY_HAND:
        kind = min(state.kinds & BY_HAND)
        raise CodegenError("edited-by-hand", f"{state.output}: {keeping.PROBLEMS[kind]}", "--force overwrites it")
