"""From what was measured to the texts of base and variant: every decision about the code, before anything is proved."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from pathlib import Path
from typing import Any

from codegen import (
    between,
    branch,
    construct,
    emit,
    expressions,
    foreign,
    groups,
    locating,
    loops,
    naming,
    notes,
    plans,
    renaming,
    siblings,
    sources,
    standalone,
    style,
    syntax,
)
from codegen.construct import Making
from codegen.errors import CodegenError
from codegen.foreign import Foreign
from codegen.ops import behind, beside, elsewhere, extra, insert, split, whole
from codegen.reading import Use
from codegen.standalone import Addition, Parts
from codegen.syntax import Code
from codegen.types import Component, Edit, Request, Site, Source, Trace, Variant


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
    try:
        return _drafted(request, source, trace, others, lessons, whole=False)
    except CodegenError as error:
        if error.name not in ("hidden-call", "container-element"):
            raise
        try:  # who runs it cannot be edited, but the class of what is run may be
            return _drafted(request, source, trace, others, lessons, whole=True)
        except CodegenError as second:
            raise (second if second.name == "not-measured" else error) from None


def _drafted(
    request: Request, source: Source, trace: Trace, others: Sequence[Trace], lessons: frozenset[Lesson], *, whole: bool
) -> Draft:
    site = locating.find(trace, request, whole=whole)
    others = [o for o in others if locating.holds(o, request, whole=whole)]
    chain = [*makers(trace, site), *((o.hosts[0].file, o.hosts[0].name) for o in others)]
    parts, cls = prepare(request, source, site, trace.build, chain)
    elsewhere = site.whole or site.layered or loops.in_order(cls, site, trace.calls, request.operation)
    read = _holder(trace, site) if site.parted else site
    uses = [] if elsewhere else between.uses(parts.host, cls, read, trace.calls, request.sides)
    component = branch.component(request, site)
    component = replace(component, stateful=component.stateful and Lesson.STATELESS not in lessons)
    if Lesson.FACTORIES in lessons:
        parts = replace(parts, foreign=foreign.with_factories(parts.foreign, standalone.used_imports(parts)))
    ground = Ground(parts, cls, site, tuple(uses), component)
    return write(request, source, ground, trace, others)


def _holder(trace: Trace, site: Site) -> Site:
    """The list as the site, whose element is meant."""
    name = site.module.name.rpartition(".")[0]
    module = next(m for m in trace.modules if m.name == name)
    return replace(site, attribute=site.attribute.rpartition(".")[0], module=module)


def prepare(
    request: Request, source: Source, site: Site, build: str, chain: Iterable[tuple[str, str]] = ()
) -> tuple[Parts, ast.ClassDef]:
    """Find the host's class in its file and say what of the files is kept. chain: (file, name) of what makes it."""
    parts = files(request, source, site, build, chain)
    cls = syntax.find_class(parts.host, site.host.name, site.host.line)
    if cls is None:
        raise CodegenError(
            "host-not-found",
            f"{parts.host_file.path.name} does not define {site.host.name} as a class",
            "name another host: --class",
        )
    return parts, cls


def files(request: Request, source: Source, site: Site, build: str, chain: Iterable[tuple[str, str]] = ()) -> Parts:
    """The source's file and the host's, and what of them is kept."""
    main = syntax.shared(source.file.text, source.file.path)
    host_file, host = source.file, main
    if Path(site.host.file).resolve() != source.file.path.resolve():
        host_file = sources.file(Path(site.host.file))
        host = syntax.shared(host_file.text, host_file.path)
    defined = {n for s in main.tree.body for n in syntax.bound_names(s)}
    roots = tuple(sorted((syntax.used_names(ast.parse(build, mode="eval")) | {source.entry}) & defined))
    keep = request.keep or ("used" if source.library or source.distribution else "all")
    suffix = request.suffix or f"_{expressions.called(request.module, request.as_class)}"
    brought = _foreign(source, [(site.host.file, site.host.name), *chain])
    return Parts(source.file, main, host_file, host, site.host.name, roots, keep, suffix, brought)


def _foreign(source: Source, definitions: Iterable[tuple[str, str]]) -> tuple[Foreign, ...]:
    """Those definitions that stand in other files, by file."""
    names: dict[Path, dict[str, None]] = defaultdict(dict)
    for file, name in definitions:
        if Path(file).resolve() != source.file.path.resolve():
            names[Path(file)][name.split(".")[0]] = None
    files = {path: sources.file(path) for path in names}
    return tuple(Foreign(f, syntax.shared(f.text, f.path), tuple(names[path])) for path, f in files.items())


def makers(trace: Trace, site: Site) -> list[tuple[str, str]]:
    """The classes of the modules around the host's instances, from the model inwards: their code makes the host."""
    around = {path[:i] for path in site.host.instances for i, c in enumerate(f"{path}.") if c == "."} | {""}
    classes = [h for h in trace.hosts if around & set(h.instances) and not h.inherited]
    return [(h.file, h.name) for h in classes]


