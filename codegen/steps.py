"""Several edits in one run, applied in order: each is made on what the one before left, and proved beside it.

Raises what `pipeline` does; the message names the edit.
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from codegen import edits, emit, emitted, expressions, inputs, locating, pipeline, sources, verdicts
from codegen.calls import call_sites
from codegen.child import Child, Start
from codegen.errors import CodegenError
from codegen.pipeline import Stopwatch
from codegen.traced import Trace
from codegen.types import Check, Report, Request, Source

SHOWN = 3  # details of a check that passed; of one that failed all are told
ORDER = {"failed": 0, "passed": 1, "skipped": 2}  # a check of all edits is the first of these that it is of one


def run(requests: Sequence[Request], start: Start = Child) -> Report:
    """Make all edits and write one file; nothing is written where one of them fails."""
    first = requests[0]
    source = sources.resolve(first.source)
    edits.refuse_twice(requests, source.file.text)
    target = pipeline.output(replace(first, output=first.output or f"generated/{stem(source)}{suffix(requests)}.py"), source)
    if not first.dry_run:
        emitted.check_target(target, first)
    report = made(source, requests, start)
    if not first.dry_run:
        emitted.write(report, target, source)
    return replace(report, output=str(target))


def made(source: Source, requests: Sequence[Request], start: Start = Child) -> Report:
    """All edits of a source, each proved, in no file yet."""
    watch = Stopwatch()
    with start(requests[0].limits) as child:
        reports = [*_made(child, source, requests, watch)]
    return _joined(requests[0], reports, source, watch)


def verify(requests: Sequence[Request], file: Path, text: str, encoding: str) -> Report:
    """The contract again, of a file that exists: its last edit beside a base that has the others."""
    if len(requests) == 1:
        return pipeline.verify(first(requests), file, text, encoding)
    source = sources.resolve(requests[0].source)
    with Child(requests[0].limits) as child:
        reports = [*_made(child, source, requests[:-1], Stopwatch(), requests)]
        here, request = _step(child, source, reports, requests[-1])
        with _naming(len(requests), requests[-1].edits[-1]):
            report = pipeline.proved(child, here, request, text, encoding)
    return replace(report, output=str(file), request=requests[0])


def first(requests: Sequence[Request]) -> Request:
    """The first edit's own Request: registered names get the suffix of all."""
    return replace(requests[0], suffix=suffix(requests)) if requests[0].edits else requests[0]


def suffix(requests: Sequence[Request]) -> str:
    """`_se_eca`: what is appended to registered names, and to the source's name for the file."""
    names = (expressions.called(request.module, request.as_class) for request in requests)
    return requests[0].suffix or "".join(f"_{name}" for name in dict.fromkeys(names))


def stem(source: Source) -> str:
    """What the file is called before its suffix."""
    return source.entry or source.file.path.stem


def _made(
    child: Child, source: Source, requests: Sequence[Request], watch: Stopwatch, all_requests: Sequence[Request] = ()
) -> Iterator[Report]:
    reports: list[Report] = []
    for number, (edit, request) in enumerate(zip(requests[0].edits if requests else (), requests, strict=False), 1):
        here, own = (source, first(all_requests or requests)) if number == 1 else _step(child, source, reports, request)
        with _naming(number, edit), watch.stage("trace"):
            subject = pipeline.measure(child, here, own)
        if number == 1:
            _demand_sites(subject.trace, requests)
        with _naming(number, edit):
            report = pipeline.insert(child, subject, own, watch)
            verdicts.demand(report)
        reports.append(report)
        yield report


@contextlib.contextmanager
def _naming(number: int, edit: str) -> Iterator[None]:
    """Say in an error of which edit it is."""
    try:
        yield
    except CodegenError as error:
        raise replace(error, message=f"edit {number}, {edit!r}: {error.message}", edit=number) from error


def _demand_sites(trace: Trace, requests: Sequence[Request]) -> None:
    """Names that mean nothing are told before anything is proved. Behind a replacement the model has other modules."""
    for number, request in enumerate(requests, 1):
        with _naming(number, request.edits[number - 1]):
            locating.named(trace, request)
        if request.operation == "replace":
            break


def _step(child: Child, source: Source, reports: Sequence[Report], request: Request) -> tuple[Source, Request]:
    """What the edits before left, as a source, and a Request to change it in place."""
    last = reports[-1]
    assert last.variant
    path = Path(tempfile.mkdtemp(dir=child.folder.name), f"{stem(source).replace('-', '_')}_{len(reports)}.py")
    path.write_bytes(last.variant.text.encode(last.variant.encoding))
    entry = last.variant.build.partition("(")[0] if source.entry else ""
    here = Source(str(path), sources.file(path), entry, source.library, source.distribution)
    build, later = last.variant.build, not request.in_place
    return here, replace(request, in_place=True, later=later, build=build, input=last.input)


def _joined(request: Request, reports: Sequence[Report], source: Source, watch: Stopwatch) -> Report:
    """One Report of all edits, with the last one's site; its file has one header."""
    start, last = reports[0], reports[-1]
    every = [check for report in reports for check in report.checks]  # some are made of some edits only
    assert start.variant and last.variant
    text = last.variant.text
    if not request.in_place:
        files = inputs.recorded([report.request for report in reports], source)
        text = emit.headed(text, emit.header(request, source, start.variant.host, last.variant.build, files))
    steps = tuple(replace(r, call_sites=call_sites(text, r.variant.attribute)) for r in reports if r.variant)
    return replace(
        last,
        request=request,
        variant=replace(last.variant, text=text, base=start.variant.base, base_build=start.variant.base_build),
        call_sites=steps[-1].call_sites,
        checks=tuple(_all([c for c in every if c.name == name]) for name in dict.fromkeys(c.name for c in every)),
        new_parameters=sum(report.new_parameters for report in reports),
        parameters=start.parameters,
        drift=None,  # each step's own is beside the step before
        notes=tuple(dict.fromkeys(note for report in reports for note in report.notes)),
        seconds=tuple(watch.seconds.items()),
        steps=steps,
    )


def _all(checks: Sequence[Check]) -> Check:
    """The same check of every edit: passed where it passed of one and failed of none."""
    status = min((check.status for check in checks), key=ORDER.__getitem__)
    details = [*dict.fromkeys(check.detail for check in checks if check.detail and check.status == status)]
    more = f"; and {len(details) - SHOWN} more" if len(details) > SHOWN and status == "passed" else ""
    return Check(checks[0].name, status, "; ".join(details[:SHOWN] if more else details) + more)
