"""Record every call of every submodule: where in the source it stands, and what went in and out. Never changes a result."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import sys
from collections.abc import Iterator
from contextvars import ContextVar
from dataclasses import dataclass, field
from types import CodeType, FrameType
from typing import Any

import torch
from torch import nn

from codegen.worker.meta import Shortcuts

Position = tuple[
    int, int, int, int
]  # line, column, end line, end column, as co_positions() gives them (columns in bytes)


@dataclass(frozen=True)
class Place:
    """A call expression in a method of the module that was running."""

    owner: str
    owner_class: type
    runner: type  # the class in whose code the call stands: the owner's own, or one that it derives from
    file: str
    method: str
    position: Position
    direct: bool
    names: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Event:
    """One call of one submodule. Shapes are of the first floating tensor in and out, None where there is none."""

    module: str
    parent: str  # the module whose forward was running, "" for the model itself
    place: Place | None
    input_argument: str
    input_shape: tuple[int, ...] | None
    output_kind: str
    output_index: str
    output_shape: tuple[int, ...] | None
    in_place: bool = False  # the call changed the tensor that it was given
    input_kind: str = "tensor"  # of the argument that is or holds the tensor
    input_index: str = ""

    def shape(self, outgoing: bool) -> tuple[int, ...] | None:
        """Of what goes out, or in."""
        return self.output_shape if outgoing else self.input_shape


@dataclass
class Recording:
    """What one traced run gave, in the order in which the calls ended."""

    events: list[Event] = field(default_factory=list)


def _position(frame: FrameType) -> Position | None:
    for index, position in enumerate(frame.f_code.co_positions()):
        if index == frame.f_lasti // 2:
            return position if None not in position else None  # type: ignore[return-value]
    return None


def _self_of(frame: FrameType) -> Any:
    code = frame.f_code
    # [self.norm(x) for x in xs] and closures run in a frame of their own, with `self` as a free variable
    if "self" in code.co_freevars:
        return frame.f_locals.get("self")
    return frame.f_locals.get(code.co_varnames[0]) if code.co_argcount else None


def _is_comprehension_of(frame: FrameType, owner: nn.Module) -> bool:
    """[norm(x) for norm in norms] in a method of `owner` runs in a frame of its own that need not know `self`."""
    code, back = frame.f_code, frame.f_back
    return (
        code.co_name in ("<listcomp>", "<setcomp>", "<dictcomp>", "<genexpr>")
        and back is not None
        and back.f_code.co_filename == code.co_filename
        and _self_of(back) is owner
    )


def _names(frame: FrameType, module: str, paths: dict[int, str]) -> tuple[tuple[str, str], ...]:
    """Local names that hold the called module or one around it: `blk` -> blocks.3, `layer` -> layer3."""
    found = []
    for name, value in frame.f_locals.items():
        path = paths.get(id(value)) if isinstance(value, nn.Module) else None
        if path and (path == module or module.startswith(path + ".")):
            found.append((name, path))
    return tuple(sorted(found))


def _runner(cls: type, code: CodeType) -> type:
    """The class of these bases whose method the code is."""
    for base in cls.__mro__:
        file = getattr(sys.modules.get(base.__module__), "__file__", None)
        if code.co_qualname.startswith(f"{base.__qualname__}.") and file == code.co_filename:
            return base
    return cls


def _runs_directly(holder: Any, module: str, paths: dict[int, str]) -> bool:
    """Whether a method of a module around the called one is running, without a call of that module: `blk.tapped(x)`."""
    path = paths.get(id(holder)) if isinstance(holder, nn.Module) else None
    return path is not None and (not path or module.startswith(f"{path}."))


def _place(frame: FrameType | None, owner: nn.Module, module: str, paths: dict[int, str]) -> Place | None:
    """Walk outward to the method of `owner` in whose body the call stands; torch's and helpers' frames lie between."""
    direct = True
    while frame is not None:
        code = frame.f_code
        if _runs_directly(holder := _self_of(frame), module, paths):
            owner = holder
        if holder is owner or _is_comprehension_of(frame, owner):
            position = _position(frame)
            if position is None:
                return None
            names = _names(frame, module, paths)
            kinds = type(owner), _runner(type(owner), code)
            return Place(paths[id(owner)], *kinds, code.co_filename, code.co_qualname, position, direct, names)
        if not code.co_filename.endswith(("torch/nn/modules/module.py", "worker/tracer.py", "worker/points.py")):
            direct = False
        frame = frame.f_back
    return None


_PREFERRED: ContextVar[str] = ContextVar("_PREFERRED", default="")


@contextlib.contextmanager
def preferring(element: str) -> Iterator[None]:
    """While active, this one of several results counts as the tensor, where it is one: "1" of a tuple, a key, a field."""
    token = _PREFERRED.set(element)
    try:
        yield
    finally:
        _PREFERRED.reset(token)


def first_tensor(value: Any, preferred: str = "") -> tuple[str, torch.Tensor | None]:
    """("0", tensor) for a tuple, ("out", tensor) for a dict or a dataclass, ("", tensor) for a tensor: the first floating
    one, or the preferred one.
    """
    if isinstance(value, torch.Tensor):
        return "", value
    items: list[tuple[Any, Any]] = []
    if isinstance(value, (tuple, list)):
        items = list(enumerate(value))
    elif isinstance(value, dict):
        items = list(value.items())
    elif dataclasses.is_dataclass(value):
        items = [(field.name, getattr(value, field.name)) for field in dataclasses.fields(value)]
    for key, item in sorted(items, key=lambda pair: str(pair[0]) != preferred):
        if isinstance(item, torch.Tensor) and item.is_floating_point():
            return str(key), item
    return "", None


def _received(args: Any, kwargs: Any) -> tuple[str, str, str, torch.Tensor | None]:
    """(argument, what it is, where in it the tensor stands, the tensor): a bare tensor where there is one, else the first that
    a tuple, a list or a dict among the arguments holds.
    """
    for given in (args, kwargs):
        argument, tensor = first_tensor(given)
        if tensor is not None:
            return argument, "tensor", "", tensor
    for name, value in [*enumerate(args), *kwargs.items()]:
        index, tensor = first_tensor(value)
        if tensor is not None:
            return str(name), _kind(value), index, tensor
    return "", "tensor", "", None


def _version(tensor: torch.Tensor | None) -> int:
    """How often a tensor was changed in place."""
    return 0 if tensor is None or tensor.is_inference() else tensor._version


def _kind(value: Any) -> str:
    if isinstance(value, torch.Tensor):
        return "tensor"
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return "namedtuple"
    kind = next((kind.__name__ for kind in (tuple, list, dict) if isinstance(value, kind)), "other")
    return "dataclass" if kind == "other" and dataclasses.is_dataclass(value) else kind


class _Tracer:
    """Records the runs of a model's modules, called as `module(x)` or as `module.forward(x)`."""

    def __init__(self, model: nn.Module, places: bool) -> None:
        self.model, self.places = model, places
        self.paths = {id(module): name for name, module in model.named_modules()}
        self.recording = Recording()
        self.running: list[nn.Module] = []
        self.entering: list[nn.Module] = []  # called, its `forward` not yet entered

    def run(self, function: Any, module: nn.Module, args: Any, kwargs: Any) -> Any:
        """Run `function(module, ...)` and record it. The code that called stands two frames further out."""
        path = self.paths.get(id(module))
        if path is None:
            return function(module, *args, **kwargs)
        owner = self.running[-1] if self.running else self.model
        place = _place(sys._getframe(2), owner, path, self.paths) if self.places and path else None
        argument, kind_in, index_in, tensor_in = _received(args, kwargs)
        shape_in = tuple(tensor_in.shape) if tensor_in is not None else None
        version = _version(tensor_in)
        self.running.append(module)
        self.entering.append(module)
        try:
            result = function(module, *args, **kwargs)
        finally:
            self.running.pop()
        index, tensor = first_tensor(result, _PREFERRED.get())
        shape_out = tuple(tensor.shape) if tensor is not None else None
        kind, changed = _kind(result), _version(tensor_in) != version
        seen = (argument, shape_in, kind, index, shape_out, changed, kind_in, index_in)
        self.recording.events.append(Event(path, self.paths[id(owner)], place, *seen))
        return result

    def watched(self, module: nn.Module) -> Any:
        """The module's `forward`, recorded where it is called directly."""
        own = module.forward

        def entered(_: nn.Module, *args: Any, **kwargs: Any) -> Any:
            self.entering.pop()
            return own(*args, **kwargs)

        @functools.wraps(own)
        def forward(*args: Any, **kwargs: Any) -> Any:
            if self.entering and self.entering[-1] is module:  # from `__call__`, where it is recorded
                return entered(module, *args, **kwargs)
            return self.run(entered, module, args, kwargs)  # y = self.neck.forward(x)

        return forward


@contextlib.contextmanager
def tracing(model: nn.Module, *, places: bool = True) -> Iterator[Recording]:
    """Record the runs of `model`'s submodules while active. places=False leaves out where they stand (quicker)."""
    tracer = _Tracer(model, places)
    original = nn.Module.__call__

    def traced(module: nn.Module, *args: Any, **kwargs: Any) -> Any:
        return tracer.run(original, module, args, kwargs)

    nn.Module.__call__ = traced  # type: ignore[method-assign]
    try:
        with Shortcuts(), contextlib.ExitStack() as stack:
            for module in model.modules() if places else ():
                stack.enter_context(forward_of(module, tracer.watched(module)))
            yield tracer.recording
    finally:
        nn.Module.__call__ = original  # type: ignore[method-assign]


@contextlib.contextmanager
def forward_of(module: nn.Module, forward: Any) -> Iterator[None]:
    """While active, this one module runs `forward` in place of its own, also where it is called as `module.forward(x)`."""
    attributes = vars(module)
    own = {"forward": attributes["forward"]} if "forward" in attributes else {}  # a model may have replaced it too
    attributes["forward"] = forward
    try:
        yield
    finally:
        del attributes["forward"]
        attributes.update(own)
