"""From a site's name and the trace to the Site: the class that runs it and what was measured there. Reads no code."""

from __future__ import annotations

import difflib
import re
from dataclasses import replace

from codegen.errors import CodegenError
from codegen.types import Call, HostClass, Layout, Request, Site, Trace, TracedModule, Width


def find(trace: Trace, request: Request) -> Site:
    """The site that the request names, in the one class whose instances all get the module.

    Raises CodegenError("unknown-site", "site-never-called", "container-element", "some-instances", "unknown-width").
    """
    name = request.site
    matched = _matched(trace, request)
    host = _host(trace, request, matched)
    ran = {c.module for c in trace.calls}
    called = [m for m in matched if m.calls or m.name in ran or _element_ran(m, ran)]
    if not called:
        raise CodegenError(
            "site-never-called",
            f"{name} ({matched[0].class_name}) is in the model but no public path calls it",
            "choose a site with call sites: codegen sites SOURCE lists them",
        )
    module = called[0]
    after = request.operation == "after"
    layout = _common([m.after if after else m.before for m in called], name)
    if any(request.operation in m.mixed for m in called):
        raise CodegenError(
            "mixed-widths",
            f"{name} is called several times, with tensors of different widths or layouts",
            "one module cannot fit them all: choose the modules around it",
        )
    if not (module.output_shape if after else module.input_shape):
        side = "returns" if after else "receives"
        raise CodegenError("no-tensor", f"{name} {side} no tensor", "choose a site that does: codegen sites SOURCE")
    whole = next(h for h in trace.hosts if (h.name, h.file, h.inherited) == (host.name, host.file, host.inherited))
    everywhere = len(host.instances) == len(whole.instances)
    return Site(name, module.name.rpartition(".")[2], host, module, layout, _width(request, called, layout), everywhere)


def _common(layouts: list[Layout], name: str) -> Layout:
    """The layout that holds in all places: where some are rows and columns and others are windows, just where the channels are.

    Raises CodegenError("mixed-layouts").
    """
    kinds = {layout.kind for layout in layouts} - {""}
    known = next((layout for layout in layouts if layout.kind), layouts[0])
    if len(kinds) <= 1:
        return known
    for wider, group in (("NXXC", {"NHWC", "NXXC"}), ("NCXX", {"NCHW", "NCXX"})):
        if kinds <= group:
            return Layout(wider)
    raise CodegenError(
        "mixed-layouts", f"{name} is {' here and '.join(sorted(kinds))} there", "choose one of the places, with --class"
    )


def holds(trace: Trace, request: Request) -> bool:
    """Whether the model of this trace has and runs the site."""
    try:
        find(trace, request)
    except CodegenError as error:
        if error.name in ("unknown-site", "site-never-called"):
            return False
        raise
    return True


def misfits(trace: Trace, site: Site, operation: str) -> list[Call]:
    """The calls whose tensor has another width than in `forward`: they stay as they are."""
    names = {f"{owner}.{site.attribute}".lstrip(".") for owner in site.host.instances}
    return [c for c in trace.calls if operation in c.misfits and c.module in names]


def without_trace(host: HostClass, request: Request, width: str, layout: Layout) -> Site:
    """The site where nothing was measured: width and layout are what the code suggests or the command says."""
    attribute = request.site.rpartition(".")[2]
    return Site(request.site, attribute, host, TracedModule(request.site, "", 0), layout, _given(width, 0))


def _given(expr: str, value: int) -> Width:
    """A width expression that was not found by measurement."""
    if expr.isdigit():
        return Width(expr, int(expr), "literal", 0)
    return Width(expr, value, "attribute" if "." in expr else "name", 0)


def _width(request: Request, modules: list[TracedModule], layout: Layout) -> Width:
    module = modules[0]
    known = (m.width_after if request.operation == "after" else m.width_before for m in modules)
    found = next((width for width in known if width), None)
    if request.width:
        return _given(request.width, found.value if found else 0)
    if found is None:
        shape = module.output_shape if request.operation == "after" else module.input_shape
        raise CodegenError(
            "unknown-width",
            f"the channel dim of {module.name} {shape} could not be told (layout {layout.kind or 'unknown'})",
            "give --width EXPR, an expression at the end of the host's __init__",
        )
    return found


def _matched(trace: Trace, request: Request) -> list[TracedModule]:
    """The modules that a site name means: `blocks.*.attn`; relative to the host's instances with --class."""
    name = request.site
    prefixes = [""]
    if request.host:
        chosen = [h for h in trace.hosts if h.name == request.host]
        if not chosen:
            names = [h.name for h in trace.hosts]
            raise CodegenError(
                "host-not-found",
                f"the model has no module of class {request.host}",
                f"its classes are {', '.join(names)}",
            )
        prefixes = [f"{path}." if path else "" for path in chosen[0].instances]
    pattern = re.compile("|".join(re.escape(p + name).replace(r"\*", r"[^.]+") for p in prefixes))
    matched = [m for m in trace.modules if m.name and pattern.fullmatch(m.name)]
    if not matched:
        names = [m.name for m in trace.modules if m.name]
        near = difflib.get_close_matches(name, names, 4, 0.4) or [n for n in names if "." not in n][:8]
        owner = request.host or (trace.hosts[0].name if trace.hosts else "the model")
        raise CodegenError("unknown-site", f"{owner} has no {name}", f"near it: {', '.join(near)}")
    return matched


def _element_ran(module: TracedModule, ran: set[str]) -> bool:
    return any(name.startswith(module.name + ".") and "." not in name[len(module.name) + 1 :] for name in ran)


def _host(trace: Trace, request: Request, matched: list[TracedModule]) -> HostClass:
    owners = {m.name.rpartition(".")[0] for m in matched}
    runners = {m.runner for m in matched}
    hosts = [h for h in trace.hosts if owners & set(h.instances) and h.inherited == (runners != {""})]
    if runners != {""}:
        hosts = [h for h in hosts if h.name in runners]
    loose = owners - {path for h in hosts for path in h.instances}
    if loose and len(runners) == 1:
        owner = sorted(loose)[0]
        if not owner:
            what = f"the class of the model, which holds {request.site}, is torch's own"
            raise CodegenError("host-not-found", what, "give a class of a file of yours, or of a package, that uses it")
        raise CodegenError(
            "container-element",
            f"{request.site} is an element of the container {owner}, whose class is torch's: not built yet",
            f"insert after the container itself ({owner}), or at a child of a block class ({owner}.*.NAME)",
        )
    if len(hosts) > 1 or len(runners) > 1:
        names = [h.name for h in trace.hosts if owners & set(h.instances)]
        raise CodegenError(
            "ambiguous-host",
            f"{request.site} stands in several classes: {', '.join(names)}",
            "choose one with --class NAME and the site's name in it",
        )
    missing = sorted(set(hosts[0].instances) - owners)
    if hosts[0].inherited:  # objects of other classes that derive from it would get the module too
        attribute = matched[0].name.rpartition(".")[2]
        children = {m.name for m in trace.modules}
        missing = [path for path in missing if f"{path}.{attribute}".lstrip(".") in children]
    if missing and (hosts[0].inherited or not request.host):
        where = f"{missing[0]}.{matched[0].name.rpartition('.')[2]}"
        raise CodegenError(
            "some-instances",
            f"{request.site} names {len(owners)} of {len(hosts[0].instances)} {hosts[0].name}s: not built yet",
            f"choose all of them ({where} too): --class {hosts[0].name} --{request.operation} "
            f"{matched[0].name.rpartition('.')[2]}",
        )
    return replace(hosts[0], instances=tuple(p for p in hosts[0].instances if p in owners))
