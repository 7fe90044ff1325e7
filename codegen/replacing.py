"""Put another module in the place of a site, behind everything else in the model's own `__init__`. No call changes."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from codegen import (
    components,
    composing,
    construct,
    elements,
    emit,
    expressions,
    heads,
    initialising,
    inputs,
    locating,
    naming,
    notes,
    plans,
    pools,
    reaching,
    renaming,
    selection,
    siblings,
    standalone,
    style,
    syntax,
    widening,
)
from codegen.calls import call_sites
from codegen.collecting import prepare
from codegen.draft import Draft, Lesson, texts
from codegen.errors import CodegenError
from codegen.selection import CHOSEN
from codegen.standalone import Addition
from codegen.syntax import Code
from codegen.traced import Trace, TracedModule, Width
from codegen.types import Component, Edit, Request, Site, Source, Variant


@dataclass(frozen=True)
class Replacement:
    """The edits of the model's class, the hook's definition ("" where no checkpoint needs one), and what takes the place."""

    edits: tuple[Edit, ...]
    hook: str
    component: Component
    site: Site  # with its width in names of the model's `__init__`


def draft(
    request: Request, source: Source, trace: Trace, others: Sequence[Trace] = (), lessons: frozenset[Lesson] = frozenset()
) -> Draft:
    """Another module in the place of the site: only the model's own `__init__` changes."""
    wide = pools.widens(request.layers)
    with_it = [other for other in others if other.chosen is None or other.chosen.names]  # the others do without it
    traces = (trace, *(other for other in with_it if other.behind or not wide))
    found = [find(each, request) for each in traces]
    if wide:
        found = [widening.sites(each, where) for each, where in zip(found, traces, strict=True)]
    site = found[0]
    parts, cls = prepare(request, source, site, trace.build, ((t.hosts[0].file, t.hosts[0].name) for t in traces))
    classes = [syntax.find_class(parts.host, t.hosts[0].name, t.hosts[0].line) for t in traces[1:]]
    models = [(parts.host, c) for c in (cls, *classes) if c is not None]
    keyed = dropped(trace, site) > 0
    old = site.module.keys if Lesson.HOLDS_OLD in lessons else ()
    stateful = Lesson.STATELESS not in lessons and not components.removes(request)
    made = _widened(request, site, models, trace) if wide else plan(request, site, models, hooked=keyed or stateful, old=old)
    component = naming.fitted(made.component, parts.host, parts.main, *siblings.codes(parts.file, parts.main))
    pieces = (style.reindented(text, parts.host).strip("\n") for text in (component.code, made.hook) if text.strip())
    addition = Addition(component.imports, "\n\n\n".join(pieces))
    base, text, origin = texts(request, parts, list(made.edits), addition, trace.build)
    names = {} if request.in_place else standalone.renames(parts)
    build = renaming.renamed_expression(trace.build, names)
    if not (request.in_place or request.edits):
        text = emit.headed(text, emit.header(request, source, site.host.name, build, inputs.recorded([request], source)))
    attribute = request.site.rpartition(".")[2]
    variant = Variant(base, text, source.file.encoding, build, build, attribute, component.class_name, site.host.name)
    proofs = []
    for each, where in zip(traces, found, strict=True):
        built = renaming.renamed_expression(each.build, names)
        own = replace(variant, build=built, base_build=built, host=each.hosts[0].name, attribute="")
        proof = plans.made(request, source, where, own, each, names)
        proofs.append(proof if each is trace else {**proof, "entry": ""})
    called = call_sites(text, attribute) if attribute.isidentifier() else ()
    used = bool(made.site.width.expr) and site.width.expr in made.component.construct
    about = (*component.notes, *(notes.about(made.site, cls, [], ()) if used else ()))
    if wide:
        about = (*about, widening.note(site, trace))
    elif keyed and not old:
        meant = site.chosen.names if site.chosen else ()
        what = f"{', '.join(meant[:3])}{' ...' * (len(meant) > 3)}"
        about = (*about, f"{dropped(trace, site):,} parameters of the base are left out: those of {what}")
    return Draft(made.site, variant, tuple(proofs), trace.input, called, about, bool(made.hook) and not keyed, origin)


