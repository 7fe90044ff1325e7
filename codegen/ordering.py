"""Where the new module stands among the children of its host, of a list, or of what a feature extractor taps: in the order in
which they are registered. Edits nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from codegen import construct, selection
from codegen.traced import Trace
from codegen.types import Site


def placed(site: Site, attributes: Sequence[str], operation: str, *, shared: bool = False) -> tuple[str, str]:
    """(statement, function) that put the module beside the site among the children of a host that runs them in order.

    shared: the same function serves the modules of several edits.
    """
    return _place(site, attributes, operation, shared=shared)


def first_layer(site: Site, attributes: Sequence[str]) -> tuple[str, str]:
    """(statement, function) that put the module in front of all other layers of a list, which may have unlike names."""
    assert site.chosen is not None
    children = selection.children_of(site.names)
    firsts = dict.fromkeys(children[name][0] for name in site.chosen.names)
    return placed(replace(site, attribute=[*firsts][0] if len(firsts) == 1 else ""), attributes, "before")


def order(
    trace: Trace, site: Site, attributes: Sequence[str], operation: str, *, shared: bool = False
) -> tuple[str, str] | None:
    """(statement, function) that do so for a feature extractor, which takes the model apart and taps its children by name.

    None where no extractor runs the children in the order of their registration, or hooks the site.
    """
    children = [m.name for m in trace.modules if m.name and "." not in m.name]
    if trace.hooked:
        on_it = site.host.instances == ("",) and site.attribute in trace.taps and operation == "after"
        return _tapped(site, attributes) if on_it else None
    tapped = [children.index(tap.split(".")[0]) for tap in trace.taps if tap.split(".")[0] in children]
    if site.host.instances != ("",) or "." in site.attribute or not tapped or children.index(site.attribute) > max(tapped):
        return None
    elements = [m.name for m in trace.modules if m.name.rpartition(".")[0] == site.attribute]
    tap = "last" if elements and elements[-1] in trace.taps else "site" if site.attribute in trace.taps else ""
    return _place(site, attributes, operation, tap=tap, extractor=True, shared=shared)


def _tapped(site: Site, attributes: Sequence[str]) -> tuple[str, str]:
    name = f"tap_{construct.joined(attributes)}"
    return f"{name}(self)", construct.rendered("tap", name=name, attribute=attributes[-1], site=site.attribute)


def _place(
    site: Site, attributes: Sequence[str], operation: str, *, shared: bool, tap: str = "", extractor: bool = False
) -> tuple[str, str]:
    after, child = operation == "after", site.attribute
    if shared and len(attributes) == 1 and child and tap != "last":
        name = "place_behind" if after else "place_before"
        text = construct.rendered("orders", name=name, after=after, extractor=extractor)
        return f'{name}(self, "{attributes[0]}", "{child}")', text
    name = f"place_{construct.joined(attributes)}"
    how = {"site": child, "after": after, "tap": tap, "extractor": extractor}
    return f"{name}(self)", construct.rendered("order", name=name, **construct.in_words(attributes), **how)
