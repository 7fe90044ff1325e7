"""From what was measured to the texts of base and variant: every decision about the code, before anything is proved."""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any

from codegen import (
    between,
    branch,
    calls,
    collecting,
    composing,
    construct,
    elements,
    emit,
    expressions,
    foreign,
    groups,
    inlining,
    inputs,
    locating,
    loops,
    naming,
    notes,
    ordering,
    plans,
    renaming,
    selfcheck,
    siblings,
    standalone,
    style,
)
from codegen.construct import Making
from codegen.elements import Edited
from codegen.errors import CodegenError
from codegen.ops import behind, beside, construction, elsewhere, extra, insert, lengths, ordered, split, whole
from codegen.reading import Use
from codegen.standalone import Addition, Parts
from codegen.syntax import Code
from codegen.traced import Trace
from codegen.types import Component, Edit, Request, Site, Source, Variant

UNREACHED = ("hidden-call", "container-element")  # no edit of the code that runs the site gives it a module


class Lesson(Enum):
    """What only building the variant shows; a draft is made again with what was learnt."""

    STATELESS = "the module has no state: no checkpoint needs a load hook for it"
    HOLDS_OLD = "the module holds all that the replaced one held: the base's weights go into it"
    FACTORIES = "the host's objects are made by functions of a library: these are brought in too"


@dataclass(frozen=True)
class Origin:
    """What makes both texts of the source's own (nothing where that is changed in place), and what builds the model there."""

    build: str
    base: tuple[Edit, ...] = ()
    variant: tuple[Edit, ...] = ()
    parts: Parts | None = None


@dataclass(frozen=True)
class Draft:
    """A variant that nobody has proved yet. plans: what the child needs to build base and variant alike."""

    site: Site
    variant: Variant
    plans: tuple[dict[str, Any], ...]  # of the host, then of other classes that got the module too
    input: str
    call_sites: tuple[tuple[str, int], ...]
    notes: tuple[str, ...]
    hooked: bool  # a load hook was written for the module's state
    origin: Origin


@dataclass(frozen=True)
class Ground:
    """The files and the class that are edited, where, and with what."""

    parts: Parts
    cls: ast.ClassDef
    site: Site
    uses: tuple[Use, ...]
    component: Component


def draft(
    request: Request, source: Source, trace: Trace, others: Sequence[Trace] = (), lessons: frozenset[Lesson] = frozenset()
) -> Draft:
    """Plan every edit and write both texts. Raises CodegenError where the insertion cannot be made exactly."""

    def drafted(inline: bool) -> Draft:
        try:
            return _drafted(request, source, (trace, others, lessons), Edited.USUAL, inline=inline)
        except CodegenError as error:
            if error.name not in UNREACHED:
                raise
            first = error
        for edited in (Edited.PART, Edited.LAYER, Edited.CLASS):  # what holds the site, or its class, may be edited
            try:
                return _drafted(request, source, (trace, others, lessons), edited, inline=inline)
            except CodegenError as error:
                if error.name in ("not-measured", "module-does-not-fit", inlining.REFUSED):
                    raise
        raise first

    return placed(request, drafted)


def placed(request: Request, drafted: Callable[[bool], Draft]) -> Draft:
    """A composition in the host's own code, where that can be; else as one class, with a note that says why."""
    if request.as_class or request.layers or not composing.is_composition(request.module):
        return drafted(False)
    try:
        return drafted(True)
    except CodegenError as error:
        if error.name != inlining.REFUSED:
            raise
        made = drafted(False)
        note = f"{made.variant.class_name} is a class that holds {expressions.listed(request.module)}: {error.message}"
        return replace(made, notes=(*made.notes, note))


