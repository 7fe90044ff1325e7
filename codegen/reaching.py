"""How a model's own code reaches the modules that a site's name means: a loop, an element of a list. Writes text only."""

from __future__ import annotations

import ast
import functools
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from codegen import naming, selection
from codegen.elements import KEYED, NAMED
from codegen.types import Site


@dataclass(frozen=True)
class Spelled:
    """`target` in the loops `headers`: ["for block in self.blocks[::2]:"] and "block"; no loop for one module."""

    headers: tuple[str, ...]
    target: str


def spelled(
    names: Sequence[str],
    pattern: str,
    taken: Collection[str],
    dicts: Mapping[str, str] = MappingProxyType({}),
    meant: Sequence[str] = (),
) -> Spelled:
    """The loops of the model's own `__init__` that reach all that a site's name means. taken: names that it uses; dicts: how
    the elements of some lists are reached, `KEYED` those of an nn.ModuleDict; meant: what is reached where no loop fits.
    """
    children, parents = selection.children_of(names), [""]
    headers: list[str] = []
    target, used = "self", set(taken)
    for part in _told(pattern, selection.select(names, pattern)):
        found = selection.chosen(part, [children[parent] for parent in parents])
        listed = all(child.isdigit() for parent in parents for child in children[parent])
        ways = {dicts.get(parent, "") for parent in parents}
        how = ways.pop() if len(ways) == 1 else ""
        every = part == "*" or "*" in part and found == [children[parent] for parent in parents]
        if not all(found) or not (listed or every) and found != [found[0]] * len(found):
            return each(meant or selection.select(names, pattern), taken, dicts)  # the parents are unlike: no loop fits all
        if part in found[0] or listed and part.lstrip("-").isdigit():
            target = below(target, part, how)
        elif not listed and "*" not in part and len(found[0]) == 1:  # `-1` of children that have names
            target = below(target, found[0][0], how)
        elif listed and selection.POSITIONS.fullmatch(part):
            position = naming.free("i", used)
            headers.append(f"for {position} in ({part.replace(',', ', ')}):")
            target = f"{target}[{position}]"
            used.add(position)
        else:
            variable = naming.free(_singular(target), used)
            several = f"({', '.join(below(target, child, how) for child in found[0])}{',' * (len(found[0]) == 1)})"
            if every and not listed and target != "self":  # in another build there may be fewer
                several = f"{target}.{'values' if how == KEYED else 'children'}()"
            headers.append(f"for {variable} in {_sliced(target, part) if listed else several}:")
            target = variable
            used.add(variable)
        parents = [f"{p}.{child}".lstrip(".") for p, mine in zip(parents, found, strict=True) for child in mine]
    return Spelled(tuple(headers), target)


def _told(pattern: str, meant: Sequence[str]) -> list[str]:
    """The parts of a pattern; `*` as the name that it means, where that is one: `*.blocks.*` where only `trunk` has blocks."""
    columns = [{*column} for column in zip(*(name.split(".") for name in meant), strict=True)]
    told = zip(pattern.split("."), columns, strict=True)
    return [min(column) if part == "*" and len(column) == 1 and min(column).isidentifier() else part for part, column in told]


def in_host(site: Site, me: str) -> str:
    """How the host's methods name a site, where they call themselves `me`: `self.stem`, `self.heads["cls"]`, `self[0]`."""
    if "." in site.attribute:
        return along(me, selection.parted(site.module.name, site.attribute), site.attribute, site.dicts)
    how = KEYED if site.host.keyed else site.dicts.get(site.module.name.rpartition(".")[0], "")
    return below(me, site.attribute, "" if site.attribute.isidentifier() else how)


def tested(site: Site, me: str, cut_short: Collection[str], edge: str = "") -> str:
    """How a condition names the site, or its first or last element (edge: "[0]", "[-1]"). Of a list that the class cuts short
    itself it may be gone then: `block is getattr(self.blocks, "3", None)`.
    """
    named, (first, _, rest) = in_host(site, me), site.attribute.partition(".")
    index = rest.partition(".")[0]
    if first not in cut_short or not index.isdigit() or index == "0":  # what runs one element has the first
        return f"{named}{edge}"
    if rest == index and not edge:
        return f'getattr({me}.{first}, "{index}", None)'
    return f"({named}{edge} if len({me}.{first}) > {index} else None)"


def holder(site: Site, me: str) -> str:
    """How they name the list that holds it: `self.heads`, "" where it is a child of the host itself."""
    way = site.attribute.rpartition(".")[0]
    return along(me, selection.parted(site.module.name, site.attribute), way, site.dicts) if way else ""


def names(site: Site, node: ast.expr, me: str) -> bool:
    """Whether an expression names the site: `self.heads["cls"]`, or `self.heads.cls`."""
    return ast.unparse(node) in (unparsed(in_host(site, me)), selection.joined(me, site.attribute))