def plan(
    request: Request, site: Site, models: Iterable[tuple[Code, ast.ClassDef]], *, hooked: bool, old: Sequence[str] = ()
) -> Replacement:
    """One statement, or a loop, in every class that the library builds as this model. old: the keys of the replaced modules,
    where the new ones hold them all.

    Raises what `composing.resolve` and `construct.plan` raise.
    """
    component = heads.component(request, site) if request.layers else composing.resolve(request, site)
    edits, hook = [], ""
    shown = site
    for code, cls in models:
        where, places = _all_of(request, site, code) or _reached(site, cls)
        lines = []
        for place in places:
            lines.append(f"{place} = " + re.sub(rf"\b{CHOSEN}\b", place, component.construct))
            if hooked:
                name, hook = _hook(request, component, old)
                lines.append(f"{place}.register_load_state_dict_pre_hook({name})")
        lines += _classes(request, cls)
        depth = len(where)
        text = [*("    " * i + header for i, header in enumerate(where)), *("    " * depth + line for line in lines)]
        edits.append(construct.plan(code, cls, [initialising.filled("\n".join(text), code, cls)]))
        if shown is site:
            width = replace(site.width, expr=re.sub(rf"\b{CHOSEN}\b", places[0], site.width.expr))
            shown = replace(site, width=width)
    imports = (*component.imports, *(["from torch import nn"] if hook else []))
    imports += ("import warnings",) if hook and not old else ()
    return Replacement(tuple(edits), hook, replace(component, imports=imports), shown)


def _widened(request: Request, site: Site, models: Iterable[tuple[Code, ast.ClassDef]], trace: Trace) -> Replacement:
    """A pool that gives twice the channels, and the linear layers behind it."""
    made = [(code, cls, widening.statements(request, site, trace, cls)) for code, cls in models]
    edits = tuple(construct.plan(code, cls, ["\n".join(each.lines)]) for code, cls, each in made)
    first = made[0][2]
    imports = (*first.component.imports, "from torch import nn", "import warnings")
    return Replacement(edits, first.hook, replace(first.component, imports=imports), site)


def _hook(request: Request, component: Component, old: Sequence[str]) -> tuple[str, str]:
    """(name, definition) of the function that lets a base checkpoint load."""
    if components.removes(request):
        return "load_removed", construct.rendered("remove_hook", name="load_removed")
    name = f"load_replaced_{component.name if request.layers else expressions.attribute_name(component.class_name)}"
    return name, construct.rendered("replace_hook", name=name, old=_set(old))


def find(trace: Trace, request: Request) -> Site:
    """The modules that are replaced, as one site of the model. Raises CodegenError("unknown-site", "not-measured", ...)."""
    locating.demand_operation(request)
    chosen = trace.chosen
    if chosen is None or not chosen.names:
        near = ", ".join([m.name for m in trace.modules if m.name and "." not in m.name][:8])
        if request.site in {m.name for m in trace.modules}:
            raise CodegenError("not-measured", f"{request.site} was not looked at for itself", "trace the model for this site")
        raise CodegenError("unknown-site", f"{trace.hosts[0].name} has no {request.site}", f"near it: {near}")
    matched = [m for m in trace.modules if m.name in chosen.names]
    module = next((m for m in matched if m.input_shape), matched[0])
    own = trace.hosts[0]
    width = locating.reached(chosen.width_before) or Width("", 0, "name")
    leaving = locating.reached(chosen.width_after)
    if request.width:
        width = Width(request.width, width.value, "name", 0)
    if request.out_width:
        leaving = Width(request.out_width, leaving.value if leaving else 0, "name", 0)
    layout = replace(module.before, grid_expr=chosen.grid_before)
    names = tuple(m.name for m in trace.modules)
    kinds = " or ".join(dict.fromkeys(m.class_name for m in matched))
    given = replace(module, class_name=kinds, settings=_common(matched))
    site = Site(request.site, "", own, given, layout, width, leaving, chosen=chosen, whole=True)
    return replace(site, names=names, dicts=elements.dicts(trace))


