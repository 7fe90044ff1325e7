"""How a model's own code reaches the modules that a site's name means: a loop, an element of a list. Writes text only."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from codegen import naming, selection


@dataclass(frozen=True)
class Spelled:
    """`target` in the loops `headers`: ["for block in self.blocks[::2]:"] and "block"; no loop for one module."""

    headers: tuple[str, ...]
    target: str


def spelled(names: Sequence[str], pattern: str, taken: Collection[str]) -> Spelled:
    """The loops of the model's own `__init__` that reach all that a site's name means. taken: names that it uses."""
    children, parents = selection.children_of(names), [""]
    headers: list[str] = []
    target, used = "self", set(taken)
    for part in pattern.split("."):
        found = [selection.chosen(part, children[parent]) for parent in parents]
        listed = all(child.isdigit() for parent in parents for child in children[parent])
        if not all(found) or not listed and found != [found[0]] * len(found):
            return each(selection.select(names, pattern), taken)  # the parents are unlike: no loop fits them all
        if part in found[0] or listed and part.lstrip("-").isdigit():
            target = below(target, part)
        elif listed and selection.POSITIONS.fullmatch(part):
            position = naming.free("i", used)
            headers.append(f"for {position} in ({part.replace(',', ', ')}):")
            target = f"{target}[{position}]"
            used.add(position)
        else:
            variable = naming.free(_singular(target), used)
            several = f"({', '.join(below(target, child) for child in found[0])}{',' * (len(found[0]) == 1)})"
            headers.append(f"for {variable} in {_sliced(target, part) if listed else several}:")
            target = variable
            used.add(variable)
        parents = [f"{p}.{child}".lstrip(".") for p, mine in zip(parents, found, strict=True) for child in mine]
    return Spelled(tuple(headers), target)


def each(modules: Sequence[str], taken: Collection[str]) -> Spelled:
    """The loop over modules that are named one by one."""
    paths = []
    for name in modules:
        path = "self"
        for part in name.split("."):
            path = below(path, part)
        paths.append(path)
    if len(paths) == 1:
        return Spelled((), paths[0])
    variable = naming.free("module", taken)
    return Spelled((f"for {variable} in ({', '.join(paths)}):",), variable)


def below(path: str, part: str) -> str:
    """`self.blocks`, `self.blocks[3]`: how code reaches a child."""
    if part.isidentifier():
        return f"{path}.{part}"
    return f"{path}[{part}]" if part.lstrip("-").isdigit() else f'{path}.get_submodule("{part}")'


def _sliced(path: str, part: str) -> str:
    return path if part == "*" else f"{path}[{part}]"


def _singular(path: str) -> str:
    """`block` for `self.blocks`."""
    name = path.rpartition(".")[2]
    return name[:-1] if name.endswith("s") and name[:-1].isidentifier() and len(name) > 2 else "module"
