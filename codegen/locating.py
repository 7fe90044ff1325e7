"""From a site's name and the trace to the Site: the class that runs it and what was measured there. Reads no code."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from dataclasses import replace

from codegen import composing, elements, fitting, selection
from codegen.elements import Edited
from codegen.errors import CodegenError
from codegen.traced import Call, HostClass, Layout, Trace, TracedModule, Width
from codegen.types import Request, Site

WHERE = {"after": "that returns", "before": "that receives", "beside": "to run beside", "replace": "to replace"}
WHERE |= {"checkpoint": "to run again"}


def find(trace: Trace, request: Request, edited: Edited = Edited.USUAL) -> Site:
    """The site that the request names, in the one class whose code is edited: some or all of its objects get the module.

    Raises CodegenError("unknown-site", "site-never-called", "container-element", "unknown-width").
    """
    name = request.site
    meant = named(trace, request)
    demand_operation(request)
    whole, way, layer = elements.manner(trace, request, meant, edited)
    ran = {c.module for c in trace.calls}
    called = [m for m in meant if m.calls or m.name in ran or _element_ran(m, ran)]
    if not called:
        what = f"{name} ({meant[0].class_name}) is in the model but no public path calls it"
        raise CodegenError("site-never-called", what, "choose a site with call sites: codegen sites SOURCE lists them")
    attribute = "" if whole else layer or way or called[0].name.rpartition(".")[2]
    if not whole and not way:
        _demand_one(request, called)
    host = host_of(trace, request, meant, attribute) if layer is None else elements.maker(trace, meant, attribute)
    changing = (m for m in called if request.operation == "beside" and m.input_shape != m.output_shape)
    module = next(changing, called[0])  # beside it: what one of them does to its shape decides
    after = request.sides[0] == "after"
    _demand_element(request, module)
    layout = _common([m.after if after else m.before for m in called], name)
    if any(side in m.mixed for m in called for side in request.sides):
        raise CodegenError(
            "mixed-widths",
            f"{name} is called several times, with tensors of different widths or layouts",
            "one module cannot fit them all: choose the modules around it",
        )
    fitting.demand_tensor(request, module)
    fitting.demand_shape(request, module)
    objects = next(h for h in trace.hosts if (h.name, h.file, h.inherited) == (host.name, host.file, host.inherited)).instances
    holding = [path for path in objects if selection.joined(path, attribute) in {m.name for m in trace.modules}]
    site = Site(name, attribute, host, module, layout, Width("", 0, ""), whole=whole, layered=layer is not None)
    site = replace(_listing(site, trace), hooked=request.hook)
    if way:
        elements.demand(trace, site)
        site = replace(site, parted=elements.is_parted(trace, site, edited))
    some = len(host.instances) < len(holding) and (host.inherited or not request.host)
    some = some or _goes_on(trace, host)
    if whole or some or site.layered or _lacks_grid(trace, request, layout):
        return _chosen_site(trace, request, site)
    leaving = next((m.width_after for m in called if m.width_after), None)
    width = _width(request, called, layout)
    return replace(site, width=width, leaving=leaving, everywhere=len(host.instances) == len(objects))


def _listing(site: Site, trace: Trace) -> Site:
    ordered = not site.layered and elements.ordered(trace, site)
    names, is_list = tuple(m.name for m in trace.modules), elements.is_list(trace, site.module)
    return replace(site, names=names, dicts=elements.dicts(trace), ordered=ordered, is_list=is_list)


def _goes_on(trace: Trace, host: HostClass) -> bool:
    """Whether the model's own class goes on behind the `__init__` that it inherits, and initialises all weights then."""
    return host.inherited and "" in host.instances and host.name in trace.restless


def _lacks_grid(trace: Trace, request: Request, layout: Layout) -> bool:
    """Whether the module needs the grid of tokens, which the model may know and the class that runs the site does not."""
    if request.host or not layout.grid or layout.grid_expr or not composing.needs_grid(request, layout):
        return False
    chosen = trace.chosen
    known = chosen.grid_after if chosen and request.sides[0] == "after" else chosen.grid_before if chosen else ""
    return not (chosen and chosen.names) or bool(known)


