"""Let an nn.Identity run where the code adds or pools, so that a place between modules is measured as a module is.

Texts and results stay as they are.
"""

from __future__ import annotations

import ast
import contextlib
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from typing import Any
from weakref import WeakKeyDictionary, ref

import torch
from torch import nn

from codegen import points
from codegen.points import Point
from codegen.selection import SIGN
from codegen.worker import hooking
from codegen.worker.hooking import Before, Wrap
from codegen.worker.meta import Shortcuts

Key = tuple[tuple[str, str], ...]
KEY = "codegen_point"  # attribute of the nn.Identity: what finds the point again in another text of its class
MARKS: WeakKeyDictionary[type, dict[str, Key]] = WeakKeyDictionary()  # by the class whose code has it, and its name


def fill(model: nn.Module) -> None:
    """Give the objects of the marked classes an nn.Identity for each point. It has no state and draws no numbers."""
    for module in list(model.modules()) if MARKS else ():
        for cls in type(module).__mro__:
            for name, key in MARKS.get(cls, {}).items():
                mark = nn.Identity().train(module.training)
                setattr(mark, KEY, key)
                module._modules.setdefault(name, mark)


@contextlib.contextmanager
def marked(model: nn.Module, inputs: Any) -> Iterator[None]:
    """While active, models have modules at the places that this one runs: it, and those that are built then."""
    before: Before = []
    survey = _Survey()
    found: dict[type, dict[str, Key]] = {}
    try:
        classes = {cls for module in model.modules() for cls in type(module).__mro__ if _is_foreign(cls)}
        for cls in sorted(classes, key=lambda c: (c.__module__, c.__qualname__)):
            before += survey.watch(cls)
        with torch.no_grad(), Shortcuts():
            output = model(*inputs[0], **inputs[1])
        hooking.restore(before)
        found = survey.named(output)
        for cls, named in found.items():
            before += _marked(cls, named)
        fill(model)
        yield
    finally:
        hooking.restore(before)
        for cls in found:
            MARKS.pop(cls, None)


def mark(cls: type, name: str, key: Mapping[str, str], ignore: Collection[str] = ()) -> None:
    """Mark one point of a class for good. LookupError where its code has none there."""
    if not _marked(cls, {name: tuple(key.items())}, ignore):
        raise LookupError(f"{cls.__qualname__}.{key['method']} has no {name}")


def _marked(cls: type, named: Mapping[str, Key], ignore: Collection[str] = ()) -> Before:
    MARKS[cls] = dict(named)
    keys: dict[ast.AST, list[Wrap]] = defaultdict(list)
    definition = hooking.definition(cls)
    names = {key: name for name, key in named.items()}
    for point in points.found(definition, ignore) if definition else ():
        for node in point.nodes if point.key in names else ():
            read = node if point.statement and isinstance(node, ast.Name) else None
            keys[point.statement or node].append(Wrap(names[point.key], read))
    return hooking.swapped(cls, definition, keys, _through) if definition else []


def _through(name: str, owner: nn.Module, value: Any) -> Any:
    module = owner._modules.get(name)
    return value if module is None else module(value)


def _is_foreign(cls: type) -> bool:
    return issubclass(cls, nn.Module) and cls.__module__.split(".")[0] != "torch"


