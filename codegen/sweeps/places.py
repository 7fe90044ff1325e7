"""Where the sites of a grid are in one model: `every-stage`, `every-block`, `stem`, `before-head` and globs as names of sites.

What is a stage or a block is told by the measured structure alone: which children are alike, their parameters, what they
return. No name of a model or a class steers it.
"""

from __future__ import annotations

import dataclasses
import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from codegen import selection
from codegen.errors import CodegenError
from codegen.traced import Trace

STAGE, BLOCK, STEM, HEAD = "every-stage", "every-block", "stem", "before-head"
WORDS = {
    STAGE: "each stage: the largest children that are alike; of a plain transformer its blocks",
    BLOCK: "each block of each stage, one cell for each",
    STEM: "what runs last before the first stage",
    HEAD: "what runs last and still returns a map or tokens; with the operation before, the place in front of the pool",
}
TOGETHER = re.compile(r"all\((.*)\)", re.DOTALL)  # one cell with the module at all of them
POOL = "@pool"  # a place between modules, see `selection`
NUMBERED = re.compile(r"(\D*)\d+")
Order = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Seen:
    """A module of the model, as it ran."""

    name: str
    class_name: str
    calls: int
    parameters: int
    shape: tuple[int, ...]
    kind: str  # of the layout of what it returns


class Map:
    """The modules of one model by their names, and in which order they run."""

    def __init__(self, modules: Sequence[Seen], order: Order) -> None:
        """order: (owner, module) of each call in `forward`, as they came."""
        self.modules = {module.name: module for module in modules}
        self.order = order
        self.names = [name for name in self.modules if name]
        plain = [name for name in self.names if selection.SIGN not in name]
        children = selection.children_of(plain)
        self.below = {parent: [selection.joined(parent, child) for child in found] for parent, found in children.items()}

    def weighted(self, name: str) -> list[str]:
        """The children with parameters."""
        return [child for child in self.below.get(name, []) if self.modules[child].parameters]

    def listed(self, name: str) -> bool:
        """Whether its children are numbered: `0`, `1` or `denselayer1`, `denselayer2`."""
        found = [NUMBERED.fullmatch(child.rpartition(".")[2]) for child in self.below.get(name, [])]
        return bool(found) and all(found) and len({match[1] for match in found if match}) == 1


def of(trace: Trace) -> Map:
    """The Map of a model that was run."""
    modules = [Seen(m.name, m.class_name, m.calls, m.parameters, m.output_shape, m.after.kind) for m in trace.modules]
    calls = [(c.owner, c.module) for c in trace.calls if c.path == "forward" and selection.SIGN not in c.module]
    return Map(modules, tuple(dict.fromkeys(calls)))


def resolve(found: Map, site: str, operation: str, source: str) -> list[str]:
    """The names of sites, as `codegen insert` takes them, that a site of a grid means in a model: a cell for each.

    Raises CodegenError("unknown-site") where it means none.
    """
    if together := TOGETHER.fullmatch(site):
        return [_together(found, together[1].strip(), operation, source)]
    if site in WORDS:
        names = {STAGE: stages, BLOCK: blocks, STEM: _stem, HEAD: _head}[site](found, operation)
        if not names:
            what = f"{source}: nothing in the model is what {site} means: {WORDS[site]}"
            raise CodegenError("unknown-site", what, "codegen sites SOURCE lists the sites: give their names")
        return [selection.shown(name) for name in names]
    names = selection.select(found.names, site)
    running = [name for name in names if found.modules[name].calls or selection.SIGN in name]
    if not names:
        near = difflib.get_close_matches(site, [selection.shown(name) for name in found.names], 3)
        hint = f"did you mean {' or '.join(near)}?" if near else "codegen sites SOURCE lists the sites"
        raise CodegenError("unknown-site", f"{source} has no site {site}", hint)
    return [selection.shown(name) for name in running or names]


def _together(found: Map, site: str, operation: str, source: str) -> str:
    """One name for all sites that are meant."""
    names = [selection.internal(name) for name in resolve(found, site, operation, source)]
    if site not in WORDS:
        return site
    pattern = _starred(found, names)
    level = len({name.count(".") for name in names}) == 1
    if not pattern and level and all(map(_counted, zip(*map(_parts, names), strict=True))):
        pattern = selection.covering(found.names, names)
        pattern = pattern if {*selection.select(found.names, pattern)} == {*names} else ""
    if not pattern:
        shown = ", ".join(selection.shown(name) for name in names)
        raise CodegenError("unknown-site", f"{source}: no one name means all of {shown}", "give the name of some of them")
    return selection.shown(pattern)


def _parts(name: str) -> list[str]:
    return name.split(".")


def _counted(column: Sequence[str]) -> bool:
    """Whether these parts of names are the same, or positions."""
    return len({*column}) == 1 or all(part.isdigit() for part in column)


def _starred(found: Map, names: Sequence[str]) -> str:
    """`layer*` for layer1, layer2 ...; "" where no such name means just these."""
    if len({name.count(".") for name in names}) > 1:
        return ""
    parts = [[*dict.fromkeys(column)] for column in zip(*map(_parts, names), strict=True)]
    heads = [NUMBERED.fullmatch(column[0]) for column in parts]
    starred = [f"{head[1] if head else ''}*" for head in heads]
    pattern = ".".join(column[0] if len(column) == 1 else star for column, star in zip(parts, starred, strict=True))
    return pattern if {*selection.select(found.names, pattern)} == {*names} else ""


