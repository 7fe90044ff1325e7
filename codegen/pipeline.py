"""The whole program, top to bottom: a Request goes in, a Report comes out. Prints nothing, exits nowhere."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from codegen import (
    assembled,
    checkpointing,
    components,
    edits,
    emitted,
    expressions,
    pools,
    replacing,
    selection,
    selfcheck,
    sources,
    splitting,
    twins,
    verdicts,
    writing,
)
from codegen.child import Child, Start, trace_from_json
from codegen.draft import Draft, Lesson
from codegen.errors import CodegenError
from codegen.proving import USUAL, Proving, shared
from codegen.traced import Trace
from codegen.types import Check, Report, Request, Source


class Stopwatch:
    """Seconds by stage, in the order in which the stages began."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextlib.contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Add the time spent inside to `name`."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - start


@dataclass(frozen=True)
class Subject:
    """A source as it was measured once: any number of insertions can be made and proved on it."""

    source: Source
    trace: Trace
    others: tuple[Trace, ...] = ()  # other classes of the file that the library builds from the same entry


def run(request: Request, start: Start = Child) -> Report:
    """Insert a module: find the site, write the variant, prove it, and only then put the file in place.

    Raises CodegenError; exit code 3 where the contract failed. Nothing is written then.
    """
    watch = Stopwatch()
    with start(request.limits) as child:
        with watch.stage("read"):
            source = sources.resolve(request.source)
            edits.refuse_twice([request], source.file.text)
            target = output(request, source)
            if not request.dry_run:
                emitted.check_target(target, request)
        with watch.stage("trace"):
            subject = measure(child, source, request)
        report = insert(child, subject, request, watch)
    verdicts.demand(report)
    if not request.dry_run:
        emitted.write(report, target, source)
    return replace(report, output=str(target))


def insert(child: Child, subject: Subject, request: Request, watch: Stopwatch, proving: Proving = USUAL) -> Report:
    """Write one variant of a measured source and prove it in the child that measured it. Writes no file."""
    lessons: frozenset[Lesson] = frozenset()
    own: Subject | None = None  # measured for this request's site
    alike = False  # to the model, in width and depth, is what stands for it
    while True:
        with watch.stage("rewrite"):
            try:
                made = drafted(request, subject, lessons)
            except CodegenError as error:
                if error.name != "not-measured" or subject is own:
                    raise verdicts.hinted(error, request, subject.trace) from None
                subject = own = measure(child, subject.source, request)  # it was measured for all sites together
                continue
        with watch.stage("verify"):
            try:
                proof = prove(child, made, subject.source, made.variant.text, proving)
            except CodegenError as error:
                literal = error.name == "module-does-not-fit" and made.site.width.kind == "literal"
                if not alike and (literal or error.name == "source-fails" and Lesson.FACTORIES in lessons):
                    alike, subject = True, measure(child, subject.source, request, alike=True)  # it may hold at this width only
                    continue
                if error.name not in ("made-elsewhere", "source-fails") or Lesson.FACTORIES in lessons:
                    raise verdicts.hinted(error, request, subject.trace) from None
                lessons |= {Lesson.FACTORIES}
                continue
        if request.operation == "replace" and _refuses_base(proof) and Lesson.HOLDS_OLD not in lessons:
            lessons |= {Lesson.HOLDS_OLD}
            continue
        if (other := _next_result(request, made, proof)) and (report := _on(other, child, subject, watch, proving)):
            return report
        if proof["state"] or not made.hooked:
            if not proving.quick:
                again = drafted(request, subject, lessons)
                selfcheck.demand_same(made.variant.text, again.variant.text)
            return _report(request, made, proof, watch)
        lessons |= {Lesson.STATELESS}


def _next_result(request: Request, made: Draft, proof: dict[str, Any]) -> Request | None:
    """The same of the next of the site's results, where the model makes no use of the one that was taken."""
    index, failed = made.site.module.output_index, [c for c in proof["checks"] if c["status"] == "failed"]
    unused = failed and all(c["name"] == "gradient" and "gets no gradient" in c["detail"] for c in failed)
    free = request.operation == "after" and not (request.element or request.edits) and index.isdigit()
    return replace(request, element=str(int(index) + 1)) if unused and free else None


def _on(request: Request, child: Child, subject: Subject, watch: Stopwatch, proving: Proving) -> Report | None:
    """The variant on another result of the site; None where that holds no better."""
    try:
        report = insert(child, measure(child, subject.source, request), request, watch, proving)
    except CodegenError:
        return None
    note = f"the model makes no use of what {request.site} returns before --output-index {request.element}"
    return None if verdicts.failures(report) else replace(report, notes=(*report.notes, note))


def _refuses_base(proof: dict[str, Any]) -> bool:
    """Whether a base checkpoint lacks some keys of the new module, and has no others: so would a damaged one of the variant."""
    weights = next(c for c in proof["checks"] if c["name"] == "weights")
    return weights["status"] == "failed" and "refused with strict=True" in weights["detail"]


def drafted(request: Request, subject: Subject, lessons: frozenset[Lesson] = frozenset()) -> Draft:
    """The draft of this operation. Raises CodegenError where it cannot be made exactly."""
    drafts = {"replace": replacing.draft, "checkpoint": checkpointing.draft}
    draft: Callable[..., Draft] = drafts.get(request.operation, assembled.made)
    try:
        return draft(request, subject.source, subject.trace, subject.others, lessons)
    except CodegenError as error:
        raise splitting.told(error, request, subject.trace) from None


