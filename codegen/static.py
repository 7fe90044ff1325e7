"""Work that executes nothing of the user's: `--static` insertions, and the base of a variant for `codegen diff`."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from codegen import (
    branch,
    edits,
    emit,
    emitted,
    imports,
    locating,
    pipeline,
    reading,
    renaming,
    selfcheck,
    sources,
    standalone,
    syntax,
)
from codegen.collecting import files, prepare
from codegen.draft import Draft, Ground, placed, write
from codegen.errors import CodegenError
from codegen.syntax import Code
from codegen.traced import Call, HostClass, Layout, Trace, TracedModule, Width
from codegen.types import Check, Report, Request, Source

HEADER = re.compile(r"host (?P<host>[\w.<>]+), built by (?P<build>.+)\.$")


def run(request: Request) -> Report:
    """Insert by reading alone: nothing is run, so nothing is proved, and the report says so."""
    watch = pipeline.Stopwatch()
    with watch.stage("rewrite"):
        source = sources.resolve(request.source)
        edits.refuse_twice([request], source.file.text)
        target = pipeline.output(request, source)
        made = drafted(request, source)
        site = made.site
        selfcheck.demand_parses(Code(made.variant.text, target.name))
        selfcheck.demand_same(made.variant.text, drafted(request, source).variant.text)
    data = made.variant.text.encode(made.variant.encoding)
    if not request.dry_run:
        emit.check_target(target, request.force or request.in_place)
        emitted.demand_unchanged(target, source)
        emit.write(target, data, replaces=request.force or request.in_place)
    checks = (Check("contract", "skipped", "--static: nothing was run; codegen verify FILE proves it"),)
    made = replace(made, notes=(*made.notes, f"read, not measured: width {site.width.expr}, layout {site.layout.kind}"))
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


def drafted(request: Request, source: Source) -> Draft:
    """The variant as reading alone makes it. Raises CodegenError("unknown-site", "unknown-width", "host-not-found")."""
    main = syntax.shared(source.file.text, source.file.path)
    host = host_class(source, request.host or source.entry, main)
    site = locating.without_trace(host, request, *_assumed(source, host, request))
    parts, cls = prepare(request, source, site, request.build or f"{host.name}()")
    uses = reading.uses(parts.host, cls, site, (), request.sides)
    if not uses:
        what = f"no method of {host.name} calls self.{site.attribute}"
        raise CodegenError("unknown-site", what, "leave --static out to trace it")

    def written(inline: bool) -> Draft:
        component = branch.component(request, site, inline=inline)
        return write(request, source, Ground(parts, cls, site, tuple(uses), component), None)

    return placed(request, written)


def look(request: Request) -> Trace:
    """The children of the host that reading finds: what its `__init__` assigns and another of its methods calls.

    Shapes and layouts are unknown. Raises CodegenError("unknown-source", "syntax-error", "host-not-found").
    """
    source = sources.resolve(request.source)
    main = syntax.shared(source.file.text, source.file.path)
    entry = source.entry if syntax.find_class(main, source.entry) else ""  # a function that builds it names no class
    host = host_class(source, request.host or entry, main)
    code = syntax.shared(syntax.read(Path(host.file))[0], Path(host.file))
    cls = syntax.find_class(code, host.name, host.line)
    init = syntax.method(cls, "__init__") if cls else None
    made = {}
    for node in ast.walk(init) if init else ():
        target = node.targets[0] if isinstance(node, ast.Assign) else None
        if isinstance(target, ast.Attribute) and isinstance(target.value, ast.Name) and isinstance(node.value, ast.Call):  # type: ignore[attr-defined]
            made[target.attr] = node.value  # type: ignore[attr-defined]
    calls = [call for call in _calls(cls, host) if call.module in made] if cls else []
    modules = [TracedModule("", host.name, 0)]
    for name, node in made.items():
        if count := sum(call.module == name for call in calls):
            given = _given(node, outgoing=True)
            width = Width(given, 0, "name") if given else None
            modules.append(TracedModule(name, ast.unparse(node.func).rpartition(".")[2], count, width_after=width))
    build = request.build or f"{host.name}()"
    return Trace(build, "no input: read, not run", (host,), tuple(modules), tuple(calls), ())


def _calls(cls: ast.ClassDef, host: HostClass) -> Iterator[Call]:
    """Every call of a child in the methods of the host."""
    for method in (node for node in cls.body if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))):
        me = next((argument.arg for argument in [*method.args.posonlyargs, *method.args.args]), "")
        for node in ast.walk(method) if method.name != "__init__" else ():
            called = node.func if isinstance(node, ast.Call) else None
            if isinstance(called, ast.Attribute) and isinstance(called.value, ast.Name) and called.value.id == me:
                where = f"{host.name}.{method.name}"
                yield Call(called.attr, "", host.file, where, syntax.span(node), True, "", 0)


def base(request: Request, text: str) -> str:
    """The base of a variant, from what its header records; the source is read, not run."""
    source = sources.resolve(request.source)
    found = next((m for line in text.splitlines()[:12] if (m := HEADER.search(line))), None)
    if found is None:
        raise CodegenError("no-recipe", "the header does not name the host", "make the variant again with this version")
    main = syntax.shared(source.file.text, source.file.path)
    made_by = any(isinstance(node, ast.FunctionDef) and node.name == found["host"] for node in main.tree.body)
    try:
        host = HostClass(found["host"], str(source.file.path), 0, ("",)) if made_by else host_class(source, found["host"], main)
    except CodegenError as error:
        what = f"{found['host']} is made by code that {source.file.path.name} imports, which only a run of the model finds"
        raise replace(error, message=what, hint="codegen insert ... --diff shows the change as it is made") from None
    site = locating.without_trace(host, Request("", site=request.site), request.width or "0", Layout(""))
    parts = files(request, source, site, "None")
    new_names = standalone.renames(parts)
    old_names = {new: old for old, new in new_names.items()}
    build = renaming.renamed_expression(found["build"], old_names)
    plain = standalone.assemble(files(request, source, site, build))
    return emit.with_header(plain, emit.header_of(text))  # the header is no edit: it stands on both sides of a diff


def host_class(source: Source, name: str, code: Code) -> HostClass:
    """The host by its name, in the source's file or in the one it is imported from; without a name the last gathering one."""
    if not name:
        name = _gathering(code)
    cls = syntax.find_class(code, name)
    if cls is not None:
        return HostClass(name, str(source.file.path), cls.lineno, ("",), factory=_factory(cls))
    for node in code.tree.body:
        if isinstance(node, ast.ImportFrom) and name.split(".")[0] in syntax.bound_names(node):
            path = sources.module_path(imports.absolute(source.file, node))
            if path is not None:
                file = sources.file(path)
                return host_class(Source(source.spec, file), name, syntax.shared(file.text, file.path))
    raise CodegenError(
        "host-not-found", f"{Path(source.file.path).name} has no class {name}", "name the host: --class NAME"
    )


