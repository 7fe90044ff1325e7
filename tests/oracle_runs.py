"""How the oracle runs a model: its public paths, always from the same state, with modules watched or wrapped.

It shares no code with codegen and reads no source. `oracle.py` compares what comes out.
"""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

Inputs = tuple[tuple[Any, ...], dict[str, Any]]


@dataclass(frozen=True)
class Route:
    """One way through a model: which method with which arguments, in which mode."""

    method: str
    options: tuple[tuple[str, bool], ...] = ()
    train: bool = False
    checkpointing: bool = False

    def __str__(self) -> str:
        options = ", ".join(f"{name}={value}" for name, value in self.options)
        mode = "train" if self.train else "eval"
        return f"{mode}{' with checkpointing' if self.checkpointing else ''} {self.method}({options})"


@dataclass(frozen=True)
class Outcome:
    """What a run gave: the output or the error, and the buffers afterwards."""

    output: Any
    buffers: dict[str, Tensor]
    error: str = ""


class Saved:
    """A parameter with its first value. Few runs change parameters: torch counts the changes of a tensor."""

    def __init__(self, tensor: Tensor, value: Tensor) -> None:
        self.tensor, self.value, self.version = tensor, value, tensor._version

    def restore(self) -> None:
        if self.tensor._version != self.version:
            self.tensor.data.copy_(self.value)
            self.version = self.tensor._version


class Subject:
    """A model with the modules beside it that run in it, always put back to its first state before a run."""

    def __init__(self, model: nn.Module, beside: Sequence[nn.Module] = ()) -> None:
        self.model: Any = model
        self.modules = nn.ModuleList([model, *beside])
        self.parameters = [Saved(tensor, tensor.detach().clone()) for tensor in self.modules.parameters()]
        self.buffers = [(tensor, tensor.detach().clone()) for tensor in self.modules.buffers()]

    def reset(self) -> None:
        for saved in self.parameters:
            saved.restore()
        for buffer, value in self.buffers:
            buffer.data.copy_(value)

    def run(self, route: Route, inputs: Inputs, seed: int) -> Any:
        self.reset()
        self.modules.train(route.train)
        if hasattr(self.model, "set_grad_checkpointing"):
            self.model.set_grad_checkpointing(route.checkpointing)
        torch.manual_seed(seed)
        args, kwargs = copied(inputs)
        with nullcontext() if route.train else torch.no_grad():
            return getattr(self.model, route.method)(*args, **kwargs, **dict(route.options))


def copied(value: Any) -> Any:
    """A copy of an input, which a model may change in place."""
    if isinstance(value, tuple | list):
        return type(value)(map(copied, value))
    if isinstance(value, dict):
        return {key: copied(element) for key, element in value.items()}
    return value.clone() if isinstance(value, Tensor) else value


def routes(model: nn.Module) -> Iterator[Route]:
    """Every public path that the model has: those that run by themselves in eval and train mode and with checkpointing,
    the parts of `forward` and the options in eval mode.
    """
    modes = [(False, False), (True, False)]
    modes += [(True, True)] if hasattr(model, "set_grad_checkpointing") else []
    whole = [name for name in ("forward", "forward_intermediates") if hasattr(model, name)]
    for method, (train, checkpointing) in itertools.product(whole, modes):
        yield Route(method, (), train, checkpointing)
    if hasattr(model, "forward_features"):
        yield Route("forward_features")
        if hasattr(model, "forward_head"):
            yield Route("forward_head")
    if hasattr(model, "forward_intermediates"):
        yield Route("forward_intermediates", (("norm", True),))
        yield Route("forward_intermediates", (("intermediates_only", True),))


def outcome(subject: Subject, route: Route, inputs: Inputs, seed: int) -> Outcome:
    try:
        output, error = subject.run(route, inputs, seed), ""
    except Exception as raised:  # any code of any model
        output, error = None, brief(raised)
    return Outcome(output, {name: buffer.clone() for name, buffer in subject.model.named_buffers()}, error)


# --- watching and wrapping: `forward` of single instances is replaced for the time of a run ---


@contextmanager
def replaced(module: nn.Module, forward: Callable[..., Any]) -> Iterator[None]:
    attributes = vars(module)
    own = {"forward": attributes["forward"]} if "forward" in attributes else {}  # a model may have replaced it too
    attributes["forward"] = forward
    try:
        yield
    finally:
        del attributes["forward"]
        attributes.update(own)


@contextmanager
def watch(modules: Any) -> Iterator[list[int]]:
    """The ids of the modules whose own `forward` ran, once for each run."""
    ran: list[int] = []
    with ExitStack() as stack:
        for module in dict.fromkeys(modules):

            def forward(*args: Any, _module: nn.Module = module, _forward: Any = module.forward, **kwargs: Any) -> Any:
                ran.append(id(_module))
                return _forward(*args, **kwargs)

            stack.enter_context(replaced(module, forward))
        yield ran


@contextmanager
def shapes(modules: Any) -> Iterator[dict[int, set[tuple[int, ...]]]]:
    """The shapes of the tensors that the modules return, by their ids."""
    found: dict[int, set[tuple[int, ...]]] = {}
    with ExitStack() as stack:
        for module in dict.fromkeys(modules):

            def forward(*args: Any, _module: nn.Module = module, _forward: Any = module.forward, **kwargs: Any) -> Any:
                value = _forward(*args, **kwargs)
                if isinstance(value, Tensor):
                    found.setdefault(id(_module), set()).add(tuple(value.shape))
                return value

            stack.enter_context(replaced(module, forward))
        yield found


