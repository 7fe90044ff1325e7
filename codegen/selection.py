"""Which modules a site's name means: `blocks.3`, `blocks.2,5,8`, `blocks.-1`, `blocks.::2`, `stages.*.norm`.

A part of the name is a child's name, one with `*` in it, a position (`-1`), positions (`2,5,8`) or a slice (`::2`); behind
a sign the name of a place between modules: `blocks.*@residual1`. Pure.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence

from codegen.errors import CodegenError

CHOSEN = "codegen_chosen"  # in an expression of the model's `__init__`: a module that is meant, however the code reaches it
OWNER = "codegen_owner"  # likewise the module that holds it
POSITIONS = re.compile(r"-?\d+(,-?\d+)*")
SIGN = "@"
SLICE = re.compile(r"(-?\d*):(-?\d*)(?::(-?\d*))?")


def select(names: Iterable[str], pattern: str, root: str = "") -> list[str]:
    """The dotted names among `names` that a site name means below `root`; [] where it means none."""
    children = children_of(names)
    found = [root]
    for part in internal(pattern).split("."):
        families = chosen(part, [children[parent] for parent in found])
        found = [f"{parent}.{child}".lstrip(".") for parent, own in zip(found, families, strict=True) for child in own]
    return list(dict.fromkeys(found))


def internal(name: str) -> str:
    """A site's name as a trace has it, as if it were a child: `blocks.*@residual1` as `blocks.*.@residual1`, and the second
    call `layer1.*.relu@2` as `layer1.*.@relu@2`.
    """
    name = re.sub(rf"(^|\.)([^.{SIGN}]+{SIGN}\d+)$", rf"\1{SIGN}\2", name)
    return re.sub(rf"(?<=[^.{SIGN}]){SIGN}(?!\d)", f".{SIGN}", name)


def shown(name: str) -> str:
    """The same the other way round."""
    name = re.sub(rf"(^|\.){SIGN}([^.{SIGN}]+{SIGN}\d+)$", r"\1\2", name)
    return name.replace(f".{SIGN}", SIGN)


def is_point(attribute: str) -> bool:
    """Whether the last part of a site's name names a place between modules."""
    return attribute.startswith(SIGN)


def is_call(name: str) -> bool:
    """Whether that is one call of several of a module: `@relu@2`."""
    return name.rpartition(".")[2].count(SIGN) == 2


def joined(path: str, child: str) -> str:
    """The dotted name of a child: of the model itself ("") or of a module in it; the module's own where there is no child."""
    return f"{path}.{child}".strip(".")


def parted(name: str, attribute: str) -> str:
    """The other way round: `blocks.0` for `blocks.0.mlp.1` and `mlp.1`; of a site's name `blocks.*` for `blocks.*.mlp.1`."""
    return ".".join(name.split(".")[: -attribute.count(".") - 1]) if attribute else name


def covering(names: Sequence[str], meant: Sequence[str]) -> str:
    """A site's name for these modules, which differ in positions only: `blocks.*.attn` where that means no others, else
    `blocks.0,2.attn` or `blocks.1:5.attn`.
    """
    columns = [list(dict.fromkeys(parts)) for parts in zip(*(name.split(".") for name in meant), strict=True)]
    exact = "*"
    for several in (lambda found: "*", _positions):
        exact = ".".join(found[0] if len(found) == 1 else several(found) for found in columns)
        if select(names, exact) == [*meant]:
            break
    return exact


def _positions(found: Sequence[str]) -> str:
    numbers = sorted(map(int, found))
    whole = len(numbers) > 3 and numbers == [*range(numbers[0], numbers[-1] + 1)]
    return f"{numbers[0]}:{numbers[-1] + 1}" if whole else ",".join(map(str, numbers))


def children_of(names: Iterable[str]) -> dict[str, list[str]]:
    """The names of the children of each module, by its dotted name."""
    children: dict[str, list[str]] = defaultdict(list)
    for name in names:
        if name:
            parent, _, child = name.rpartition(".")
            children[parent].append(child)
    return children


def chosen(part: str, families: Sequence[Sequence[str]]) -> list[list[str]]:
    """The children of each of some modules that one part of a name means, in the part's order.

    Where no child has a number, `-1` and `::2` mean positions among the names, as in an nn.Sequential; `1` is a name.
    """
    numbered = [[child for child in children if child.isdigit()] for children in families]
    if not any(numbered) and ("-" in part or ":" in part):
        numbered = [[child for child in children if not is_point(child)] for children in families]
    return [_chosen(part, children, own) for children, own in zip(families, numbered, strict=True)]


def _chosen(part: str, children: Sequence[str], numbered: Sequence[str]) -> list[str]:
    if part in children:
        return [part]
    if POSITIONS.fullmatch(part):
        positions = [int(text) for text in part.split(",")]
        missing = [p for p in positions if not -len(numbered) <= p < len(numbered)]
        return [] if missing else [numbered[p] for p in positions]
    if match := SLICE.fullmatch(part):
        start, stop, step = (int(text) if text else None for text in match.groups())
        if step == 0:
            raise CodegenError("unknown-site", f"{part} has a step of 0", "as in Python: ::2 is every second one")
        return [*numbered[start:stop:step]]
    wanted = re.compile(re.escape(part).replace(r"\*", rf"[^.{SIGN}]+"))
    return [child for child in children if wanted.fullmatch(child)] if "*" in part else []