def _drafted(
    request: Request,
    source: Source,
    known: tuple[Trace, Sequence[Trace], frozenset[Lesson]],
    edited: Edited,
    *,
    inline: bool,
) -> Draft:
    trace, others, lessons = known
    site = locating.find(trace, request, edited)
    others = [o for o in others if locating.holds(o, request, edited)]
    chain = [*collecting.chain(trace, site), *((o.hosts[0].file, o.hosts[0].name) for o in others)]
    parts, cls = collecting.prepare(request, source, site, trace.build, chain)
    in_order = site.ordered if request.combine else loops.in_order(cls, site, trace.calls, request.operation)
    elsewhere = site.whole or site.layered or in_order
    read = _holder(trace, site) if site.parted else site
    uses = [] if elsewhere else between.uses(parts.host, cls, read, trace.calls, request.sides)
    component = branch.component(request, site, inline=inline)
    component = replace(component, stateful=component.stateful and Lesson.STATELESS not in lessons)
    if Lesson.FACTORIES in lessons:
        parts = replace(parts, foreign=foreign.with_factories(parts.foreign, standalone.used_imports(parts)))
    ground = Ground(parts, cls, site, tuple(uses), component)
    return write(request, source, ground, trace, others)


def _holder(trace: Trace, site: Site) -> Site:
    """The list as the site, whose element is meant: it is named by that."""
    name = site.module.name.rpartition(".")[0]
    module = next(m for m in trace.modules if m.name == name)
    attribute = site.attribute.rpartition(".")[0]
    return replace(site, name=site.module.name, attribute=attribute, module=module, is_list=True)


def write(request: Request, source: Source, ground: Ground, trace: Trace | None, others: Sequence[Trace] = ()) -> Draft:
    """The texts of base and variant from the uses of the site."""
    parts, cls, site = ground.parts, ground.cls, ground.site
    component = naming.fitted(ground.component, parts.host, parts.main, *siblings.codes(parts.file, parts.main))
    pairs = [m.name.rpartition(".") for m in trace.modules] if trace else []
    children = {c for owner, _, c in pairs if owner in site.host.instances} | (groups.parts(trace) if request.groups else set())
    named = naming.attributes(request, component, cls, children)
    running = inlining.of(named, component.running)
    place = insert.Place(parts.host, cls, site, named, running, request.operation == "after", request.combine)
    how = construct.making(trace, site, component)
    addition, hooks, placing = _addition(component, place, request, trace, parts.main)
    methods = lengths.fitted(place.code, cls, _methods(place, list(ground.uses), trace))
    edits = [*construction.edits(place, how, (hooks, placing), trace), *methods]  # a new method stands behind `__init__`
    late = how in (Making.LATE, Making.LATE_PASSING)
    if late or how in (Making.CHOSEN, Making.LAYER):
        lines = placing if late else hooks if how is Making.CHOSEN else [*placing, *hooks]
        addition = replace(addition, elsewhere=behind.edits(request, parts, place, component, lines, (trace, *others)))
    grouped = behind.grouped(request, parts, place, trace, component) if request.groups and trace else behind.Grouped()
    said = extra.around(parts, place, trace) if request.combine == branch.EXTRA and trace else ()
    addition = replace(addition, elsewhere=(*addition.elsewhere, *grouped.edits, *said))
    for other in others if how is Making.LAST else ():
        edits += elsewhere.plan(request, place, component, other, ground.uses)
    base_build = trace.build if trace else request.build or f"{site.host.name}()"
    names = {} if request.in_place else standalone.renames(parts)
    build = renaming.renamed_expression(base_build, names)
    base, body, origin = texts(request, parts, edits, addition, base_build)
    text = body
    if not (request.in_place or request.edits):
        text = emit.headed(body, emit.header(request, source, site.host.name, build, inputs.recorded([request], source)))
    classes = tuple((attribute, part.class_name) for attribute, part in named)
    what = (*classes[0], site.host.name, grouped.method, *((classes, running) if component.parts else ()))
    variant = Variant(base, text, source.file.encoding, build, build, *what)
    proofs = [plans.made(request, source, site, variant, trace, names)]
    for other in others:
        twin = replace(variant, build=renaming.renamed_expression(other.build, names))
        twin = replace(twin, base_build=twin.build, host=other.hosts[0].name, groups="")
        there = locating.find(other, request, elements.edited(site))
        proofs.append({**plans.made(request, source, there, twin, other, names), "entry": ""})
    site = behind.named(site, parts, place, trace) if trace and site.chosen else site
    about = _about(request, place, site, trace, ground.uses)
    return Draft(
        site,
        variant,
        tuple(proofs),
        trace.input if trace else "",
        calls.call_sites(body, place.attribute, text),
        (*component.notes, *about, *grouped.notes),
        component.stateful,
        origin,
    )


