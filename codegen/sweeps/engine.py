"""The cells of a sweep on a warm child: each becomes a Row, whatever happens to it. For any process; writes no file."""

from __future__ import annotations

import contextlib
import gc
import os
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from codegen import edits, emit, imports, pipeline, records, sources, verdicts, warm
from codegen.child import Child
from codegen.errors import BUG, CONTRACT, CodegenError
from codegen.limits import Limits
from codegen.pipeline import Stopwatch, Subject
from codegen.proving import Proving
from codegen.sweeps import rows
from codegen.sweeps.rows import Base, Cell, Row, Settings
from codegen.types import Report, Request

DAMAGING = frozenset({"model-timeout", "model-exited", "model-memory", "source-fails", "internal-error"})  # of its child
SOURCES = 4  # that a worker keeps measured
MOST = 2000  # variants of one child: what models leave in memory goes with it
GRACE = 10.0  # seconds that the child has to say that a fork of it took too long


@dataclass(frozen=True)
class Session:
    """One run of a sweep, as its workers know it."""

    name: str = ""  # a worker that served another run forgets what it knew
    folder: str = ""  # where the sweep was started: relative paths of sources and modules start there
    share: int = 1  # workers among which the machine's memory is divided
    told: frozenset[str] = frozenset()  # sources whose Base the coordinator has


class Maker:
    """What one worker keeps from cell to cell: a child process, and the sources that it has measured."""

    def __init__(self) -> None:
        self.session = ""
        self.family = ""
        self.child: Child | None = None
        self.served = 0  # cells of this child
        self.loaded: set[str] = set()  # files that the child has imported
        self.known: dict[str, Any] = {}  # traces, also of the children before
        self.measured: dict[tuple[object, ...], Subject | CodegenError] = {}

    def serve(self, session: Session, family: str) -> None:
        """Go on with this run and with what is made of this library or file; nothing of another is left."""
        if session.name != self.session:
            self.stop()
            imports.forget()
            self.known, self.measured, self.session = {}, {}, session.name
            with contextlib.suppress(OSError):  # another machine, which has no such folder
                os.chdir(session.folder or ".")
        if family != self.family:
            self.stop()
            self.family, self.known = family, {}

    def stop(self) -> None:
        """End the child, where there is one."""
        child, self.child = self.child, None
        self.served, self.loaded = 0, set()
        if child is not None:
            child.stop()

    def report(self, request: Request, proving: Proving) -> Report:
        """The variant of a request, proved. What fails in a child that served others is made once more in one of its own: it
        may be their fault. Raises what `pipeline.insert` and `verdicts.demand` raise.
        """
        while True:
            alone = self.child is None or not self.served
            try:
                return self._made(request, proving)
            except CodegenError as error:
                hung = error.name == "model-timeout"
                if self._is_damaged(error, proving):
                    self.stop()
                elif error.name != "contract-failed":
                    raise
                if alone or hung or proving.isolate:
                    raise
                self.stop()

    def _is_damaged(self, error: CodegenError, proving: Proving) -> bool:
        child = self.child
        if child is None or child.process.poll() is not None or time.monotonic() > child.deadline:
            return True
        return error.name in DAMAGING and not proving.isolate

    def _made(self, request: Request, proving: Proving) -> Report:
        watch = Stopwatch()
        child = self._ready(request.limits, GRACE * proving.isolate)
        with watch.stage("trace"):
            subject = self.subject(child, request)
            self._load(child, subject)
        edits.refuse_twice([request], subject.source.file.text)
        self.served += 1
        report = pipeline.insert(child, subject, request, watch, proving)
        verdicts.demand(report)
        return report

    def _ready(self, limits: Limits, grace: float) -> Child:
        """The child for one cell."""
        if self.child is None or self.child.limits != limits or self.served >= MOST:
            self.stop()
            self.child = Child(limits)
            self.child.known = self.known
        self.child.deadline = time.monotonic() + limits.seconds + grace
        return self.child

    def subject(self, child: Child, request: Request) -> Subject:
        """The source, measured once for all its sites. Raises what `sources.resolve` and `pipeline.measure` raise."""
        whole = request.operation in ("beside", "replace")  # a narrower build does not stand for the model
        key = (request.source, request.host, request.build, request.input, request.element, whole)
        if key not in self.measured:
            while len(self.measured) >= SOURCES:
                del self.measured[next(iter(self.measured))]
            asked = Request(request.source, request.operation if whole else "", host=request.host, build=request.build)
            asked = replace(asked, input=request.input, element=request.element, limits=request.limits)
            try:
                source = sources.resolve(request.source)
                self.measured[key] = pipeline.measure(child, source, asked)
                self.loaded.add(str(source.file.path))
                gc.freeze()  # a trace is large and stays: to look through it again and again is a tenth of the time
            except CodegenError as error:
                if self.served and error.name in DAMAGING:
                    raise  # it may be the fault of one before
                self.measured[key] = error
        found = self.measured[key]
        if isinstance(found, CodegenError):
            raise found
        return found

    def _load(self, child: Child, subject: Subject) -> None:
        """A child that did not trace the source has imported it all the same: what it imports can be imported then."""
        file = str(subject.source.file.path)
        if file not in self.loaded:
            child.ask("load", {"file": pipeline.located(subject.source)})
            self.loaded.add(file)


