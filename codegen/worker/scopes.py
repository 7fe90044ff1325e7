"""Record the names in scope at the end of every module's `__init__`, and what it held. Reads frames, never changes them."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from types import CellType, CodeType, FrameType, FunctionType
from typing import Any

from torch import nn

from codegen.worker import likeness


@dataclass(frozen=True)
class Scope:
    """The locals and globals at the end of one `__init__`. parameters: names of its arguments, in order."""

    code: CodeType
    locals: dict[str, Any]
    globals: dict[str, Any]
    parameters: tuple[str, ...]
    me: str = "self"  # what the object that was made is called there

    @property
    def owner(self) -> nn.Module:
        """The object that was made, with what it held at that point."""
        owner: nn.Module = self.locals[self.me]
        return owner

    def names(self) -> dict[str, Any]:
        """Everything that an expression in this place can name."""
        return {**self.globals, **self.locals}


@dataclass
class Scopes:
    """Scopes by module and by the code object of the `__init__` (a subclass and its base leave one each)."""

    found: dict[tuple[int, CodeType], Scope] = field(default_factory=dict)
    makers: dict[int, Scope] = field(default_factory=dict)  # by the nn.Sequential that a function returned

    def at_end(self, module: nn.Module, cls: type) -> Scope | None:
        """The scope at the end of `cls.__init__`, or of the one that is written for a class which has none; of a class of
        torch's, that of the function that returned the object.
        """
        if cls.__module__.split(".")[0] == "torch":
            return self.makers.get(id(module))
        if "__init__" in vars(cls):
            return self.of(module, cls)
        defining = sys.modules.get(cls.__module__)
        inherited = next((scope for base in cls.__mro__ if (scope := self.of(module, base)) is not None), None)
        made: dict[str, Any] = {"self": inherited.owner if inherited else module}
        return Scope(_written.__code__, made, vars(defining) if defining else {}, ())

    def of(self, module: nn.Module, cls: type) -> Scope | None:
        """The scope at the end of `cls.__init__` for this module; None where the class has no `__init__` of its own."""
        init = own_init(cls)
        return self.found.get((id(module), init.__code__)) if init else None


def own_init(cls: type) -> FunctionType | None:
    """The `__init__` that the class has in its file, also where a decorator stands above it (`@has_config`)."""
    functions = [vars(cls).get("__init__")]
    for function in functions:
        if isinstance(function, FunctionType) and function.__code__.co_qualname == f"{cls.__qualname__}.__init__":
            return function
        wrapped = getattr(function, "__wrapped__", None)  # by functools.wraps; else what the decorator's function holds
        held = [cell.cell_contents for cell in getattr(function, "__closure__", None) or () if _is_filled(cell)]
        functions += [f for f in (wrapped, *held) if isinstance(f, FunctionType) and f not in functions]
    return functions[0] if isinstance(functions[0], FunctionType) else None


def _is_filled(cell: CellType) -> bool:
    try:
        cell.cell_contents  # noqa: B018 - raises where there is nothing yet
    except ValueError:
        return False
    return True


OTHERS = sys.stdlib_module_names | {"torch", "codegen"}
MADE = "model"  # what the object is called where the function that returns it does not name it


def _written(self: nn.Module, *args: Any, **kwargs: Any) -> None:
    """What the written `__init__` has in scope."""


def _is_function(frame: FrameType) -> bool:
    """Whether it is a function with a name, of the model's own code: no lambda, none of torch's, no `copy.deepcopy`."""
    package = frame.f_globals.get("__name__", "").split(".")[0]
    return frame.f_code.co_name.isidentifier() and package not in OTHERS


def _maker(frame: FrameType, made: nn.Module) -> Scope:
    """The scope at the end of a function that returns a module, where that has a name in the function or is to have one."""
    code, names = frame.f_code, dict(frame.f_locals)
    me = next((name for name, value in names.items() if value is made), MADE)
    count = code.co_argcount + code.co_kwonlyargcount
    return Scope(code, {**names, me: made}, frame.f_globals, code.co_varnames[:count], me)


@contextlib.contextmanager
def recording() -> Iterator[Scopes]:
    """Record while active. Keep the model alive as long as the scopes are used: they are found by `id`."""
    scopes = Scopes()
    held: dict[tuple[int, CodeType], likeness.Held] = {}

    def on_event(frame: FrameType, event: str, value: Any) -> None:
        if event != "return":  # most are calls: many thousands in a model
            return
        code = frame.f_code
        if type(value) is nn.Sequential and _is_function(frame):
            scopes.makers.setdefault(id(value), _maker(frame, value))
        if code.co_name != "__init__" or not code.co_argcount:
            return
        names = frame.f_locals
        module = names.get(code.co_varnames[0])
        if isinstance(module, nn.Module):
            count = code.co_argcount + code.co_kwonlyargcount
            me = code.co_varnames[0]
            scopes.found[id(module), code] = Scope(code, dict(names), frame.f_globals, code.co_varnames[1:count], me)
            if type(module).__module__.split(".")[0] != "torch":  # nothing is written into those
                held[id(module), code] = likeness.held(module)

    previous = sys.getprofile()
    sys.setprofile(on_event)
    try:
        yield scopes
    finally:
        sys.setprofile(previous)
        for key, then in held.items():
            scope = scopes.found[key]
            scope.locals[scope.me] = likeness.as_held(scope.owner, then)