def stages(found: Map, operation: str = "after") -> list[str]:
    """The stages of a model; where one is a list that is never run itself, the last (first) of its elements."""
    return [_run(found, name, operation) for name in _stages(found, "")]


def _stages(found: Map, parent: str) -> list[str]:
    group = _group(found, parent)
    if len(group) > 1 or group and found.listed(parent):
        return group
    weight = sum(found.modules[name].parameters for name in group)
    for child in found.weighted(parent):  # one that holds the blocks and the classifier behind them
        if _is_vector(found.modules[child]) and found.modules[child].parameters > weight and (held := _stages(found, child)):
            return held
    return _stages(found, group[0]) if group else []


def blocks(found: Map, operation: str = "after") -> list[str]:
    """The blocks of all stages."""
    every = _stages(found, "")
    shapes = [found.modules[_run(found, name, "after")].shape for name in every]
    apart = all(one != other for one, other in zip(shapes, shapes[1:], strict=False))  # else they are blocks themselves
    return [_run(found, block, operation) for stage in every for block in _blocks(found, stage, apart)]


def _blocks(found: Map, stage: str, apart: bool) -> list[str]:
    group = _group(found, stage)
    if group and found.listed(stage):
        return group
    if not apart or not group:
        return [stage]
    inner = _group(found, group[0]) if len(group) == 1 and found.listed(group[0]) else []
    whole = found.modules[stage].parameters
    alike = len({found.modules[name].shape for name in inner}) == 1
    return inner if alike and 2 * sum(found.modules[name].parameters for name in inner) > whole else [stage]


def _group(found: Map, parent: str) -> list[str]:
    """Those children that are alike and have most of the parameters, of all that have children and return a map or tokens."""
    groups: list[list[str]] = []
    for child in found.weighted(parent):
        if found.weighted(child) and not _is_vector(found.modules[child]):
            home = next((group for group in groups if _alike(found, group, child)), None)
            groups.append([child]) if home is None else home.append(child)
    return max(groups, key=lambda group: sum(found.modules[name].parameters for name in group), default=[])


def _alike(found: Map, group: Sequence[str], child: str) -> bool:
    """Of one class, and made of the same; if they are numbered it is enough that both are made of more than layers."""
    if found.modules[group[0]].class_name != found.modules[child].class_name:
        return False
    classes = [{found.modules[name].class_name for name in found.weighted(parent)} for parent in (*group, child)]
    if any(classes[-1] & others for others in classes[:-1]):
        return True
    heads = [NUMBERED.fullmatch(name.rpartition(".")[2]) for name in (group[0], child)]
    numbered = all(heads) and len({head[1] for head in heads if head}) == 1
    return numbered and all(any(found.weighted(name) for name in found.weighted(parent)) for parent in (group[0], child))


def _is_vector(module: Seen) -> bool:
    """Whether it returns one vector for each sample, as a map of 1x1 is."""
    return module.kind == "NC" or bool(module.shape) and sorted(module.shape[1:])[-2:-1] in ([], [1])


def _run(found: Map, name: str, operation: str) -> str:
    """The module itself, or of a list that is never run its last or first element."""
    while not found.modules[name].calls and found.below.get(name):
        name = found.below[name][0 if operation == "before" else -1]
    return name


def _stem(found: Map, operation: str) -> list[str]:
    """What runs last before the first stage, beside it or beside what holds it."""
    first = next(iter(_stages(found, "")), "")
    while first:
        inside = (first, f"{first}.")
        entered = [pair for pair in found.order if _within(pair[1], inside) and not _within(pair[0], inside)]
        owner = entered[0][0] if entered else first.rpartition(".")[0]
        names = [name for its, name in found.order if its == owner]
        position = next((index for index, name in enumerate(names) if _within(name, inside)), 0)
        if position:
            return [names[position - 1]]
        first = owner
    return []


def _within(name: str, inside: tuple[str, str]) -> bool:
    return name == inside[0] or name.startswith(inside[1])


def _head(found: Map, operation: str) -> list[str]:
    """What runs last and is no vector yet; in front of the pool."""
    if operation == "before":
        pools = [name for name in found.names if name.rpartition(".")[2] == POOL]
        return sorted(pools, key=lambda name: (name.count("."), -found.names.index(name)))[:1]
    owner = ""
    while names := [name for its, name in found.order if its == owner]:
        maps = [name for name in names if found.modules[name].shape and not _is_vector(found.modules[name])]
        if maps:
            return maps[-1:]
        owner = max(names, key=lambda name: found.modules[name].parameters)
    return []


def as_json(found: Map) -> dict[str, object]:
    """The Map as values."""
    return {"modules": [[*dataclasses.astuple(module)] for module in found.modules.values()], "order": [*found.order]}


def from_json(values: Mapping[str, Any]) -> Map:
    """The Map of such values."""
    lists = [dict(zip((f.name for f in dataclasses.fields(Seen)), each, strict=True)) for each in values["modules"]]
    modules = [Seen(**{**each, "shape": tuple(each["shape"])}) for each in lists]
    return Map(modules, tuple((owner, name) for owner, name in values["order"]))