def elements(site: Site) -> list[str]:
    """The names of all elements of the list in which the site stands."""
    path = f"{site.module.name.rpartition('.')[0]}."
    names = [name.removeprefix(path) for name in site.names if name.startswith(path)]
    return [name for name in names if "." not in name]


def part(node: ast.expr, listed: Collection[str], length: int) -> range:
    """The positions of a list that an expression stands for: all of `self.blocks`, some of `self.blocks[1:4]`; none of
    another one. listed: how the list is named; length: how many elements it has.
    """
    if ast.unparse(node) in listed:
        return range(length)
    bounds = node.slice if isinstance(node, ast.Subscript) and ast.unparse(node.value) in listed else None
    if not isinstance(bounds, ast.Slice) or bounds.step:
        return range(0)
    first, last = (ast.unparse(end) if end else "" for end in (bounds.lower, bounds.upper))
    if not all(re.fullmatch(r"-?\d*", end) for end in (first, last)):
        return range(0)
    return range(length)[int(first or 0) : int(last) if last else None]


def is_named(callee: ast.expr, names: Mapping[str, str]) -> bool:
    """Whether a callee stands for a module; `next(map(self.norm, xs))` calls one without naming it. names: of the modules that
    the method's variables held.
    """
    if isinstance(callee, ast.Name):
        return callee.id in names
    by_getattr = isinstance(callee, ast.Call) and isinstance(callee.func, ast.Name) and callee.func.id == "getattr"
    return by_getattr or isinstance(callee, (ast.Attribute, ast.Subscript))


def handed_on(call: ast.Call, position: int = 0) -> list[ast.expr]:
    """What a call gives to the module that it is given at a position: `[x]` of checkpoint(self.m, x), and of torch's
    checkpoint_sequential(self.m, segments, x).
    """
    return call.args[position + 1 + in_segments(call) :]


def in_segments(call: ast.Call) -> bool:
    """Whether torch's checkpoint_sequential runs a list: in as many segments as it is told, too many for a part of it."""
    return ast.unparse(call.func).rpartition(".")[2] == "checkpoint_sequential"


def is_end(part: ast.Slice, sides: Collection[str]) -> bool:
    """Whether a part of a list has its last element, `self.body[2:]`; before: its first."""
    return not (part.step or (part.upper if "after" in sides else part.lower))


@functools.lru_cache(maxsize=64)
def unparsed(text: str) -> str:
    """An expression as `ast.unparse` writes it."""
    return ast.unparse(ast.parse(text, mode="eval"))


def key(site: Site, callee: ast.expr, me: str) -> str:
    """`task` for the callee `self.heads[task]`, where the site is one of the nn.ModuleDict `self.heads`; else ""."""
    if site.dicts.get(site.module.name.rpartition(".")[0]) != KEYED or not isinstance(callee, ast.Subscript):
        return ""
    named = holder(site, me)
    return ast.unparse(callee.slice) if named and ast.unparse(callee.value) == unparsed(named) else ""


def each(modules: Sequence[str], taken: Collection[str], dicts: Mapping[str, str] = MappingProxyType({})) -> Spelled:
    """The loop over modules that are named one by one."""
    paths = [one(name, dicts) for name in modules]
    if len(paths) == 1:
        return Spelled((), paths[0])
    variable = naming.free("module", taken)
    return Spelled((f"for {variable} in ({', '.join(paths)}):",), variable)


def one(name: str, dicts: Mapping[str, str] = MappingProxyType({})) -> str:
    """How the model's code reaches one module: `self.heads["cls"]`."""
    return along("self", "", name, dicts) if name else "self"


def along(path: str, parent: str, way: str, dicts: Mapping[str, str]) -> str:
    """The same from a module of the model: `block.mlp[1]`. path: how the code names it; parent: its name in the model."""
    for part in way.split("."):
        path = below(path, part, dicts.get(parent, ""))
        parent = selection.joined(parent, part)
    return path


def below(path: str, part: str, how: str = "") -> str:
    """`self.blocks`, `self.blocks[3]`, `self.heads["cls"]`: how code reaches a child. how: of a list, `KEYED` or `NAMED`."""
    if how == KEYED or how and not part.isidentifier():
        return path + how.format(part)
    if part.isidentifier():
        return f"{path}.{part}"
    return f"{path}[{part}]" if part.lstrip("-").isdigit() else path + NAMED.format(part)


def _sliced(path: str, part: str) -> str:
    return path if part == "*" else f"{path}[{part}]"


def _singular(path: str) -> str:
    """`block` for `self.blocks`."""
    name = path.rpartition(".")[2]
    return name[:-1] if name.endswith("s") and name[:-1].isidentifier() and len(name) > 2 else "module"
