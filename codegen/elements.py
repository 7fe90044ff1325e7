"""Layers of torch's in a list of torch's: `features.3`, `blocks.*.mlp.1`, `heads.cls`. Whose code runs them, and how.

Reads no code.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from enum import Enum
from pathlib import Path

from codegen import selection
from codegen.errors import CodegenError
from codegen.traced import Call, HostClass, Trace, TracedModule
from codegen.types import Request, Site

LISTS = ("Sequential", "ModuleList", "ModuleDict")
KEYED, NAMED = '["{}"]', '.get_submodule("{}")'  # how code reaches an element of a list that has no position of its own


class Edited(Enum):
    """What changes so that a site gets its module."""

    USUAL = "the code that runs the site, or what is usual for elements of lists"
    PART = "the run of the part of an nn.Sequential that holds the site, which is parted again"
    LAYER = "an nn.Sequential, which gets another layer"
    CLASS = "the class of the named modules themselves"


def edited(site: Site) -> Edited:
    """The way that leads to this site again."""
    return Edited.CLASS if site.whole else Edited.LAYER if site.layered else Edited.PART if site.parted else Edited.USUAL


def manner(trace: Trace, request: Request, meant: Sequence[TracedModule], edited: Edited) -> tuple[bool, str, str | None]:
    """(whether the class of the modules is edited, the way to them, where the module becomes a layer): see `way`, `layer`."""
    whole, wanted = edited is Edited.CLASS, edited is Edited.LAYER
    layered = hooked(trace, request, meant) if request.hook else layer(trace, request, meant, wanted=wanted)
    if layered and not request.hook and _counted(trace, meant) and are_own(trace, meant):
        return True, "", None  # another layer would move those behind it
    found = "" if whole or layered is not None else way(trace, meant)
    whole = whole or layered == "" or layered is None and not found and are_own(trace, meant)
    tapped = layered is None and also_runs_itself(trace, {m.name for m in meant})
    if layered is None and (whole or tapped) and takes_layer(trace, request, meant):
        return True, "", ""
    return whole, found, layered


def way(trace: Trace, meant: Sequence[TracedModule]) -> str:
    """The way to such layers from the objects whose code runs them: `features.3` from the model, `mlp.1` from blocks; "" for
    modules that are none, or that stand in several places of their lists.

    Elements whose class has a file of its own get the module there, all but those of the model's own nn.Sequential that are
    of another file's class.
    """
    own = {path for h in trace.hosts for path in h.instances}
    lists = {m.name: m for m in trace.modules if m.class_name in LISTS and m.name not in own}
    ways = {_way(m.name, lists) for m in meant}
    found = next(iter(ways))
    if len(ways) > 1 or "." not in found:
        return ""
    owned = [m for m in meant if m.name in own]
    if not owned:
        return found
    model = next((h for h in trace.hosts if "" in h.instances), None)
    here = {path for h in trace.hosts if model and h.file == model.file for path in h.instances}
    holder = meant[0].name.rpartition(".")[0]
    foreign = model is not None and meant[0].name not in here
    ran_whole = lists[holder].class_name == "Sequential" and holder in {c.module for c in trace.calls}
    return found if foreign and ran_whole and found == meant[0].name and found.count(".") == 1 else ""


def _way(name: str, lists: dict[str, TracedModule]) -> str:
    owner, _, attribute = name.rpartition(".")
    while owner in lists and owner:
        owner, _, holder = owner.rpartition(".")
        attribute = f"{holder}.{attribute}"
    return attribute


def layer(trace: Trace, request: Request, meant: Sequence[TracedModule], *, wanted: bool = False) -> str | None:
    """Where the module becomes a layer of an nn.Sequential of torch's, what the site is called in that list: "0" for `stem.0`,
    "" where the elements are such lists themselves, each with a module at its end (before: in front). None for other sites.

    So it is where elements are several, and where the code around them can run nothing between them. An nn.Sequential runs
    what is put into it however it is run itself: as a whole, in a loop, or taken out of the model. wanted: also where the
    code around could be edited.
    """
    own = {path for h in trace.hosts for path in h.instances}
    if request.operation not in ("after", "before") or request.element or "" not in own or trace.hosts[0].variable:
        return None
    lists = {m.name: m for m in trace.modules if m.class_name in LISTS and m.name not in own}
    holders = {m.name.rpartition(".")[0] for m in meant}
    if not holders <= lists.keys() or not all(_hands_on(m, request) for m in meant):
        return None
    filled = {m.name.rpartition(".")[0] for m in trace.modules}
    chains = all(m.name in lists and m.class_name == "Sequential" and m.name in filled for m in meant)
    ways = {_way(m.name, lists) for m in meant}
    if len(ways) > 1:
        return "" if chains else None
    # features_only takes the model apart, and runs the elements of its lists one by one
    taken_apart = ways == {meant[0].name} and meant[0].name.count(".") == 1 and _taken_apart(trace, [*holders][0])
    if not wanted and not taken_apart and not _run_by_another(trace, holders, [*ways][0].rpartition(".")[0]):
        return None
    single = len(meant) == 1 or wanted and len({m.name.rpartition(".")[2] for m in meant}) == 1
    single = single and all(lists[name].class_name == "Sequential" for name in holders) and bool(way(trace, meant))
    return "" if chains else meant[0].name.rpartition(".")[2] if single else None


def _counted(trace: Trace, meant: Sequence[TracedModule]) -> bool:
    """Whether the code around the lists of these modules also runs their elements one by one, and may count them."""
    holders = {m.name.rpartition(".")[0] for m in meant}
    return any(c.module.rpartition(".")[0] in holders and c.owner not in holders for c in trace.calls)


def are_own(trace: Trace, meant: Sequence[TracedModule]) -> bool:
    """Whether what holds the modules is a list of torch's, and they are of classes of their own."""
    held = {path for h in trace.hosts for path in h.instances}
    owners = {m.name.rpartition(".")[0] for m in meant}
    return not owners & held and "" not in owners and {m.name for m in meant} <= held


