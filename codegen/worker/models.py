"""Import a source, build its model and make its input. Never looks inside the model's computation."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import inspect
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import nn

from codegen.errors import CodegenError
from codegen.worker import points, shortening, surroundings
from codegen.worker.meta import Shortcuts
from codegen.worker.scopes import own_init


def import_file(path: Path, name: str) -> ModuleType:
    """Execute a file as a module of its own under `name`, registered in `sys.modules` as pickle and torch.jit expect."""
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise CodegenError("not-python", f"{path.name} is not a Python file", "give a .py file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        with surroundings.kept():
            spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def import_source(file: Mapping[str, Any]) -> ModuleType:
    """Import the source's file: under its dotted name where it belongs to a package, else as a loose file."""
    if file["root"]:
        sys.path.insert(0, file["root"])
    if file["module"]:
        with surroundings.kept():
            return importlib.import_module(file["module"])
    sys.path.insert(0, str(Path(file["path"]).parent))  # as `python model.py` does
    return import_file(Path(file["path"]), loose_name(Path(file["path"])))


def loose_name(path: Path) -> str:
    """Under which name a loose file is imported."""
    return f"source_{path.stem}"


@contextlib.contextmanager
def overriding(cls: type | None, overrides: Mapping[str, Any], seen: dict[str, Any] | None = None) -> Iterator[None]:
    """While active, constructing exactly `cls` uses `overrides` for its arguments; `seen` receives the bound arguments.

    Working at the constructor keeps the user's own build expression, factory or registry entry in charge of the rest.
    """
    if cls is None:
        yield
        return
    own = vars(cls).get("__init__")
    original = cls.__init__  # type: ignore[misc]
    signature, hidden = inspect.signature(original), _hidden(cls)

    def construct(self: Any, *args: Any, **kwargs: Any) -> None:
        if type(self) is not cls:
            original(self, *args, **kwargs)
            return
        if hidden:
            known, kwargs = _given(hidden, (self, *args), kwargs, overrides)
            if seen is not None:
                seen.update({k: v for k, v in known.items() if v is not self})
            original(self, *args, **kwargs)
            return
        bound = signature.bind(self, *args, **kwargs)
        bound.apply_defaults()
        if seen is not None:
            seen.update({k: v for k, v in bound.arguments.items() if v is not self})
        further = {p.name for p in signature.parameters.values() if p.kind is p.VAR_KEYWORD}
        for given in (bound.arguments, *(bound.arguments[name] for name in further)):  # super().__init__(**kwargs)
            given.update({name: _like(overrides[name], given[name]) for name in overrides.keys() & given.keys() - further})
        original(*bound.args, **bound.kwargs)

    construct.__signature__ = signature  # type: ignore[attr-defined]
    cls.__init__ = construct  # type: ignore[misc]
    try:
        yield
    finally:
        if own is None:
            delattr(cls, "__init__")
        else:
            cls.__init__ = own  # type: ignore[misc]


def _hidden(cls: type) -> inspect.Signature | None:
    """The arguments that a class has in its file, where a decorator hides them behind `*args, **kwargs`; else None."""
    given = [*inspect.signature(cls.__init__).parameters.values()][1:]  # type: ignore[misc]
    variable = all(p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD) for p in given)
    own = own_init(cls) if given and variable else None
    return inspect.signature(own) if own else None