class _Survey:
    """What kind of place each sum and operand of some classes is, by the shapes that are seen there."""

    def __init__(self) -> None:
        self.points: list[tuple[type, Point]] = []
        self.shapes: dict[tuple[str, int], Any] = {}
        self.kinds: dict[int, str] = {}  # of sums, by their number
        self.called: dict[int, set[int]] = {}  # calls of children, in the order in which they ran first: by which objects
        self.operands: list[tuple[int, ref[torch.Tensor]]] = []  # in order
        self.pools: set[int] = set()  # what takes a map, or tokens, and gives a value for each channel
        self.pooled: torch.Tensor | None = None  # the last tensor for which that was done

    def watch(self, cls: type) -> Before:
        """Watch the methods of a class; what they were before."""
        definition = hooking.definition(cls)
        keys: dict[ast.AST, list[Wrap]] = defaultdict(list)
        for point in points.found(definition) if definition else ():
            number = len(self.points)
            self.points.append((cls, point))
            for node in point.nodes if point.syntax == "sum" else ():
                if isinstance(node, ast.BinOp):
                    keys[node.left].append(Wrap(f"{number} left"))
                    keys[node.right].append(Wrap(f"{number} right"))
                elif isinstance(node, ast.AugAssign):
                    keys[node.value].append(Wrap(f"{number} right"))
                keys[node].append(Wrap(f"{number} sum"))
            if point.syntax.startswith("call "):
                keys[point.nodes[0]].append(Wrap(f"{number} call"))
            if point.around is not None:
                keys[point.nodes[0]].append(Wrap(f"{number} operand"))
                keys[point.around].append(Wrap(f"{number} result"))
        return hooking.swapped(cls, definition, keys, self.note) if definition else []

    def note(self, name: str, owner: nn.Module, value: Any) -> Any:
        """Take in a value; it goes on as it is."""
        number, role = name.split()
        if role == "call":
            child = self.points[int(number)][1].syntax.removeprefix("call ")
            if child in owner._modules:
                self.called.setdefault(int(number), set()).add(id(owner))
        elif role in ("left", "right", "operand"):
            self.shapes[name, id(owner)] = value
            self.operands += [(int(number), ref(value))] if role == "operand" and isinstance(value, torch.Tensor) else []
        elif isinstance(value, torch.Tensor) and value.is_floating_point():
            getattr(self, f"_{role}")(int(number), owner, value)
        return value

    def _sum(self, number: int, owner: nn.Module, value: torch.Tensor) -> None:
        sides = [self.shapes.pop((f"{number} {side}", id(owner)), None) for side in ("left", "right")]
        shapes = [tuple(side.shape) for side in sides if isinstance(side, torch.Tensor)]
        if value.ndim < 3 or not shapes:
            return
        other = next((shape for shape in shapes if shape != tuple(value.shape)), tuple(value.shape))
        if other == tuple(value.shape) and len(shapes) == sum(side is not None for side in sides):
            self.kinds.setdefault(number, "residual")
        elif (len(other) < value.ndim or other[0] < value.shape[0]) and sum(size > 1 for size in other) > 1:
            self.kinds.setdefault(number, "position")  # one for all samples, and not the same everywhere

    def _result(self, number: int, owner: nn.Module, value: torch.Tensor) -> None:
        operand = self.shapes.pop((f"{number} operand", id(owner)), None)
        if not isinstance(operand, torch.Tensor) or operand.ndim < 3 or value.ndim < 2 or len(value) != len(operand):
            return
        flat = all(size == 1 for size in value.shape[2:]) or all(size == 1 for size in value.shape[1:-1])
        channels = max(value.shape[1:], default=0)
        spread = operand.numel() // max(len(operand), 1) > channels
        if flat and spread and channels in (operand.shape[1], operand.shape[-1]):
            self.pools.add(number)
            self.pooled = operand

    def named(self, output: Any) -> dict[type, dict[str, Key]]:
        """The points by class and name. The pooling is the last one of a model that gives a vector for each sample."""
        by_kind: dict[tuple[type, str], list[Point]] = defaultdict(list)
        for number, kind in sorted(self.kinds.items()):
            cls, point = self.points[number]
            by_kind[cls, kind].append(point)
        if self.pooled is not None and isinstance(output, torch.Tensor) and output.ndim == 2:
            first = next(number for number, operand in self.operands if number in self.pools and operand() is self.pooled)
            cls, point = self.points[first]
            by_kind[cls, "pool"].append(point)
        found: dict[type, dict[str, Key]] = defaultdict(dict)
        for (cls, kind), several in by_kind.items():
            for number, point in enumerate(several, 1):
                found[cls][f"{SIGN}{kind}{number if len(several) > 1 else ''}"] = point.key
        for cls, child, several in self._called_again():
            found[cls].update({f"{SIGN}{child}{SIGN}{number}": point.key for number, point in enumerate(several, 1)})
        return found

    def _called_again(self) -> Iterator[tuple[type, str, list[Point]]]:
        """The calls of each child that an object calls in several places, in the order in which they ran."""
        calls: dict[tuple[type, str], list[int]] = defaultdict(list)
        for number in self.called:
            cls, point = self.points[number]
            calls[cls, point.syntax.removeprefix("call ")].append(number)
        for (cls, child), numbers in calls.items():
            owners = [owner for number in numbers for owner in self.called[number]]
            if len(owners) > len({*owners}):
                yield cls, child, [self.points[number][1] for number in numbers]
