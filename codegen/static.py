"""Work that executes nothing of the user's: `--static` insertions, and the base of a variant for `codegen diff`."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from codegen import emit, pipeline, reading, sites, sources, standalone, syntax
from codegen.draft import prepare, write
from codegen.errors import CodegenError
from codegen.syntax import Code
from codegen.types import Check, HostClass, Report, Request, Source

HEADER = re.compile(r"host (?P<host>[\w.<>]+), built by (?P<build>.+)\.$")


def run(request: Request) -> Report:
    """Insert by reading alone: nothing is run, so nothing is proved, and the report says so."""
    watch = pipeline.Stopwatch()
    with watch.stage("rewrite"):
        source = sources.resolve(request.source)
        target = pipeline.output(request, source)
        host = host_class(source, request.host or source.entry, Code(source.file.text, source.file.path.name))
        site = sites.without_trace(host, request)
        ground = prepare(request, source, site, request.build or f"{host.name}()")
        uses = reading.uses(ground.parts.host, ground.cls, site, (), request.operation)
        if not uses:
            raise CodegenError(
                "unknown-site",
                f"no method of {host.name} calls self.{site.attribute}",
                "leave --static out to trace it",
            )
        made = write(request, source, ground, uses, None)
    data = made.variant.text.encode(made.variant.encoding)
    if not request.dry_run:
        if not request.in_place:
            emit.check_target(target, data, request.force)
        emit.write(target, data)
    checks = (Check("contract", "skipped", "--static: nothing was run; codegen verify FILE proves it"),)
    return Report(
        str(target),
        request,
        site,
        made.variant,
        "",
        made.call_sites,
        checks,
        notes=made.notes,
        seconds=tuple(watch.seconds.items()),
    )


def base(request: Request, text: str) -> str:
    """The base of a variant, from what its header records; the source is read, not run."""
    source = sources.resolve(request.source)
    found = next((m for line in text.splitlines()[:12] if (m := HEADER.search(line))), None)
    if found is None:
        raise CodegenError("no-recipe", "the header does not name the host", "make the variant again with this version")
    main = Code(source.file.text, source.file.path.name)
    host = host_class(source, found["host"], main)
    site = sites.without_trace(host, Request("", site=request.site, width=request.width or "0"))
    ground = prepare(request, source, site, "None")
    new_names = standalone.renames(ground.parts)
    old_names = {new: old for old, new in new_names.items()}
    build = standalone.renamed_expression(found["build"], old_names)
    return standalone.assemble(prepare(request, source, site, build).parts)


def host_class(source: Source, name: str, code: Code) -> HostClass:
    """The host by its name, in the source's file or in the one it is imported from; without a name the last gathering one."""
    if not name:
        name = _gathering(code)
    cls = syntax.find_class(code, name)
    if cls is not None:
        return HostClass(name, str(source.file.path), cls.lineno, ("",), _factory(cls))
    for node in code.tree.body:
        if isinstance(node, ast.ImportFrom) and name.split(".")[0] in syntax.bound_names(node):
            from codegen import closure

            path = sources.module_path(closure.absolute(source.file, node))
            if path is not None:
                return host_class(Source(source.spec, sources.file(path)), name, Code(syntax.read(path)[0], path.name))
    raise CodegenError(
        "host-not-found", f"{Path(source.file.path).name} has no class {name}", "name the host: --class NAME"
    )


def _gathering(code: Code) -> str:
    """The last class with a forward that no other class of the file uses."""
    found = {name: node for name, node in syntax.classes(code.tree) if syntax.method(node, "forward")}
    used = {n for name, node in found.items() for n in syntax.used_names(node) - {name}}
    names = [n for n in found if n not in used] or list(found)
    if not names:
        raise CodegenError("host-not-found", f"{code.name} has no class with a forward", "name the host: --class NAME")
    return names[-1]


def _factory(cls: ast.ClassDef) -> str:
    init = syntax.method(cls, "__init__")
    names = {a.arg for a in [*init.args.args, *init.args.kwonlyargs]} if init else set()
    return "device=device, dtype=dtype" if {"device", "dtype"} <= names else ""
