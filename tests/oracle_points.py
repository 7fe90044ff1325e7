"""The inserted module at places between modules of the original: behind a sum, or in front of a statement that pools.

It shares no code with codegen: sums are caught as torch computes them, names are bound anew by a trace function.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from types import CodeType, FrameType
from typing import Any

from oracle_runs import replaced
from torch import nn
from torch.overrides import TorchFunctionMode

Position = tuple[int, int, int, int]  # line, column, end line, end column


@dataclass(frozen=True)
class Point:
    """Where it is in the original's code."""

    file: str
    method: str  # qualified
    position: Position
    name: str = ""  # bound anew before the statement there; "": the value of an expression
    child: str = ""  # whose call the expression is, "" where torch computes it


class _Values(TorchFunctionMode):
    """What torch computes at a place, `x + y` or `x[:, 1:]`, goes through the module of the object whose method does it."""

    def __init__(self, point: Point, inserted: Mapping[int, nn.Module], calls: list[int]) -> None:
        super().__init__()
        self.point, self.inserted, self.calls = point, inserted, calls

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        value = func(*args, **(kwargs or {}))
        frame = sys._getframe(1)
        module = self.inserted.get(id(_owner(frame)))
        if module is None or not is_of(frame.f_code, self.point) or _position(frame) != self.point.position:
            return value
        self.calls.append(1)
        return module(value)


def is_of(code: CodeType, point: Point) -> bool:
    return code.co_filename == point.file and code.co_qualname == point.method


def _owner(frame: FrameType) -> Any:
    code = frame.f_code
    return frame.f_locals.get(code.co_varnames[0]) if code.co_argcount else None


def _position(frame: FrameType) -> Position | None:
    for index, (line, end_line, column, end_column) in enumerate(frame.f_code.co_positions()):
        if index == frame.f_lasti // 2 and None not in (line, end_line, column, end_column):
            return line, column, end_line, end_column  # type: ignore[return-value]
    return None


@contextmanager
def _calling(point: Point, owners: Mapping[nn.Module, nn.Module], calls: list[int]) -> Iterator[None]:
    """What the owners' child returns to the place goes through the module; what it returns elsewhere does not."""
    inserted = {id(owner): module for owner, module in owners.items()}
    with ExitStack() as stack:
        for owner in owners:
            child = owner.get_submodule(point.child)

            def forward(*args: Any, _own: Any = child.forward, **kwargs: Any) -> Any:
                value = _own(*args, **kwargs)
                frame = sys._getframe(1)
                while frame.f_code.co_filename.endswith("torch/nn/modules/module.py") and frame.f_back:
                    frame = frame.f_back
                module = inserted.get(id(_owner(frame)))
                if module is None or not is_of(frame.f_code, point) or _position(frame) != point.position:
                    return value
                calls.append(1)
                return module(value)

            stack.enter_context(replaced(child, forward))
        yield


@contextmanager
def _rebinding(point: Point, inserted: Mapping[int, nn.Module], calls: list[int]) -> Iterator[None]:
    """The name goes through the module of the object whenever its method comes to the statement's lines."""
    first, last = point.position[0], point.position[2]

    def watch(frame: FrameType, event: str, _: Any) -> Any:
        module = inserted.get(id(_owner(frame)))
        if event != "call" or not is_of(frame.f_code, point) or module is None:
            return None
        inside = False

        def at_line(frame: FrameType, event: str, _: Any) -> Any:
            nonlocal inside
            if event == "line":
                enters, inside = not inside and first <= frame.f_lineno <= last, first <= frame.f_lineno <= last
                if enters:
                    sys.settrace(None)  # the module's own code is not of interest
                    frame.f_locals[point.name] = module(frame.f_locals[point.name])
                    sys.settrace(watch)
                    calls.append(1)
            return at_line

        return at_line

    sys.settrace(watch)
    try:
        yield
    finally:
        sys.settrace(None)


@contextmanager
def at_point(point: Point, owners: Mapping[nn.Module, nn.Module]) -> Iterator[list[int]]:
    """While active, each owner's place has its module; gives a list that grows with the calls."""
    calls: list[int] = []
    inserted = {id(owner): module for owner, module in owners.items()}
    rebinding = _rebinding(point, inserted, calls) if point.name else _Values(point, inserted, calls)
    with _calling(point, owners, calls) if point.child else rebinding:
        yield calls