def verify(request: Request, file: Path, text: str, encoding: str) -> Report:
    """The contract again, for a variant that exists: `request` is what its header records."""
    with Child(request.limits) as child:
        report = proved(child, sources.resolve(request.source), request, text, encoding)
    return replace(report, output=str(file))


def proved(child: Child, source: Source, request: Request, text: str, encoding: str) -> Report:
    """The contract of a text beside the base that the request makes of the source."""
    watch = Stopwatch()
    with watch.stage("trace"):
        subject = measure(child, source, request)
        made = drafted(request, subject)
    made = replace(made, variant=replace(made.variant, encoding=encoding))
    with watch.stage("verify"):
        proof = prove(child, made, source, text)
    return _report(request, made, proof, watch)


def look(request: Request) -> Trace:
    """Every site of a source, for `codegen sites`."""
    with Child(request.limits) as child:
        source = sources.resolve(request.source)
        trace = traced(child, source, request)
    return replace(trace, calls=(*trace.calls, *twins.unreached(trace)))


def traced(child: Child, source: Source, request: Request, *, alike: bool = False) -> Trace:
    """Run the source's model in the child and learn where its modules are called. alike: no build of other widths or with
    fewer blocks stands for the model.
    """
    trace: Trace = child.ask_once(
        "trace",
        {
            "file": located(source),
            "text": source.file.text,
            "entry": source.entry,
            "host": request.host,
            "build": request.build,
            "input": request.input,
            "library": source.library,
            "wanted": selection.internal(request.site),
            "element": request.element,
            "behind": pools.widens(request.layers),
            "narrow": not alike and request.operation not in ("beside", "replace"),
            "short": not alike,
        },
        trace_from_json,
    )
    return trace


def located(source: Source) -> dict[str, str]:
    """How the child imports the source's file."""
    return {"path": str(source.file.path), "module": source.file.module, "root": str(source.file.root or "")}


def measure(child: Child, source: Source, request: Request, *, alike: bool = False) -> Subject:
    """Trace the source, and the other classes of its file that the library builds from the same entry."""
    trace = traced(child, source, request, alike=alike)
    if not trace.other_build or request.host:
        return Subject(source, trace)
    other = replace(request, build=trace.other_build, input=trace.input)
    return Subject(source, trace, (traced(child, source, other, alike=alike),))


def prove(child: Child, made: Draft, source: Source, text: str, proving: Proving = USUAL) -> dict[str, Any]:
    """The contract's checks of a variant's text, in the child that traced the base."""
    base, plans, origin = made.variant.base, [*made.plans], made.origin
    if proving.quick and origin.parts and len(plans) == 1:
        base, plans[0] = shared(origin.parts, origin.build, source.entry, plans[0])
    texts = {
        "base": base,
        "variant": text,
        "encoding": made.variant.encoding,
        "stem": (source.entry or source.file.path.stem).replace("-", "_"),
    }
    first, *others = [child.ask("prove", asked) for asked in proving.requests(texts, plans, child.limits.seconds)]
    proving.demand_complete(first)
    for plan, other in zip(made.plans[1:], others, strict=True):
        first["checks"] = [_joined(c, o, plan["build"]) for c, o in zip(first["checks"], other["checks"], strict=True)]
    return dict(first)


def _joined(check: dict[str, str], other: dict[str, str], build: str) -> dict[str, str]:
    """A check of the host, joined by the same check of another class: failed where one of them is."""
    if other["status"] == "failed":
        return {**check, "status": "failed", "detail": f"{build}: {other['detail']}"}
    seen = check["name"] == "paths" and other["status"] == "passed"
    return {**check, "detail": f"{check['detail']}; {build}: {other['detail']}"} if seen else check


def output(request: Request, source: Source) -> Path:
    """Where the variant goes: -o, the source itself (--in-place), else generated/<source stem>_<module>.py."""
    if request.in_place:
        if source.library or source.distribution:
            raise CodegenError("in-place-library", f"{source.spec} is an installed library", "leave --in-place out")
        if source.file.path.is_symlink():
            what = f"{source.file.path} is a link, whose target is never changed"
            raise CodegenError("in-place-link", what, f"give the file itself: {source.file.path.resolve()}")
        return source.file.path
    if request.output:
        writing.demand_other(Path(request.output), source.file.path)
        return Path(request.output)
    stem = source.entry or source.file.path.stem
    name = expressions.called(request.module, request.as_class)
    name = request.suffix.strip("_") or name if request.module == components.IDENTITY else name  # of a residual connection
    return Path("generated", f"{stem}_{name}.py")


def _report(request: Request, made: Draft, proof: dict[str, Any], watch: Stopwatch) -> Report:
    return Report(
        output="",
        request=request,
        site=made.site,
        variant=made.variant,
        input=made.input,
        call_sites=made.call_sites,
        checks=tuple(Check(**c) for c in proof["checks"]),
        new_parameters=proof["new_parameters"],
        parameters=proof["parameters"],
        drift=proof["drift"],
        notes=made.notes,
        seconds=tuple(watch.seconds.items()),
        costs=proof.get("costs", {}),
    )
