"""The base: a source made standalone, without any edit, and proved to be the very model. What is made of it: `growing`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from codegen import collecting, emit, inputs, locating, pipeline, renaming, selfcheck, sources, standalone, verdicts, writing
from codegen.child import Child, Start
from codegen.errors import CodegenError
from codegen.standalone import Parts
from codegen.syntax import Code
from codegen.traced import HostClass, Layout, Trace
from codegen.types import Check, Report, Request, Source, Variant


def run(request: Request, start: Start = Child) -> Report:
    """Make a source standalone, prove it, and only then put the file in place. Raises what `pipeline.run` raises."""
    watch = pipeline.Stopwatch()
    with start(request.limits) as child:
        with watch.stage("read"):
            source = sources.resolve(request.source)
            target = output(request, source)
            if not request.dry_run:
                emit.check_target(target, request.force)
        with watch.stage("trace"):
            trace = pipeline.traced(child, source, request)
        with watch.stage("rewrite"):
            made = drafted(request, source, trace)
        with watch.stage("verify"):
            report = _proved(child, request, source, trace, made)
    verdicts.demand(report)
    selfcheck.demand_parses(Code(made.text, target.name))
    if not request.dry_run:
        emit.write(target, made.text.encode(made.encoding), replaces=request.force)
    return replace(report, output=str(target), seconds=tuple(watch.seconds.items()))


def verify(request: Request, file: Path, text: str, encoding: str) -> Report:
    """The same comparison again, of a file that exists."""
    with Child(request.limits) as child:
        source = sources.resolve(request.source)
        trace = pipeline.traced(child, source, request)
        made = replace(drafted(request, source, trace), text=text, encoding=encoding)
        return replace(_proved(child, request, source, trace, made), output=str(file))


def output(request: Request, source: Source) -> Path:
    """Where it goes: -o, else generated/<source stem>_base.py."""
    stem = source.entry or source.file.path.stem
    if request.output:
        writing.demand_other(Path(request.output), source.file.path)
    return Path(request.output) if request.output else Path("generated", f"{stem}{request.suffix}.py")


def drafted(request: Request, source: Source, trace: Trace) -> Variant:
    """The text, which nobody has proved yet; as `base` stands the source's own file beside it."""
    if not trace.hosts:
        what = f"{trace.build} gives a model whose class is neither in {source.file.path.name} nor in a file that it imports"
        raise CodegenError("host-not-found", what, "name the class's own file")
    host = trace.hosts[0]
    found = parts(request, source, host, trace.build)
    build = renaming.renamed_expression(trace.build, standalone.renames(found))
    lines = emit.header(request, source, host.name, build, inputs.recorded([request], source))
    text = emit.headed(standalone.assemble(found), lines)
    return Variant(source.file.text, text, source.file.encoding, build, trace.build, "", host.name, host.name)


def parts(request: Request, source: Source, host: HostClass, build: str) -> Parts:
    """What of the files is kept where nothing is inserted."""
    return collecting.files(request, source, locating.without_trace(host, Request(""), "0", Layout("")), build)


def _proved(child: Child, request: Request, source: Source, trace: Trace, made: Variant) -> Report:
    asked = {"file": pipeline.located(source), "text": made.text, "encoding": made.encoding, "build": made.build}
    asked |= {"source_build": trace.build, "host": made.host, "input": trace.input, "small": trace.small}
    asked |= {"stem": (source.entry or source.file.path.stem).replace("-", "_"), "device": trace.device}
    entry = source.entry if source.library else ""
    names = standalone.renames(parts(request, source, trace.hosts[0], trace.build))
    answer = child.ask("same", {**asked, "library": source.library, "entry": entry, "own_entry": names.get(entry, entry)})
    checks = tuple(Check(**check) for check in answer["checks"])
    return Report("", request, variant=made, input=trace.input, checks=checks, parameters=answer["parameters"])
