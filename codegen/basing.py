"""The base: a source made standalone, without any edit, and proved to be the very model. Edits that are made to it are its own.

`codegen insert FILE --in-place` on such a file makes it anew from the source, with one edit more in its recipe.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from codegen import (
    commandlines,
    components,
    draft,
    edits,
    emit,
    expressions,
    locating,
    pipeline,
    renaming,
    sources,
    standalone,
    syntax,
)
from codegen.child import Child
from codegen.errors import CodegenError
from codegen.standalone import Parts
from codegen.types import Check, HostClass, Layout, Report, Request, Source, Trace, Variant


def run(request: Request) -> Report:
    """Make a source standalone, prove it, and only then put the file in place. Raises what `pipeline.run` raises."""
    watch = pipeline.Stopwatch()
    with Child(request.limits) as child:
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
    pipeline.demand(report)
    if not request.dry_run:
        emit.write(target, made.text.encode(made.encoding))
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
    return Path(request.output) if request.output else Path("generated", f"{stem}{request.suffix}.py")


def drafted(request: Request, source: Source, trace: Trace) -> Variant:
    """The text, which nobody has proved yet; as `base` stands the source's own file beside it."""
    if not trace.hosts:
        what = f"{trace.build} gives a model whose class is neither in {source.file.path.name} nor in a file that it imports"
        raise CodegenError("host-not-found", what, "name the class's own file")
    host = trace.hosts[0]
    found = parts(request, source, host, trace.build)
    build = renaming.renamed_expression(trace.build, standalone.renames(found))
    text = emit.headed(standalone.assemble(found), emit.header(request, source, host.name, build))
    return Variant(source.file.text, text, source.file.encoding, build, trace.build, "", host.name, host.name)


def parts(request: Request, source: Source, host: HostClass, build: str) -> Parts:
    """What of the files is kept where nothing is inserted."""
    return draft.files(request, source, locating.without_trace(host, Request(""), "0", Layout("")), build)


def _proved(child: Child, request: Request, source: Source, trace: Trace, made: Variant) -> Report:
    asked = {"file": pipeline.located(source), "text": made.text, "encoding": made.encoding, "build": made.build}
    asked |= {"source_build": trace.build, "host": made.host, "input": trace.input, "small": trace.small}
    asked |= {"stem": (source.entry or source.file.path.stem).replace("-", "_"), "device": trace.device}
    entry = source.entry if source.library else ""
    names = standalone.renames(parts(request, source, trace.hosts[0], trace.build))
    answer = child.ask("same", {**asked, "library": source.library, "entry": entry, "own_entry": names.get(entry, entry)})
    checks = tuple(Check(**check) for check in answer["checks"])
    return Report("", request, variant=made, input=trace.input, checks=checks, parameters=answer["parameters"])


def grown(requests: Sequence[Request]) -> tuple[Request, ...]:
    """The recipe of a base with further edits, () where the source that is changed in place is no such file.

    Raises CodegenError("usage") where an option says otherwise than the recipe, ("edited-by-hand", "source-changed") where
    the file is not what its recipe makes: nothing of a person's may be lost.
    """
    first, path = requests[0], Path(requests[0].source)
    if not first.in_place or not path.is_file():
        return ()
    text, _ = syntax.read(path)
    if next(emit.recorded_commands(text), [""])[0] != "base":
        return ()
    header, recipe = emit.headers(text)[0], commandlines.recorded(text, "")[0]
    if first.build or first.static:
        what = f"{path.name} is a base, and its header says how it is built"
        raise CodegenError("usage", what, f"leave {'--build' if first.build else '--static'} out, or make the base so")
    if header.body != emit.body_digest(emit.without_header(text)):
        what = f"{path.name} was edited by hand since codegen made it, and would be made anew with the edit"
        raise CodegenError("edited-by-hand", what, f"-o FILE writes elsewhere; codegen eject {path.name} gives up its recipe")
    if emit.digest(sources.resolve(recipe.source).file) != header.digest:
        what = f"{recipe.source} is another one than that which {path.name} was made from"
        raise CodegenError("source-changed", what, f"codegen build {path} makes it anew first")
    every = (*recipe.edits, *(first.edits or (_said(first),)))
    options: dict[str, Any] = {"keep": recipe.keep, "suffix": recipe.suffix, "build": recipe.build}
    options["input"] = first.input or recipe.input
    options |= {"output": str(path), "force": True, "dry_run": first.dry_run, "checks": first.checks}
    made = commandlines.based(recipe.source, edits=every, **options)
    return tuple(replace(request, limits=first.limits) for request in made)


def _said(request: Request) -> str:
    """The edit for the recipe. Raises CodegenError("usage") where the words of an edit do not say all of it."""
    if (request.layers or components.removes(request) or request.operation == "checkpoint") and (request.host or request.width):
        what = f"{'--class' if request.host else '--width'} with {edits.said(request)!r} has no place in a base's recipe"
        raise CodegenError("usage", what, "name the site from the model's root, or write elsewhere: -o FILE")
    return edits.said(replace(request, module=expressions.mapped(request.module, emit.portable)))