def _demand_one(request: Request, called: Sequence[TracedModule]) -> None:
    """Raises CodegenError("several-sites") where the name means several children of one class: `layer*`, `blocks.*.norm?`."""
    lasts = dict.fromkeys(m.name.rpartition(".")[2] for m in called)
    if len(lasts) > 1:
        prefix = request.site.rpartition(".")[0]
        each = ", ".join(selection.shown(selection.joined(prefix, last)) for last in lasts)
        what = f"{request.site} means {each}, and each takes a module of its own"
        raise CodegenError("several-sites", what, "name one of them, or make an edit of each")


def _demand_element(request: Request, module: TracedModule) -> None:
    """Raises CodegenError("unknown-element") where the site returns no tensor in the place that is asked for."""
    if request.element and module.output_index != request.element:
        found = f"a {module.output_kind}" + (f", whose first tensor is {module.output_index}" if module.output_index else "")
        what = f"{request.site} returns {found}: there is no tensor {request.element} in it"
        raise CodegenError("unknown-element", what, "codegen sites SOURCE shows what each site returns")


def demand_operation(request: Request) -> None:
    """Raises CodegenError("between-modules") where an operation means nothing at a place between modules."""
    attribute = selection.internal(request.site).rpartition(".")[2]
    wanted = "before" if attribute.startswith(f"{selection.SIGN}pool") else "after"
    kind = "one call of several" if selection.is_call(attribute) else "a place between modules"
    if selection.is_point(attribute) and request.operation != wanted:
        raise CodegenError(
            "between-modules",
            f"{request.site} is {kind}: there is no module {WHERE[request.operation]}",
            f"insert a module there: --{wanted} '{request.site}'",
        )


def _chosen_site(trace: Trace, request: Request, site: Site) -> Site:
    """A site in some objects of its class: the model gives them their modules, and says width and grid in its own names."""
    chosen, after = trace.chosen, request.sides[0] == "after"
    if chosen is None or not chosen.names:
        raise CodegenError("not-measured", f"{site.name} was not looked at for itself", "trace the model for this site")
    owned = not (site.whole or site.layered or "." in site.attribute)  # the code reaches what holds the module
    width, leaving = ((w if owned else reached(w)) for w in (chosen.width_before, chosen.width_after))
    width = leaving if after else width
    if width is None and not request.width:
        raise _unknown_width(site.module, site.layout, after)
    layout = replace(site.layout, grid_expr=chosen.grid_after if after else chosen.grid_before)
    host = replace(site.host, factory=trace.hosts[0].factory)
    given = _given(request.width, width.value if width else 0) if request.width else width
    assert given is not None
    owners = {selection.parted(n, site.attribute) for n in chosen.names}
    pattern = selection.parted(chosen.pattern, site.attribute)
    everywhere = site.whole or not pattern or owners == {*selection.select(site.names, pattern)}
    site = replace(site, everywhere=everywhere)
    return replace(site, host=host, layout=layout, width=given, leaving=leaving, chosen=chosen)


def reached(width: Width | None) -> Width | None:
    """The width, where it is said without the module that holds the site."""
    return width if width and selection.OWNER not in width.expr else None


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


def holds(trace: Trace, request: Request, edited: Edited) -> bool:
    """Whether the model of this trace has and runs the site."""
    if request.operation == "replace":
        return bool(trace.chosen and trace.chosen.names)
    try:
        find(trace, request, edited)
    except CodegenError as error:
        if error.name in ("unknown-site", "site-never-called"):
            return False
        raise
    return True


def misfits(trace: Trace, site: Site, sides: Sequence[str]) -> list[Call]:
    """The calls whose tensor has another width than in `forward`: they stay as they are."""
    names = {selection.joined(owner, site.attribute) for owner in site.host.instances}
    return [c for c in trace.calls if set(sides) & set(c.misfits) and c.module in names]


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
    known = (m.width_after if request.sides[0] == "after" else m.width_before for m in modules)
    found = next((width for width in known if width), None)
    if request.width:
        return _given(request.width, found.value if found else 0)
    if found is None:
        raise _unknown_width(module, layout, request.sides[0] == "after")
    return found