def takes_layer(trace: Trace, request: Request, meant: Sequence[TracedModule]) -> bool:
    """Whether the module becomes a layer of elements that inherit torch's nn.Sequential.forward, in the manner of `layer`."""
    own = {path for h in trace.hosts for path in h.instances}
    if request.operation not in ("after", "before") or request.element or "" not in own or trace.hosts[0].variable:
        return False
    names = {m.name for m in meant}
    ran = run_in_order(trace, names) or also_runs_itself(trace, names)
    return ran and all(m.name and _hands_on(m, request) for m in meant)


def also_runs_itself(trace: Trace, names: Collection[str]) -> bool:
    """Whether these objects inherit torch's nn.Sequential.forward, and a method of their own runs their layers as well.

    The code around them calls `self.stem(x)` here and `self.stem.tapped(x)` there.
    """
    runs = [c for c in trace.calls if c.owner in names]
    own = {c.owner for c in runs if not _is_torchs(c)}
    return own == {c.owner for c in runs if _is_torchs(c)} == {*names}


def _hands_on(module: TracedModule, request: Request) -> bool:
    """Whether a list that runs it would give one more layer beside it a tensor."""
    return module.output_kind == "tensor" and (request.operation != "before" or module.input_kind == "tensor")


def hooked(trace: Trace, request: Request, meant: Sequence[TracedModule]) -> str:
    """The same where a forward hook of the sites runs the module, which stands in them: "", for they are meant themselves.

    Raises CodegenError("no-hook") where a hook would not see what the module is to get, or give what it returns.
    """
    ran = {c.module for c in trace.calls}
    own = next((h for h in trace.hosts if "" in h.instances and not h.inherited), None)
    given = request.operation != "after"
    why = {
        "the model's class, which would make the module, is no class of a file": own is None or bool(own.variable),
        "the place is no module": any(selection.is_point(m.name.rpartition(".")[2]) for m in meant),
        "a list runs what stands in it": any(m.class_name in LISTS for m in meant),
        "it is not called itself": any(not m.calls and m.name not in ran for m in meant),
        "it returns no tensor alone": request.operation != "before" and any(m.output_kind != "tensor" for m in meant),
        "the tensor is not the first of its arguments": given
        and any((m.input_argument, m.input_kind) != ("0", "tensor") for m in meant),
        "it changes what it is given": request.operation == "beside" and any(m.in_place for m in meant),
    }
    if found := next((reason for reason, holds in why.items() if holds), ""):
        what = f"no forward hook can run a module {request.operation} {request.site}: {found}"
        raise CodegenError("no-hook", what, "leave --hook out")
    return ""


def _taken_apart(trace: Trace, child: str) -> bool:
    """Whether a feature extractor runs the layers of a child of the model: it does so up to the last one that it taps."""
    children = [m.name for m in trace.modules if m.name and "." not in m.name]
    tapped = [children.index(name) for tap in trace.taps if (name := tap.partition(".")[0]) in children]
    return bool(tapped) and not trace.hooked and children.index(child) <= max(tapped)