def target(site: nn.Module, ran: list[int], operation: str) -> nn.Module | None:
    """The module to wrap: the site, or where it is run element by element its last (before: first) element."""
    if id(site) in ran or not isinstance(site, nn.Sequential | nn.ModuleList) or not len(site):
        return site if id(site) in ran else None
    return target(site[-1 if operation == "after" else 0], ran, operation)


@contextmanager
def through(
    module: nn.Module | None, inserted: nn.Module, operation: str, usual: set[tuple[int, ...]]
) -> Iterator[list[int]]:
    """The module's output ("after", "after 1": its second result) or first tensor argument ("before") goes through the
    inserted module.

    usual: the shapes of the output in the model's `forward`. Another one that the inserted module cannot take (features
    of a head, asked for them in place of logits) passes as it is.
    """
    calls: list[int] = []
    own: Any = module.forward if module is not None else None  # an empty Sequential is false

    def forward(*args: Any, **kwargs: Any) -> Any:
        if operation.startswith("after"):
            value = own(*args, **kwargs)
            if position := operation.partition(" ")[2]:
                calls.append(1)
                return result_through(value, int(position), inserted)
            if usual and isinstance(value, Tensor) and tuple(value.shape) not in usual and not takes(inserted, value):
                return value
            calls.append(1)
            return first_through(value, inserted)
        calls.append(1)
        if any(isinstance(value, Tensor) for value in args) or not holds_tensor(kwargs):
            args = first_through(args, inserted)
        else:
            kwargs = first_through(kwargs, inserted)
        return own(*args, **kwargs)

    with replaced(module, forward) if module is not None else nullcontext():
        yield calls


@contextmanager
def beside(
    first: nn.Module | None, last: nn.Module | None, inserted: nn.Module, join: Callable[..., Any]
) -> Iterator[list[int]]:
    """What goes into `first` goes through the inserted module too, and is joined with what comes out of `last`.

    join: of the site's result y, the inserted module and a copy of what the site received.
    """
    calls: list[int] = []
    given: list[Any] = []
    enter: Any = first.forward if first is not None else None

    def entering(*args: Any, **kwargs: Any) -> Any:
        values = [*args, *kwargs.values()]
        inner = [part for value in values if isinstance(value, tuple | list | dict) for part in parts(value)]
        # copied with its strides: sums over other strides round otherwise
        x = next(value for value in [*values, *inner] if isinstance(value, Tensor))
        given.append(torch.empty_strided(x.shape, x.stride(), dtype=x.dtype, device=x.device).copy_(x))
        return enter(*args, **kwargs)

    with replaced(first, entering) if first is not None else nullcontext():
        leave: Any = last.forward if last is not None else None

        def leaving(*args: Any, **kwargs: Any) -> Any:
            value = leave(*args, **kwargs)
            calls.append(1)
            return first_through(value, lambda y: join(y, inserted, given.pop()))

        with replaced(last, leaving) if last is not None else nullcontext():
            yield calls


@contextmanager
def instead(module: nn.Module | None, inserted: nn.Module) -> Iterator[list[int]]:
    """The inserted module runs wherever `module` does, in its place."""
    calls: list[int] = []

    def forward(*args: Any, **kwargs: Any) -> Any:
        calls.append(1)
        return inserted(*args, **kwargs)

    with replaced(module, forward) if module is not None else nullcontext():
        yield calls


JOINS: dict[str, Callable[..., Any]] = {  # of modules beside a site, by operation
    "beside +": lambda y, module, x: y + module(x),
    "beside *": lambda y, module, x: y * module(x),
    "beside": lambda y, module, x: module(x, y),  # the inserted module joins both itself
}


def takes(inserted: nn.Module, value: Tensor) -> bool:
    """Whether the module runs on such a tensor; it is not changed by the attempt."""
    try:
        with torch.no_grad():
            copy.deepcopy(inserted).eval()(torch.zeros_like(value))
    except (RuntimeError, ValueError):
        return False
    return True


def result_through(value: Any, position: int, inserted: Callable[[Tensor], Any]) -> Any:
    """A tuple or a list with what stands at a position gone through the module."""
    changed = list(value)
    changed[position] = inserted(changed[position])
    return getattr(value, "_make", type(value))(changed)


def first_through(value: Any, inserted: Callable[[Tensor], Any]) -> Any:
    """The value with its first tensor gone through the module."""
    if isinstance(value, Tensor):
        return inserted(value)
    changed = dict(value if isinstance(value, dict) else enumerate(value))
    bare = [key for key in changed if isinstance(changed[key], Tensor)]
    first = [*bare, *(key for key in changed if holds_tensor(changed[key]))][0]
    changed[first] = first_through(changed[first], inserted)
    kind = getattr(value, "_make", type(value))
    return kind(changed if isinstance(value, dict) else changed.values())


def holds_tensor(value: Any) -> bool:
    """Whether a tuple, a list or a dict holds a tensor, itself or in another one."""
    found = parts(value) if isinstance(value, tuple | list | dict) else []
    return any(isinstance(part, Tensor) or holds_tensor(part) for part in found)


def parts(value: Any) -> list[Any]:
    return list(value.values() if isinstance(value, dict) else value)


def brief(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())}"[:300]