def _unknown_width(module: TracedModule, layout: Layout, after: bool) -> CodegenError:
    shape = module.output_shape if after else module.input_shape
    return CodegenError(
        "unknown-width",
        f"the channel dim of {module.name} {shape} could not be told (layout {layout.kind or 'unknown'})",
        "give --width EXPR, an expression at the end of the host's __init__",
    )


def named(trace: Trace, request: Request) -> list[TracedModule]:
    """The modules that a site name means: `blocks.*.attn`; relative to the host's instances with --class."""
    name = request.site
    prefixes = [""]
    if request.host:
        hosts = [h for h in trace.hosts if h.name == request.host]
        if not hosts:
            classes = [h.name for h in trace.hosts]
            raise CodegenError(
                "host-not-found",
                f"the model has no module of class {request.host}",
                f"its classes are {', '.join(classes)}",
            )
        prefixes = [*hosts[0].instances]
    names = [m.name for m in trace.modules]
    chosen = {found for prefix in prefixes for found in selection.select(names, name, prefix)}
    matched = [m for m in trace.modules if m.name in chosen]
    if not matched:
        known = [selection.shown(m.name) for m in trace.modules if m.name]
        if selection.SIGN in name:
            raise _unknown_place(name, [n for n in known if selection.SIGN in n])
        near = difflib.get_close_matches(name, known, 4, 0.4) or [n for n in known if "." not in n][:8]
        owner = request.host or (trace.hosts[0].name if trace.hosts else "the model")
        raise CodegenError("unknown-site", f"{owner} has no {name}", f"near it: {', '.join(near)}")
    return matched


def _unknown_place(name: str, known: list[str]) -> CodegenError:
    """Of a place between modules, whose names are few in each class."""
    alike = {re.sub(r"(?<=\.)\d+(?=[.@])", "*", n): n for n in known}
    there = difflib.get_close_matches(name, [*alike, *alike.values()], 4, 0.6) or [*alike][:8]
    hint = f"there are {', '.join(there)}" if there else "its code adds and pools no maps or tokens in a form that is known"
    hint += "; a module that pools is a site by its own name" if name.endswith(f"{selection.SIGN}pool") else ""
    return CodegenError("unknown-site", f"the model has no place {name}", hint)


def _element_ran(module: TracedModule, ran: set[str]) -> bool:
    return any(name.startswith(module.name + ".") and "." not in name[len(module.name) + 1 :] for name in ran)


def host_of(trace: Trace, request: Request, matched: list[TracedModule], attribute: str) -> HostClass:
    """The class whose code runs these modules. Raises CodegenError("host-not-found", "container-element", "ambiguous-host")."""
    if not attribute:
        return _own_class(trace, request, matched)
    owners = {selection.parted(m.name, attribute) for m in matched}
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
        element = next(m.name for m in matched if m.name.startswith(f"{owner}."))
        raise elements.refused(request.site, element)
    if len(hosts) > 1 or len(runners) > 1:
        names = [h.name for h in trace.hosts if owners & set(h.instances)]
        raise CodegenError(
            "ambiguous-host",
            f"{request.site} stands in several classes: {', '.join(names)}",
            "choose one with --class NAME and the site's name in it",
        )
    return replace(hosts[0], instances=tuple(p for p in hosts[0].instances if p in owners))


def _own_class(trace: Trace, request: Request, matched: list[TracedModule]) -> HostClass:
    """The class that the named modules are of. Raises CodegenError("container-element", "ambiguous-host")."""
    names = {m.name for m in matched}
    hosts = [h for h in trace.hosts if names & set(h.instances) and not h.inherited]
    if names - {path for h in hosts for path in h.instances}:
        raise elements.refused(request.site, matched[0].name)
    if len(hosts) > 1:
        raise CodegenError(
            "ambiguous-host",
            f"{request.site} means objects of several classes: {', '.join(h.name for h in hosts)}",
            "name those of one class",
        )
    return replace(hosts[0], instances=tuple(m.name for m in matched))