def write(request: Request, source: Source, ground: Ground, trace: Trace | None, others: Sequence[Trace] = ()) -> Draft:
    """The texts of base and variant from the uses of the site."""
    parts, cls, site = ground.parts, ground.cls, ground.site
    component = naming.fitted(ground.component, parts.host, parts.main, *siblings.codes(parts.file, parts.main))
    pairs = [m.name.rpartition(".") for m in trace.modules] if trace else []
    children = {child for owner, _, child in pairs if owner in site.host.instances}
    children |= groups.parts(trace) if request.groups else set()
    attribute = naming.attribute(request.name or component.name, cls, children, bool(request.name))
    place = insert.Place(parts.host, cls, site, attribute, request.operation == "after", request.combine)
    how = construct.making(trace, site, component)
    addition, hooks, ordering = _addition(component, place, request, trace)
    edits = _methods(place, list(ground.uses))
    late = how in (Making.LATE, Making.LATE_PASSING)
    if how is not Making.LAYER:
        made = [construct.statement(attribute, component, how), *hooks * (how is not Making.CHOSEN), *ordering * (not late)]
        edits.append(construct.plan(parts.host, cls, construct.guarded(made, construct.present(cls, site))))
    if late or how in (Making.CHOSEN, Making.LAYER):
        lines = ordering if late else hooks if how is Making.CHOSEN else [*ordering, *hooks]
        addition = replace(addition, elsewhere=behind.edits(request, parts, place, component, lines, (trace, *others)))
    grouped = behind.grouped(request, parts, place, trace, component) if request.groups and trace else behind.Grouped()
    said = extra.around(parts, place, trace) if request.combine == branch.EXTRA and trace else ()
    addition = replace(addition, elsewhere=(*addition.elsewhere, *grouped.edits, *said))
    for other in others if how is Making.LAST else ():
        edits += elsewhere.plan(request, place, component, other, ground.uses)
    base_build = trace.build if trace else request.build or f"{site.host.name}()"
    names = {} if request.in_place else standalone.renames(parts)
    build = renaming.renamed_expression(base_build, names)
    base, text, origin = texts(request, parts, edits, addition, base_build)
    if not (request.in_place or request.edits):
        text = emit.headed(text, emit.header(request, source, site.host.name, build))
    what = (attribute, component.class_name, site.host.name, grouped.method)
    variant = Variant(base, text, source.file.encoding, build, build, *what)
    proofs = [plans.made(request, source, site, variant, trace, names)]
    for other in others:
        twin = replace(variant, build=renaming.renamed_expression(other.build, names))
        twin = replace(twin, base_build=twin.build, host=other.hosts[0].name, groups="")
        there = locating.find(other, request, whole=site.whole)
        proofs.append({**plans.made(request, source, there, twin, other, names), "entry": ""})
    site = behind.named(site, parts, place, trace) if trace and site.chosen else site
    about = notes.about(site, cls, locating.misfits(trace, site, request.sides) if trace else [], ground.uses)
    return Draft(
        site,
        variant,
        tuple(proofs),
        trace.input if trace else "",
        call_sites(text, attribute),
        (*component.notes, *about, *grouped.notes),
        component.stateful,
        origin,
    )


def _methods(place: insert.Place, uses: list[Use]) -> list[Edit]:
    """The edits of the methods that run the site."""
    if place.combine == branch.EXTRA:
        return extra.plan(place, uses)
    if place.site.layered:  # it runs its layers itself
        return []
    if place.site.whole:
        return whole.plan(place)
    if place.site.parted:
        return split.plan(place, uses)
    return beside.plan(place, uses) if place.combine else insert.plan(place, uses)


def _addition(
    component: Component, place: insert.Place, request: Request, trace: Trace | None
) -> tuple[Addition, list[str], list[str]]:
    """What stands in front of the host's class; the statements that hook into loading; those that put it in its place."""
    code, attribute = place.code, place.attribute
    hooks = [construct.hook(attribute)] if component.stateful else []
    order = construct.order(trace, place.site, attribute, request.operation) if trace else None
    among = place.site.layered and not place.site.whole
    if trace and (among or loops.in_order(place.cls, place.site, trace.calls, request.operation)):
        order = construct.placed(place.site, attribute, request.operation)
    if place.site.layered and place.site.whole and not place.after:
        order = construct.first_layer(place.site, attribute)
    if order and request.combine:
        raise CodegenError(
            "site-not-editable",
            f"{place.site.name} is run in the order of registration, where nothing can run beside it",
            f"give its elements modules (--beside '{place.site.name}.*'), or insert --after it",
        )
    ordering = [order] if order else []
    imports = [*component.imports, *(["from torch import nn"] if hooks or ordering else [])]
    imports += construct.imports(construct.making(trace, place.site, component))
    own = [style.reindented(text, code) for _, text in (*hooks, *ordering)]  # a user's class keeps its own indentation
    first = component.code if ":" in request.module else style.reindented(component.code, code)
    text = "\n\n\n".join(piece.strip("\n") for piece in (first, *own) if piece.strip())
    return Addition(tuple(imports), text), [line for line, _ in hooks], [line for line, _ in ordering]


def texts(request: Request, parts: Parts, edits: list[Edit], addition: Addition, build: str) -> tuple[str, str, Origin]:
    """Base and variant, and how both come from the source, where `build` builds the model."""
    if request.in_place:
        loose = replace(parts, keep="all", suffix="")
        return parts.main.text, standalone.in_place(loose, edits, addition), Origin(build)
    origin = Origin(build, standalone.changes(parts), standalone.changes(parts, edits, addition))
    return standalone.written(parts, origin.base), standalone.written(parts, origin.variant), origin


def call_sites(text: str, attribute: str) -> tuple[tuple[str, int], ...]:
    """(method, line) of every call of a module by its attribute in the variant's classes."""
    code = Code(text, "variant")
    mentions = [number for number, line in enumerate(code.lines, 1) if attribute in line]
    methods = [
        (name, node)
        for name, cls in code.classes
        for node in cls.body
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
        and any(node.lineno <= line <= (node.end_lineno or 0) for line in mentions)
    ]
    found = [
        (f"{name}.{method.name}", node.lineno)
        for name, method in methods
        for node in ast.walk(method)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == attribute
    ]
    return tuple(sorted(found, key=lambda c: c[1]))
