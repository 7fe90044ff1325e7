"""The `__init__` of the host: the new module at its end, and what puts it in its place there. Edits no other method."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from codegen import construct, initialising, selection
from codegen.construct import Making
from codegen.ops.insert import Place
from codegen.traced import Trace
from codegen.types import Edit


def edits(place: Place, how: Making, lines: tuple[list[str], list[str]], trace: Trace | None) -> Iterator[Edit]:
    """The edit of the host's `__init__`, where it is the host that makes the module or holds a place for it.

    lines: statements that hook into loading, and those that put the module in its place.
    """
    if how is Making.LAYER:
        return
    hooks, ordering = lines[0], _where_present(place, lines[1], trace)
    late = how in (Making.LATE, Making.LATE_PASSING)
    stated = construct.statements(place.named, how, itself="" in place.site.host.instances)
    made = [initialising.filled(line, place.code, place.cls, late=late) for line in stated]
    made += [*(() if how is Making.CHOSEN else hooks), *(() if late else ordering)]
    yield construct.plan(place.code, place.cls, construct.guarded(made, construct.present(place.cls, place.site)))


def _where_present(place: Place, ordering: list[str], trace: Trace | None) -> list[str]:
    """What puts the module in its place, below a condition where some objects of the class lack the layer that is the site."""
    site, hosts = place.site, trace.hosts if trace and place.site.chosen and place.site.ordered else ()
    objects = [path for h in hosts if (h.name, h.file) == (site.host.name, site.host.file) for path in h.instances]
    lacking = any(selection.joined(path, site.attribute) not in site.names for path in objects)
    condition = construct.present(place.cls, replace(site, everywhere=False)) if lacking and not site.whole else ""
    return construct.guarded(ordering, condition) if ordering else []