def ordered(trace: Trace, site: Site) -> bool:
    """Whether the host's objects inherit torch's nn.Sequential.forward, and only that runs the site (the layers in it)."""
    if site.whole:
        return site.host.indexed and run_in_order(trace, site.host.instances)
    names = {selection.joined(owner, site.attribute) for owner in site.host.instances}
    runs = [c for c in trace.calls if c.module in names]
    return bool(runs) and all(_is_torchs(c) and c.owner in site.host.instances for c in runs)


def run_in_order(trace: Trace, names: Collection[str]) -> bool:
    """Whether each of these objects runs its children by torch's own nn.Sequential.forward, and only so."""
    runs = [c for c in trace.calls if c.owner in names]
    return {c.owner for c in runs} == {*names} and all(map(_is_torchs, runs))


def _is_torchs(call: Call) -> bool:
    return call.method == "Sequential.forward" and Path(call.file).parent.name == "modules"


def maker(trace: Trace, meant: Sequence[TracedModule], attribute: str) -> HostClass:
    """The class of the model, which makes the modules of these lists."""
    return replace(trace.hosts[0], instances=tuple(selection.parted(m.name, attribute) for m in meant))


def is_parted(trace: Trace, site: Site, edited: Edited) -> bool:
    """Whether the list that holds the element is run as a whole, or a part of it, where that is asked for: then its run is
    parted. Raises CodegenError("container-element") where that is done by another list.
    """
    holder = site.attribute.rpartition(".")[0]
    holders = {selection.joined(owner, holder) for owner in site.host.instances}
    ran = any(c.module in holders or edited is Edited.PART and _in_a_part(c, site) for c in trace.calls)
    if site.host.variable or not ran:
        return False
    if other := _run_by_another(trace, holders, holder):
        what = f"{site.name} is an element of {holder}, which {other} runs, a list of torch's too"
        raise CodegenError("container-element", what, f"insert after {holder}")
    return True


def _in_a_part(call: Call, site: Site) -> bool:
    """Whether the host runs the element in a part of the list: `self.features[4:](x)`."""
    return call.module == selection.joined(call.owner, site.attribute) and call.owner in site.host.instances and not call.direct


def _run_by_another(trace: Trace, holders: Collection[str], way: str) -> str:
    """The list that runs one of the lists `holders`, "" where all are run by the objects from which `way` leads to them."""
    calls = (c for c in trace.calls if c.module in holders)
    return next((c.owner for c in calls if c.owner != selection.parted(c.module, way)), "")


def is_list(trace: Trace, module: TracedModule) -> bool:
    """Whether a module is a list of torch's, or of a class that derives from one."""
    own = (h for h in trace.hosts if module.name in h.instances)
    return module.class_name in LISTS or any(h.indexed or h.keyed for h in own)


def dicts(trace: Trace) -> dict[str, str]:
    """The modules whose elements are reached by key, `self.heads["cls"]`, or by name: their positions are not their names where
    `se` stands between `0` and `1`.
    """
    children = selection.children_of(m.name for m in trace.modules)
    lists = {m.name for m in trace.modules if m.class_name in ("Sequential", "ModuleList")}
    lists |= {path for h in trace.hosts if h.indexed for path in h.instances}
    mixed = [name for name in lists if any(c.isdigit() and int(c) != at for at, c in enumerate(children[name]))]
    keyed = {path for h in trace.hosts if h.keyed for path in h.instances}
    keyed |= {m.name for m in trace.modules if m.class_name == "ModuleDict"}
    return dict.fromkeys(mixed, NAMED) | dict.fromkeys(keyed, KEYED)


def demand(trace: Trace, site: Site) -> None:
    """Raises CodegenError("container-element") where the list of some of these objects has no such element."""
    names = {m.name for m in trace.modules}
    holder = site.attribute.rpartition(".")[0]
    objects = {p for h in trace.hosts if (h.name, h.file) == (site.host.name, site.host.file) for p in h.instances}
    lacking = [
        path
        for path in sorted(objects)
        if selection.joined(path, holder) in names and selection.joined(path, site.attribute) not in names
    ]
    if lacking:
        raise CodegenError(
            "container-element",
            f"{site.name}: {selection.joined(lacking[0], holder)} has no such element, those of other {site.host.name}s have",
            "choose the objects that have it, by their names",
        )


def refused(name: str, element: str) -> CodegenError:
    """Of elements that no edit of one class reaches."""
    owner = element.rpartition(".")[0]
    return CodegenError(
        "container-element",
        f"{name} is an element of the container {owner}, and both are of classes of torch",
        f"insert after the container itself ({owner})",
    )
