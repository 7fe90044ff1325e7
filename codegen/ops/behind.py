"""What stands at the end of the models' own `__init__`s: the modules of blocks, and behind it the method that gives them."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from codegen import branch, construct, elements, groups, initialising, locating, matchers, naming, registry, syntax
from codegen.errors import CodegenError
from codegen.ops.insert import Place
from codegen.standalone import Parts
from codegen.syntax import Code
from codegen.traced import Trace
from codegen.types import Component, Edit, Request, Site, SourceFile


def edits(
    request: Request,
    parts: Parts,
    place: Place,
    component: Component,
    lines: Sequence[str],
    traces: Iterable[Trace | None],
) -> tuple[tuple[Path, Edit], ...]:
    """What stands at the end of the models' own `__init__`s: there the blocks, or those that are chosen, get their modules."""
    found: list[tuple[Path, Edit]] = []
    made: set[str] = set()  # the classes whose `__init__` makes it
    for trace in filter(None, traces):
        site = locating.find(trace, request, elements.edited(place.site))
        file, code, cls = model(parts, place, trace)
        if {ast.unparse(base) for base in cls.bases} & made - {*trace.restless}:
            continue  # the class that it derives from makes the module
        made.add(cls.name)
        if site.chosen is not None:
            named = place.named
            if site != place.site:  # another class of the file: its width has other names
                own = naming.fitted(branch.component(request, site, inline=bool(component.parts)), place.code)
                classes = zip(own.parts or (own,), (part for _, part in place.named), strict=True)
                named = [*zip(place.attributes, (naming.of_class(made, part) for made, part in classes), strict=True)]
            text = construct.chosen(named, site, lines, (place.cls, cls))
        else:
            condition = construct.present(place.cls, site).replace("self", "module", 1)
            text = construct.late(place.cls.name, place.attributes, condition, lines)
            text = initialising.made_late(text, place.attribute) if request.init == initialising.HOST else text
        found.append((file.path, construct.plan(code, cls, [initialising.filled(text, code, cls)])))
    return tuple(found)


def model(parts: Parts, place: Place, trace: Trace) -> tuple[SourceFile, Code, ast.ClassDef]:
    """The class of the model, where it stands. Raises CodegenError("inherited-forward", "host-not-found")."""
    own = trace.hosts[0]
    if "" in place.site.host.instances and place.site.chosen is None:
        raise CodegenError(
            "inherited-forward",
            f"{own.name} initialises all its weights behind {place.cls.name}.__init__, whose code runs {place.site.name}",
            "choose a site that the model's own class runs",
        )
    path = Path(own.file).resolve()
    files = {parts.file.path.resolve(): (parts.file, parts.main)}
    files |= {f.file.path.resolve(): (f.file, f.code) for f in parts.foreign}
    file, code = files.get(path, (parts.file, parts.main))
    cls = syntax.find_class(code, own.name, own.line)
    if cls is None:
        raise CodegenError(
            "host-not-found", f"{code.name} does not define {own.name}, the model's class", "give the file that does"
        )
    return file, code, cls


def named(site: Site, parts: Parts, place: Place, trace: Trace) -> Site:
    """The site with its width in the names of the model's `__init__`."""
    where, module = construct.spelled(site, model(parts, place, trace)[2])
    return replace(site, width=replace(site.width, expr=construct.in_names(site.width.expr, where.target, module)))


@dataclass(frozen=True)
class Grouped:
    """What `--emit-groups` writes: a method of the model by its name, and what its optimizer groups lack. With notes."""

    method: str = ""
    edits: tuple[tuple[Path, Edit], ...] = ()
    notes: tuple[str, ...] = ()


def grouped(request: Request, parts: Parts, place: Place, trace: Trace, component: Component) -> Grouped:
    """The method of the model that gives the new parameters, and the edits of its `group_matcher`."""
    own = place.site.host.instances == ("",)
    file, code, cls = (parts.host_file, place.code, place.cls) if own else model(parts, place, trace)
    edits = [(file.path, groups.plan(code, cls, place.attributes, own=own))]
    found = _inherited(parts, code, cls, registry.MATCHER) if component.stateful else None
    first = request.operation == "before"
    named = place.attributes if found else ()
    every = [item for each in named for item in matchers.inserted(trace, place.site, each, first=first)]
    new = [item for item in every if item.neighbours]
    about: tuple[str, ...] = ()
    if len(new) < len(every):
        about = (f"{registry.MATCHER} was left as it is: no parameters are known to be beside {place.site.name}",)
    elif found:
        file, code, method = found
        try:
            edits += [(file.path, edit) for edit in matchers.plan(code, method, matchers.parameters(trace), new)]
        except LookupError:  # the contract tells whether that matters
            about = (f"{registry.MATCHER} was left as it is: it returns no dict of patterns that one more could stand in",)
    return Grouped(groups.method(cls), tuple(edits), about)


def _inherited(parts: Parts, code: Code, cls: ast.ClassDef, name: str) -> tuple[SourceFile, Code, syntax.Function] | None:
    """A method of a class or of one that it derives from, in the files that the variant is made of."""
    files = [(parts.file, parts.main), (parts.host_file, parts.host), *((f.file, f.code) for f in parts.foreign)]
    if found := syntax.method(cls, name):
        return next(file for file, each in files if each is code), code, found
    for base in cls.bases:
        for _, each in sorted(files, key=lambda pair: pair[1] is not code):
            parent = syntax.find_class(each, ast.unparse(base).rpartition(".")[2])
            if parent is not None and parent is not cls and (method := _inherited(parts, each, parent, name)):
                return method
    return None
