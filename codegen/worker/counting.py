"""What a model costs by count, not by clock: the FLOPs of a forward, the peak memory of a training step.

Without arithmetic where the model runs so: then the numbers are the same on every machine. Measures no time.
"""

from __future__ import annotations

import contextlib
import itertools
import weakref
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map_only
from torch.utils.flop_counter import FlopCounterMode

from codegen.worker.checks import _compare
from codegen.worker.paths import Inputs

DEVICES = ("meta", "meta-parameters", "cpu")  # the cheapest first


@dataclass(frozen=True)
class Built:
    """How one model is made and fed: a fresh one on a device (of DEVICES), inputs there of a batch size."""

    model: Callable[[str], nn.Module]
    inputs: Callable[[str, int], Inputs]


def first_that_runs(built: Built, measure: Callable[[Built, str], int]) -> int:
    """The measure on the cheapest device on which the model runs; what it raises on the last one passes through."""
    for device in DEVICES[:-1]:
        with contextlib.suppress(Exception):  # many models compute with real numbers
            return measure(built, device)
    return measure(built, DEVICES[-1])


def flops(built: Built, batch: int = 1) -> int:
    """Of one forward in eval mode, as torch.utils.flop_counter counts: matrix products, convolutions and attention.

    A multiply-add is two. Sums, activations, norms, pooling, resizing and FFTs count nothing.
    """

    def counted(built: Built, device: str) -> int:
        model = built.model(device).eval()
        args, kwargs = built.inputs(device, batch)
        # fused kernels of the CPU have no formula there: everything goes by matrix products, as on the meta device
        with contextlib.nullcontext() if device == "meta" else _unfused(), FlopCounterMode(display=False) as counter:
            model(*args, **kwargs)
        return int(counter.get_total_flops())

    return first_that_runs(built, counted)


@contextlib.contextmanager
def _unfused() -> Iterator[None]:
    from torch.nn.attention import SDPBackend, sdpa_kernel

    before = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with sdpa_kernel(SDPBackend.MATH):
            yield
    finally:
        torch.backends.mha.set_fastpath_enabled(before)


def memory(built: Built, batch: int = 2) -> int:
    """Bytes at the peak of one training step: all that is kept and computed beyond parameters, their gradients, buffers, input.

    Two samples, for a norm over one cannot train. Each operator of the CPU runs without arithmetic (FakeTensorMode) where
    the model can; what operators use inside and give back is not seen.
    """

    def counted(built: Built, device: str) -> int:
        model = built.model(device).train()
        inputs = built.inputs("cpu", batch)
        with FakeTensorMode(allow_non_fake_inputs=True) as fake:
            model.to_empty(device="cpu")
            return step_memory(model, tree_map_only(torch.Tensor, fake.from_tensor, inputs))

    try:
        return first_that_runs(built, counted)
    except Exception:  # it looks at numbers: with real ones, then
        return step_memory(built.model("cpu").train(), built.inputs("cpu", batch))


def step_memory(model: nn.Module, inputs: Inputs) -> int:
    """The same of a model that stands ready, in the mode in which it is. Its gradients are gone then."""
    model.zero_grad()
    parameters = [*model.parameters()]
    live = _Live([*parameters, *model.buffers(), *tree_leaves(inputs)])
    with live:
        train(model, inputs)
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    peak = live.peak(gradients)
    model.zero_grad()
    return peak


def train(model: Callable[..., Any], inputs: Inputs) -> None:
    """Forward and backward: of the sum of all that the model returns."""
    args, kwargs = inputs
    output = model(*args, **kwargs)
    found = [tensor for tensor in _compare.floating(output) if tensor.requires_grad]
    if not found:
        raise RuntimeError("nothing that the model returns has a gradient")
    total = found[0].sum()
    for tensor in found[1:]:
        total = total + tensor.sum()
    total.backward()  # type: ignore[no-untyped-call]


class _Live(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Which storages live, from each operator to the next.

    torch's own MemTracker has one peak, that of all memory, gradients too: when that is, is not when activations peak.
    """

    def __init__(self, known: Iterable[Any]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.numbers: dict[int, int] = {}  # of living storages, by their identity
        self.events: list[tuple[int, int]] = []  # (number, bytes more)
        self.next = itertools.count()
        self._note(known, counts=False)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run the operator, and note what came of it."""
        result = func(*args, **(kwargs or {}))
        self._note(tree_leaves(result))
        return result

    def _note(self, values: Iterable[Any], *, counts: bool = True) -> None:
        for storage in (value.untyped_storage() for value in values if isinstance(value, torch.Tensor)):
            if id(storage) in self.numbers:
                continue
            number = self.numbers[id(storage)] = next(self.next)
            size = storage.nbytes() if counts else 0
            self.events.append((number, size))
            weakref.finalize(storage, self._gone, id(storage), number, size)

    def _gone(self, identity: int, number: int, size: int) -> None:
        self.numbers.pop(identity, None)
        self.events.append((number, -size))

    def peak(self, without: Iterable[torch.Tensor]) -> int:
        """The most bytes that lived at a time, those of some tensors left out."""
        left_out = {self.numbers[id(tensor.untyped_storage())] for tensor in without}
        return max(itertools.accumulate((size for number, size in self.events if number not in left_out), initial=0))


def allocated(model: nn.Module, inputs: Inputs) -> int:
    """The same on a GPU, as its allocator sees it: with what operators use inside. The model and its inputs stand there."""
    for parameter in model.parameters():
        parameter.grad = torch.zeros_like(parameter) if parameter.requires_grad else None  # it stands there before the step
    torch.cuda.synchronize()
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    train(model, inputs)
    torch.cuda.synchronize()
    peak = torch.cuda.max_memory_allocated() - before
    model.zero_grad()
    return peak