def _classes(request: Request, model: ast.ClassDef) -> list[str]:
    """`self.num_classes = 10`, where the model keeps that number and its head has another one now."""
    init = syntax.method(model, "__init__")
    width = heads.outgoing(request.layers) if request.layers else ""
    targets = [t for node in ast.walk(init) if isinstance(node, ast.Assign) for t in node.targets] if init else []
    kept = any(ast.unparse(target) == "self.num_classes" for target in targets)
    return [f"self.num_classes = {width}"] if kept and width not in ("", "num_classes", "self.num_classes") else []


def dropped(trace: Trace, site: Site) -> int:
    """How many parameters of the base are left out."""
    assert site.chosen is not None
    return sum(m.parameters for m in trace.modules if m.name in site.chosen.names)


def _common(matched: list[TracedModule]) -> tuple[tuple[str, str], ...]:
    """What all were made with; where they differ, how the model's code reads it off each before it is replaced."""
    found = []
    for name, text in matched[0].settings:
        texts = {dict(m.settings).get(name, "") for m in matched}
        if "" in texts:
            continue
        found.append((name, text if len(texts) == 1 else f"{CHOSEN}.{name}"))
    return tuple(found)


def _all_of(request: Request, site: Site, code: Code) -> tuple[list[str], list[str]] | None:
    """The same for a child of all objects of a class, by `--class`, where the model's file knows the class: a loop that
    means them in every build.
    """
    known = {name for statement in code.tree.body for name in syntax.bound_names(statement)}
    if request.host not in known or not request.site.isidentifier():
        return None
    return ["for module in self.modules():", f"if isinstance(module, {request.host}):"], [f"module.{request.site}"]


def _reached(site: Site, model: ast.ClassDef) -> tuple[list[str], list[str]]:
    """(loops of the model's `__init__`, what is assigned in them): ["for block in self.blocks:"], ["block.attn"]."""
    assert site.chosen is not None
    init = syntax.method(model, "__init__")
    taken = {n.arg for n in ast.walk(init.args) if isinstance(n, ast.arg)} if init else set()
    pattern = site.chosen.pattern
    owner, _, last = pattern.rpartition(".")
    owners = list(dict.fromkeys(name.rpartition(".")[0] for name in site.chosen.names))
    children = selection.children_of(site.names)
    named = "*" in last and not all(child.isdigit() for child in children[owners[0]])
    meant = selection.chosen(last, [children[each] for each in owners])
    if not pattern or named and meant != [meant[0]] * len(meant):
        return [], [reaching.one(name, site.dicts) for name in site.chosen.names]
    ways = {site.dicts.get(each, "") for each in owners}
    how = ways.pop() if len(ways) == 1 else ""
    spelled = reaching.spelled(site.names, owner, taken, site.dicts) if owner else reaching.Spelled((), "self")
    headers, target = [*spelled.headers], spelled.target
    if named:
        return headers, [reaching.below(target, child, how) for child in meant[0]]
    if last in children[owners[0]] or last.lstrip("-").isdigit():
        return headers, [reaching.below(target, last, how)]
    positions = f"({last.replace(',', ', ')})" if selection.POSITIONS.fullmatch(last) else f"range(len({target}))"
    positions += f"[{last}]" if selection.SLICE.fullmatch(last) else ""
    return [*headers, f"for i in {positions}:"], [f"{target}[i]"]


def _set(keys: Sequence[str]) -> str:
    """`{"bias", "weight"}` in the code."""
    return "{" + ", ".join(f'"{key}"' for key in keys) + "}" if keys else ""