def _about(request: Request, place: insert.Place, site: Site, trace: Trace | None, uses: Sequence[Use]) -> list[str]:
    """What a person should know of it."""
    found = notes.about(site, place.cls, locating.misfits(trace, site, request.sides) if trace else [], uses)
    if request.combine == branch.EXTRA:
        found += extra.notes(place, uses, extra.children(place.site, trace))
    return found


def _methods(place: insert.Place, uses: list[Use], trace: Trace | None) -> list[Edit]:
    """The edits of the methods that run the site."""
    if place.combine == branch.EXTRA:
        return extra.plan(place, uses, extra.children(place.site, trace))
    if place.site.layered:  # it runs its layers itself
        return []
    if place.site.ordered and place.combine:
        return ordered.plan(place)
    if place.site.whole:
        return whole.plan(place)
    if place.site.parted:
        return split.plan(place, uses)
    return beside.plan(place, uses) if place.combine else insert.plan(place, uses)


def _addition(
    component: Component, place: insert.Place, request: Request, trace: Trace | None, main: Code
) -> tuple[Addition, list[str], list[str]]:
    """What stands in front of the host's class; the statements that hook into loading; those that put it in its place."""
    code, making, site = place.code, construct.making(trace, place.site, component), place.site
    hooks = [naming.apart(made, code, main) for made in construct.hooks(component, place.named, request)]
    shared = request.asked is not None
    order = ordering.order(trace, site, place.attributes, request.operation, shared=shared) if trace else None
    in_order = trace and not request.combine and loops.in_order(place.cls, site, trace.calls, request.operation)
    if site.layered and not site.whole or in_order:
        order = ordering.placed(site, place.attributes, request.operation, shared=shared)
    if site.layered and site.whole and not place.after and not site.hooked:
        order = ordering.first_layer(site, place.attributes)
    if (order or site.layered or making is Making.LATE_PASSING) and not inlining.is_cascade(place.running):
        raise inlining.refused(f"what is beside {site.name} also runs in the order of its registration, one on the other")
    if order and request.combine or site.ordered and request.combine == branch.EXTRA:
        what = f"{site.name} is run in the order of registration, where nothing can run beside it"
        raise CodegenError("site-not-editable", what, "insert at a module inside it, or --after it")
    if site.hooked and component.parts:
        raise inlining.refused(f"a hook of {site.name} runs one module")
    if site.hooked:
        order = construct.hooked(site, place.attributes, request.operation, branch.operator(request.combine, site))
    placing = [naming.apart(order, code, main)] if order else []
    imports = [*component.imports, *(["from torch import nn"] if hooks or placing else [])]
    imports += ["from functools import partial"] if any("partial(" in line for line, _ in hooks) else []
    imports += ["import torch"] if site.hooked else []
    imports += construct.imports(making)
    new = (text for _, text in (*hooks, *placing) if not naming.holds(text, code, main))
    own = [style.reindented(text, code) for text in new]  # a user's class keeps its own indentation
    first = component.code if ":" in request.module else style.reindented(component.code, code)
    text = "\n\n\n".join(piece.strip("\n") for piece in (first, *own) if piece.strip())
    return Addition(tuple(imports), text), [line for line, _ in hooks], [line for line, _ in placing]


def texts(request: Request, parts: Parts, edits: list[Edit], addition: Addition, build: str) -> tuple[str, str, Origin]:
    """Base and variant, and how both come from the source, where `build` builds the model."""
    if request.in_place:
        parts = replace(parts, keep="all", suffix="")
    if request.in_place and not (request.later and standalone.spread(parts, addition)):
        plain = parts.main.text
        origin = Origin(build, (), standalone.changes_in_place(parts, edits, addition))
    else:
        old, plain = standalone.base(parts)
        origin = Origin(build, old, standalone.changes(parts, edits, addition), None if request.in_place else parts)
    selfcheck.demand(parts.main, origin.base, origin.variant)
    return plain, standalone.written(parts, origin.variant), origin