HERE = threading.local()  # a worker process may have several threads: each has a Maker
MAKERS: list[Maker] = []  # of all threads


def work(cells: Sequence[Cell], settings: Settings, session: Session = Session()) -> list[Row | Base]:  # noqa: B008
    """Make and prove cells: a Row of each, and a Base of each source that the coordinator does not have yet.

    It can be pickled, and run by any `concurrent.futures.Executor`. Relative files are read here, so workers on other
    machines need the same files at the same places. Raises nothing that a cell is the reason of.
    """
    if not hasattr(HERE, "maker"):
        gc.set_threshold(100_000)  # see `codegen.__main__`
        HERE.maker = Maker()
        MAKERS.append(HERE.maker)
    maker: Maker = HERE.maker
    found: list[Row | Base] = []
    told = {*session.told}
    for cell in cells:
        maker.serve(session, warm.family(cell.request.source))
        found.append(_row(maker, cell, settings, session))
        if cell.request.source not in told and (base := _base(maker, cell.request.source)):
            told.add(cell.request.source)
            found.append(base)
    return found


def stop_all() -> None:
    """End the children of this process, when nothing is being made."""
    for maker in MAKERS:
        maker.stop()


def blank(cell: Cell) -> Row:
    """The Row of a cell of which nothing is known yet."""
    request = cell.request
    return Row(
        key=cell.key,
        number=cell.number,
        source=request.source,
        operation=request.operation,
        site=request.site,
        module=request.layers or request.module,
        arguments=cell.arguments,
        command=emit.command(request, request.source),
        status="failed",
    )


def refused(row: Row, error: Exception) -> Row:
    """The Row of a cell that an error ended. What is no CodegenError is a bug of codegen."""
    known = error if isinstance(error, CodegenError) else CodegenError("internal-error", repr(error), "report it", BUG)
    failed = known.name in DAMAGING or known.exit_code in (BUG, CONTRACT)
    status = "failed" if failed else "refused"
    return replace(row, status=status, error=known.name, message=known.message, hint=known.hint)


def _row(maker: Maker, cell: Cell, settings: Settings, session: Session) -> Row:
    start = time.perf_counter()
    row = blank(cell)
    request = replace(cell.request, limits=_shared(cell.request.limits, session.share))
    costs = settings.costs
    proving = Proving(not settings.full, settings.isolate == "fork", costs, settings.device, settings.compiled)
    try:
        row = _passed(row, maker.report(request, proving))
    except Exception as error:  # told in the row, and the others go on
        if not isinstance(error, CodegenError):
            maker.stop()
        row = refused(row, error)
    return replace(row, seconds=round(time.perf_counter() - start, 4))


def _passed(row: Row, report: Report) -> Row:
    variant = report.variant
    assert variant is not None
    record = {**records.report_json(report), "text": variant.text, "encoding": variant.encoding}
    name = f"{Path(row.source.rpartition(':')[2] or row.source).stem}.py"
    return replace(
        row,
        status="passed",
        diff="\n".join(records.unified(variant.base, variant.text, name)),
        record=record,
        parameters=report.parameters,
        new_parameters=report.new_parameters,
        drift=report.drift,
        costs=rows.costs(report.costs),
    )


def _shared(limits: Limits, share: int) -> Limits:
    """With the part of the machine's memory that a worker may use, where nothing else was said."""
    if limits.memory or share < 2:
        return limits
    return replace(limits, memory=int(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") * 0.75 / share))


def _base(maker: Maker, spec: str) -> Base | None:
    """A source as it was measured, None where it was not."""
    for key, found in maker.measured.items():
        if key[0] == spec and isinstance(found, Subject):
            return Base(spec, found.source.distribution, records.sites_json(found.trace))
    return None
