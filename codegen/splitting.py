"""A name that means sites which no one edit serves -> the edits that do: `layer*` is `layer1`, `layer2`, ... Reads no code."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Callable, Hashable, Sequence
from dataclasses import replace

from codegen import edits, selection
from codegen.errors import CodegenError
from codegen.traced import Trace, TracedModule
from codegen.types import Report, Request

KINDS = {  # errors that may not hold of each kind of module alone -> what makes a kind
    "several-sites": ("name",),
    "ambiguous-host": ("class", "holder"),
    "container-element": ("class", "holder"),
    "unknown-width": ("class", "holder", "layout", "width"),
    "mixed-widths": ("class", "holder", "layout", "width"),
    "mixed-layouts": ("class", "holder", "layout", "width"),
}
ALIKE = ("ambiguous-host", "container-element")  # nothing is won where all are of one kind


def told(error: CodegenError, request: Request, trace: Trace) -> CodegenError:
    """The error of a draft, with the names of the sites that may each be served alone."""
    return replace(error, sites=names(trace, request, error.name)) if error.name in KINDS else error


def names(trace: Trace, request: Request, error: str) -> tuple[str, ...]:
    """The names that together mean what the request's does: as few as there are kinds of modules; () where there is one site.

    Where all are of one kind, the last part of the name that means several is named one by one.
    """
    pattern = selection.internal(request.site).split(".")
    roots = next((h.instances for h in trace.hosts if h.name == request.host), ()) if request.host else ("",)
    known = {m.name: m for m in trace.modules}
    meant = {root: selection.select(known, request.site, root) for root in roots}
    ways = {name: name.removeprefix(root).strip(".").split(".") for root, found in meant.items() for name in found}
    kinds: dict[Hashable, list[str]] = defaultdict(list)
    for name, way in ways.items():
        kinds[tuple(way) if request.host else _kind(known, known[name], request, KINDS[error])].append(name)
    if len(kinds) == 1 and error not in ALIKE:
        several = [i for i, parts in enumerate(zip(*ways.values(), strict=True)) if len({*parts}) > 1]
        kinds = defaultdict(list)
        for name, way in ways.items():
            kinds[way[several[-1]] if several else ""].append(name)
    found: list[str] = []
    for alike in kinds.values():
        columns = [dict.fromkeys(parts) for parts in zip(*(ways[name] for name in alike), strict=True)]
        parts = (  # `convs.*.0` as the user says it, else `convs.1,2,3.0`, `blocks.1,2.*.bn1`
            [*dict.fromkeys((ours if len(several) > 1 else [*several][0], ",".join(several)))]
            for ours, several in zip(pattern, columns, strict=True)
        )
        fitting = map(".".join, itertools.product(*parts))
        exact = (one for one in fitting if request.host or selection.select(known, one) == alike)
        found += [one] if (one := next(exact, "")) else [".".join(ways[name]) for name in alike]
    return tuple(selection.shown(name) for name in found) if len(found) > 1 else ()


def _kind(known: dict[str, TracedModule], module: TracedModule, request: Request, by: Sequence[str]) -> Hashable:
    holder, _, name = module.name.rpartition(".")
    after = request.sides[0] == "after"
    layout, shape = (module.after, module.output_shape) if after else (module.before, module.input_shape)
    width = shape[layout.channel_dim] if shape and layout.channel_dim is not None else 0
    about: dict[str, Hashable] = {"name": name, "class": module.class_name, "layout": layout.kind, "width": width}
    about["holder"] = known[holder].class_name if holder in known else ""
    return tuple(about[each] for each in by)


def served(requests: Sequence[Request], make: Callable[[Sequence[Request]], Report]) -> Report:
    """What `make` makes of the requests; where a name means sites that no one edit serves, of those with an edit of each."""
    notes: tuple[str, ...] = ()
    while True:
        try:
            report = make(requests)
        except CodegenError as error:
            if not error.sites:
                raise
            site = requests[max(error.edit, 1) - 1].site
            notes += (f"{site} takes {len(error.sites)} edits: {', '.join(error.sites)}",)
            requests = edits_of(requests, error)
        else:
            return replace(report, notes=(*notes, *report.notes))


def edits_of(requests: Sequence[Request], error: CodegenError) -> tuple[Request, ...]:
    """The Requests with one edit for each of the sites that the error names, in the place of the one that it is of."""
    number, asked = max(error.edit, 1) - 1, requests[0].asked or requests[0]
    texts = requests[0].edits or (edits.said(requests[0]),)
    own = edits.one_by_one(requests[number], error.sites)
    every = (*requests[:number], *own, *requests[number + 1 :])
    said = (*texts[:number], *map(edits.said, own), *texts[number + 1 :])
    return tuple(replace(request, edits=said, asked=asked) for request in every)
