"""What `codegen sites --json` says of a model -> the tree that a picture shows: in the order of calls, blocks that are alike
folded, what is inserted in its place. Draws nothing."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from codegen import selection

NUMBERED = re.compile(r"(.*?)(\d+)")
NEVER = 1 << 30  # behind every call


@dataclass(frozen=True)
class Node:
    """One module of the picture, or several that are alike: `blocks.0 ... blocks.11`."""

    names: tuple[str, ...]  # dotted paths of what it stands for, as a trace has them
    site: str  # what a command calls them: `blocks.*`
    label: str
    facts: Mapping[str, Any] = field(repr=False)  # of the first
    children: tuple[Node, ...] = field(default=(), repr=False)
    marked: bool = False  # a variant changes something there
    hidden: int = 0  # modules inside that are left out

    @property
    def called(self) -> bool:
        """Whether a forward of the model ran it, or what is in it."""
        return bool(self.facts["order"] >= 0 or any(child.called for child in self.children))

    @property
    def point(self) -> bool:
        """Whether it is a place between modules, or one of several calls."""
        return selection.SIGN in self.names[0]


def tree(structure: Mapping[str, Any], marks: Collection[str] = ()) -> tuple[Node, ...]:
    """The modules of a model from its children down; those of `marks` (dotted paths) are marked, and folded apart."""
    facts = {selection.internal(each["name"]): {"order": 0, **each} for each in structure["sites"]}
    children = selection.children_of(facts)

    def grown(name: str) -> Node:
        inner = tuple(grown(f"{name}.{child}") for child in children.get(name, ()))
        label = f"{_numberless(name)}{name.rpartition('.')[2]}"
        label = selection.shown(label) if selection.SIGN in label else label
        return Node((name,), selection.shown(name), label, facts[name], inner, name in marks)

    top = [grown(name) for name in children.get("", ())]
    return _folded(top, list(facts))


def found(structure: Mapping[str, Any], site: str) -> tuple[str, ...]:
    """The dotted paths that a row's site means; one that a class has (`attn` of every Block) is found by its end."""
    names = [selection.internal(each["name"]) for each in structure["sites"]]
    if meant := selection.select(names, site):
        return tuple(meant)
    inner = f".{selection.internal(site)}"
    return tuple(name for name in names if name.endswith(inner))


def pruned(nodes: Sequence[Node], rows: int) -> tuple[Node, ...]:
    """As deep as fits into so many rows; what is marked is shown in any case, with what stands beside it."""
    depth = 1
    while depth < 12 and count(_cut(nodes, depth + 1)) <= rows:
        depth += 1
    return _cut(nodes, depth)


def count(nodes: Sequence[Node]) -> int:
    """How many rows a picture of them has."""
    return sum(1 + count(node.children) for node in nodes)


def walked(nodes: Sequence[Node]) -> Iterator[Node]:
    """Every node, each before its children."""
    for node in nodes:
        yield node
        yield from walked(node.children)


def _numberless(name: str) -> str:
    """A number says nothing alone: `blocks.` in front of `3`, `features.1.` in front of `0`."""
    *above, last = name.split(".")
    before = 0
    while before < len(above) and (last if not before else above[-before]).isdigit():
        before += 1
    return "".join(f"{part}." for part in above[len(above) - before :])


def _cut(nodes: Sequence[Node], depth: int) -> tuple[Node, ...]:
    return tuple(
        replace(node, children=_cut(node.children, depth - 1))
        if depth > 1 or any(inner.marked for inner in walked(node.children))
        else replace(node, children=(), hidden=count(node.children))
        for node in nodes
    )


def _order(node: Node) -> int:
    own = node.facts["order"] if node.facts["order"] >= 0 else NEVER
    return int(min([own, *map(_order, node.children)]))


def _folded(nodes: Sequence[Node], names: Sequence[str]) -> tuple[Node, ...]:
    """Siblings in the order of their calls; consecutive numbers that are alike are one."""
    runs: list[list[Node]] = []
    for node in sorted(nodes, key=_order):
        if runs and _follows(runs[-1][-1], node):
            runs[-1].append(node)
        else:
            runs.append([node])
    return tuple(_joined(run, names) for run in runs)


def _follows(node: Node, other: Node) -> bool:
    one, two = (NUMBERED.fullmatch(each.names[0].rpartition(".")[2]) for each in (node, other))
    if not one or not two or node.point or one[1] != two[1] or int(one[2]) + 1 != int(two[2]):
        return False
    return _kind(node, whole=True) == _kind(other, whole=True)


def _kind(node: Node, *, whole: bool) -> tuple[object, ...]:
    """What makes two modules alike; of what is inside them other channels make no difference, another size does."""
    shape = node.facts["output_shape"]
    own = shape if whole else _space(node)
    inner = tuple((child.names[0].rpartition(".")[2], _kind(child, whole=False)) for child in node.children)
    return node.facts["class_name"], tuple(own), node.called, node.marked, inner


def _space(node: Node) -> list[int]:
    shape, kind = node.facts["output_shape"], node.facts["layout"]["kind"]
    channel = kind.index("C") if kind and len(kind) == len(shape) else -1
    return [size for dim, size in enumerate(shape) if dim != channel]


def _joined(run: Sequence[Node], names: Sequence[str]) -> Node:
    """One node for siblings that are alike, with the sites that mean them all."""
    first = run[0]
    if len(run) == 1:
        return replace(first, children=_folded(first.children, names))
    last = run[-1].names[0].rpartition(".")[2]
    joined = _gathered(run, names)
    return replace(joined, label=f"{first.label} … {last}", children=_folded(joined.children, names))


def _gathered(run: Sequence[Node], names: Sequence[str]) -> Node:
    every = tuple(name for node in run for name in node.names)
    inner = [_gathered(alike, names) for alike in zip(*(node.children for node in run), strict=True)]
    return replace(run[0], names=every, site=selection.shown(_covering(names, every)), children=tuple(inner))


def _covering(names: Sequence[str], meant: Sequence[str]) -> str:
    """A site's name for modules whose paths differ in one part: `blocks.*.attn`, `blocks.3:9`, `denselayer*`."""
    parts = list(zip(*(name.split(".") for name in meant), strict=True))
    if all(len(set(part)) == 1 or all(word.isdigit() for word in part) for part in parts):
        return selection.covering(names, meant)
    stem: dict[int, str] = defaultdict(str)
    for index, part in enumerate(parts):
        match = NUMBERED.fullmatch(part[0])
        stem[index] = part[0] if len(set(part)) == 1 else f"{match[1] if match else ''}*"
    pattern = ".".join(stem[index] for index in range(len(parts)))
    return pattern if selection.select(names, pattern) == [*meant] else meant[0]
