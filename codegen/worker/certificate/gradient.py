"""The gradient reaches the input and every parameter, and is finite: also where the map is all zeros, behind a ReLU."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from codegen.worker.certificate import Specimen, counted, fresh, given, telling, untrainable
from codegen.worker.checks import Outcome, _compare, failed, passed

ORDER = 60
RUNS = 3  # dropping a path at random leaves parameters out


def check(specimen: Specimen) -> Outcome:
    """Forward and backward in training: as it starts, with no gate closed, and on zeros."""
    if error := untrainable(specimen):
        return failed(f"fails in training: {error}")
    started = fresh(specimen).train()
    inputs = [_backward(started, given(specimen), 0)]
    if wrong := [*_infinite(started, inputs)]:
        return failed(f"not finite: {', '.join(wrong)}")
    opened = telling(fresh(specimen)).train()
    inputs += [_backward(opened, given(specimen, seed=seed), seed) for seed in range(RUNS)]
    missing = [] if any(g is not None and bool(g.any()) for g in inputs) else ["the input"]
    trained = [(name, parameter) for name, parameter in opened.named_parameters() if parameter.requires_grad]
    missing += [name for name, parameter in trained if parameter.grad is None]
    if missing:
        return failed(f"no gradient reaches {', '.join(missing)}")
    at_rest = fresh(specimen).train()
    zeros = [_backward(at_rest, torch.zeros_like(given(specimen)), 0)]
    if wrong := [*_infinite(at_rest, zeros)]:
        return failed(f"not finite on a tensor of zeros: {', '.join(wrong)}")
    return passed(f"the input and {counted(len(trained), 'tensor')} of parameters" if trained else "the input")


def _backward(module: nn.Module, x: Tensor, seed: int) -> Tensor | None:
    """The input's gradient; those of the parameters add up in them."""
    x.requires_grad_()
    torch.manual_seed(seed)
    output = module(x.clone())  # it may change what it gets: that is another check's
    generator = torch.Generator().manual_seed(1)
    parts = [t for t in _compare.floating(output) if t.requires_grad]
    if parts:  # weighed at random: the plain sum of a softmax or of a normalised tensor is constant
        weighed = [(t.float() * torch.randn(t.shape, generator=generator)).sum() for t in parts]
        torch.stack(weighed).sum().backward()  # type: ignore[no-untyped-call]
    return x.grad


def _infinite(module: nn.Module, inputs: list[Tensor | None]) -> Iterator[str]:
    if any(g is not None and not bool(torch.isfinite(g).all()) for g in inputs):
        yield "the gradient of the input"
    for name, parameter in module.named_parameters():
        if parameter.grad is not None and not bool(torch.isfinite(parameter.grad).all()):
            yield f"the gradient of {name}"