def _assumed(source: Source, host: HostClass, request: Request) -> tuple[str, Layout]:
    """(width expression, layout) as the code suggests them: what `self.SITE = Layer(...)` is given, and whether the host
    counts tokens. Raises CodegenError("unknown-width", "unknown-site").
    """
    if not request.site.isidentifier():
        what = f"{request.site} is no child of {host.name} itself: only a run of the model tells which objects are meant"
        raise CodegenError("unknown-site", what, "leave --static out, or name a child: --class NAME --after CHILD")
    code = syntax.shared(syntax.read(Path(host.file))[0], Path(host.file))
    cls = syntax.find_class(code, host.name, host.line)
    init = syntax.method(cls, "__init__") if cls else None
    parameters = {a.arg for a in [*init.args.args, *init.args.kwonlyargs]} if init else set()
    layout = Layout("NLC") if parameters & {"num_heads", "heads", "class_token", "patch_size"} else Layout("NCHW")
    if request.width:
        return request.width, layout
    attribute = request.site.rpartition(".")[2]
    for node in ast.walk(init) if init else ():
        target = node.targets[0] if isinstance(node, ast.Assign) else None
        if isinstance(target, ast.Attribute) and target.attr == attribute and isinstance(node.value, ast.Call):  # type: ignore[attr-defined]
            found = _given(node.value, request.operation == "after")  # type: ignore[attr-defined]
            if found:
                return found, layout
    raise CodegenError(
        "unknown-width",
        f"the code does not show how wide {request.site} is",
        "give --width EXPR, or leave --static out to measure it",
    )


def _given(call: ast.Call, outgoing: bool) -> str:
    """What a layer's constructor says of its width: `embed_dim=dim`, Conv2d(3, dim), GroupNorm(8, dim), LayerNorm(dim)."""
    name = ast.unparse(call.func).rpartition(".")[2].lower()
    words = (
        ("out_channels", "out_chs", "out_features")
        if outgoing
        else ("in_channels", "in_chs", "in_features", "in_chans")
    )
    words = (*words, "embed_dim", "num_features", "num_channels") if outgoing else words
    words = words if name in ("softmax", "logsoftmax", "softmin", "flatten", "unflatten") else (*words, "dim")
    for keyword in call.keywords:
        if keyword.arg in words:
            return ast.unparse(keyword.value)
    place = 1 if name == "groupnorm" or name.startswith(("conv", "linear")) and outgoing else 0
    known = ("conv", "linear", "batchnorm", "instancenorm", "layernorm", "rmsnorm", "groupnorm", "norm_layer")
    return ast.unparse(call.args[place]) if name.startswith(known) and len(call.args) > place else ""


def _gathering(code: Code) -> str:
    """The class with a forward that no other uses and that uses others, the last of several; else the last that stands
    alone. The same choice as the one that is made where the file is run.
    """
    found = {name: node for name, node in code.classes if syntax.method(node, "forward")}
    if not found:
        where = Path(code.name).name
        raise CodegenError("host-not-found", f"{where} has no class with a forward", "name the host: --class NAME")
    uses: dict[str, set[str]] = {}
    for name, node in found.items():
        text = code.segment(node)
        near = ({*re.findall(r"\w+", text)} & found.keys()) - {name}
        uses[name] = near & syntax.used_names(node) if near else near
    used = set().union(*uses.values())
    return min(reversed(found), key=lambda name: (name in used, not uses[name]))


def _factory(cls: ast.ClassDef) -> str:
    init = syntax.method(cls, "__init__")
    names = {a.arg for a in [*init.args.args, *init.args.kwonlyargs]} if init else set()
    return "device=device, dtype=dtype" if {"device", "dtype"} <= names else ""