def _given(
    signature: inspect.Signature, args: tuple[Any, ...], kwargs: dict[str, Any], overrides: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """(all arguments of a class, what of them goes on by name). A decorator may treat positions in its own way: they stay."""
    try:
        bound = signature.bind(*args, **kwargs)
    except TypeError:  # it takes what the class itself does not: Net(config=config)
        return {}, kwargs
    by_position = {*[*signature.parameters][: len(args)]}
    bound.apply_defaults()
    named = overrides.keys() & bound.arguments.keys() - by_position
    changed = {name: _like(overrides[name], bound.arguments[name]) for name in named}
    return dict(bound.arguments), {**kwargs, **changed}


def _like(value: Any, usual: Any) -> Any:
    """The value as a list or a tuple, whichever the constructor gets usually: one that was JSON in between is a list."""
    if shortening.is_mark(value):
        return shortening.marked(usual, value)
    if isinstance(value, (list, tuple)):
        return [*value] if isinstance(usual, list) else tuple(value)
    return value


@contextlib.contextmanager
def constructed(cls: type, note: Callable[[nn.Module], None]) -> Iterator[None]:
    """While active, `note` sees each new object whose construction passes through `cls`, when that `__init__` ends."""
    own = vars(cls).get("__init__")
    original = cls.__init__  # type: ignore[misc]

    def construct(self: nn.Module, *args: Any, **kwargs: Any) -> None:
        original(self, *args, **kwargs)
        note(self)

    construct.__signature__ = inspect.signature(original)  # type: ignore[attr-defined]
    cls.__init__ = construct  # type: ignore[misc]
    try:
        yield
    finally:
        if own is None:
            del cls.__init__  # type: ignore[misc]
        else:
            cls.__init__ = own  # type: ignore[misc]


def evaluate(module: ModuleType, expression: str) -> Any:
    """The value of a `--build` or `--input` expression in the namespace of the source's file."""
    names = dict(vars(module))
    names.setdefault("torch", torch)
    with surroundings.kept():
        return eval(expression, names)  # nosec B307


@contextlib.contextmanager
def _parameters_on_meta() -> Iterator[None]:
    """Parameters go to the meta device as they are registered: `torch.linspace(...).item()` in a constructor still works."""
    register = nn.Module.register_parameter

    def on_meta(self: nn.Module, name: str, param: nn.Parameter | None) -> None:
        register(self, name, param)
        if param is not None and param.device.type != "meta":
            self._parameters[name] = nn.Parameter(param.to("meta"), requires_grad=param.requires_grad)

    nn.Module.register_parameter = on_meta  # type: ignore[method-assign]
    try:
        yield
    finally:
        nn.Module.register_parameter = register  # type: ignore[method-assign]


def build(module: ModuleType, expression: str, device: str = "cpu") -> nn.Module:
    """Build the model. device: "meta" (all tensors made on meta), "meta-parameters" (constructor runs on the CPU) or "cpu".

    Raises CodegenError("not-a-model") where the expression gives something else than an nn.Module.
    """
    if device == "meta":
        with torch.device("meta"), Shortcuts():
            model = evaluate(module, expression)
    elif device == "meta-parameters":
        with _parameters_on_meta(), Shortcuts():
            model = evaluate(module, expression)
        model = model.to("meta") if isinstance(model, nn.Module) else model
    else:
        model = evaluate(module, expression)
    if not isinstance(model, nn.Module):
        raise CodegenError(
            "not-a-model",
            f"{expression} gives {type(model).__name__}, not an nn.Module",
            "name the class or function that builds the model: SOURCE:Class, or --build EXPR",
        )
    compiled = type(model).__module__.startswith("torch._dynamo.")  # to import it takes a second
    if how := "torch.jit" if isinstance(model, torch.jit.ScriptModule) else "torch.compile" if compiled else "":
        what = f"{expression} gives a model that went through {how}: what runs is not the code of its file"
        raise CodegenError("not-editable", what, "build it without that: --build EXPR; the variant can go through it again")
    points.fill(model)
    return model


def seed(number: int) -> None:
    """`torch.manual_seed` of the CPU's generator, the only one that a contract draws from: that of all devices takes long."""
    torch.default_generator.manual_seed(number)


def parse_input(spec: str) -> list[tuple[tuple[int, ...], str]]:
    """`1x3x64x64,1x10:int64` -> [((1, 3, 64, 64), "float32"), ((1, 10), "int64")]. ValueError where it is no such list."""
    tensors = []
    for part in spec.split(","):
        dims, _, dtype = part.strip().partition(":")
        tensors.append((tuple(int(d) for d in dims.split("x")), dtype or "float32"))
        if not isinstance(getattr(torch, dtype or "float32", None), torch.dtype):
            raise ValueError(dtype)
    return tensors


def takes_batch(spec: str) -> bool:
    """Whether a spec gives shapes, whose batch can be set; a Python expression has a batch of its own."""
    try:
        return bool(parse_input(spec))
    except ValueError:
        return False


def make_input(
    module: ModuleType, spec: str, device: str, batch: int = 0, seed: int = 0
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """(args, kwargs) for `model(*args, **kwargs)`. batch > 0 replaces the first dim of each tensor of a shape spec."""
    target = "cpu" if device == "cpu" else "meta"
    try:
        shapes = parse_input(spec)
    except ValueError:
        return _expression_input(module, spec, target, seed)
    generator = torch.Generator().manual_seed(seed)
    tensors = []
    for shape, name in shapes:
        dtype = getattr(torch, name)
        shape = (batch, *shape[1:]) if batch else shape
        if target == "meta":
            tensors.append(torch.empty(shape, dtype=dtype, device="meta"))
        elif dtype.is_floating_point:
            tensors.append(torch.randn(shape, generator=generator).to(dtype))
        else:
            tensors.append(torch.zeros(shape, dtype=dtype))
    return tuple(tensors), {}


def _expression_input(module: ModuleType, spec: str, device: str, seed: int) -> tuple[tuple[Any, ...], dict[str, Any]]:
    with torch.random.fork_rng(devices=[]), torch.device(device):
        torch.default_generator.manual_seed(seed)  # `torch.randn(1, 6)` is the same at every call
        value = evaluate(module, spec)
    if isinstance(value, dict):
        return (), value
    return (tuple(value) if isinstance(value, (tuple, list)) else (value,)), {}


def same_input(value: Any) -> Any:
    """A copy of an input that a model may change in place."""
    if isinstance(value, torch.Tensor):
        return value.clone()
    if isinstance(value, (tuple, list)):
        return type(value)(same_input(v) for v in value)
    if isinstance(value, dict):
        return {k: same_input(v) for k, v in value.items()}
    return value
