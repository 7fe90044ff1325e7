"""Which modules with weights take what a pool gives: read off the order of calls and the widths. Runs nothing."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import torch
from torch import nn

from codegen.worker.tracer import Event


def behind(model: nn.Module, events: Sequence[Event], pool: str) -> list[str]:
    """The first module with weights behind the pool, and where that is linear all further ones of its width in: heads side
    by side. [] where nothing behind it has weights.

    A linear layer that gives as many channels as it takes ends the search: what comes then may be fed by it.
    """
    shapes = [event.output_shape for event in events if event.module == pool and event.output_shape]
    last = max((i for i, event in enumerate(events) if event.module == pool), default=len(events))
    if not shapes:
        return []
    width, found = math.prod(shapes[0][1:]), list[str]()
    for name in dict.fromkeys(_with_weights(model, events[last + 1 :])):
        module = model.get_submodule(name)
        weight = module.weight if is_linear(module) else None
        if not isinstance(weight, torch.Tensor):
            return found or [name]
        out, into = weight.shape[:2]
        if into != width:
            continue
        found.append(name)
        if out == width:
            break
    return found


def is_linear(module: nn.Module) -> bool:
    """A linear layer of torch's, or a convolution that is one at each position."""
    if type(module) is nn.Conv2d:
        return {*module.kernel_size, *module.stride, module.groups} == {1} and not any(module.padding)
    return type(module) is nn.Linear


def _with_weights(model: nn.Module, events: Sequence[Event]) -> Iterator[str]:
    for event in events:
        module = model.get_submodule(event.module)
        if next(module.parameters(recurse=False), None) is not None:
            yield event.module
