"""ParNet's SSE once more, slowly: a gate for each channel, straight from the means of all channels."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

SETTINGS: dict[str, str] = {}


def parameters(c: int) -> int:
    return c * c + c


def gates(module: Any, x: Tensor) -> Tensor:
    """(N, C) of a map (N, C, H, W)."""
    weight, bias = module.fc.weight.flatten(1), module.fc.bias
    found = []
    for image in x:
        means = [channel.sum() / channel.numel() for channel in image]
        logits = [sum(w * mean for w, mean in zip(row, means, strict=True)) for row in weight]
        found.append((torch.stack(logits) + bias).sigmoid())
    return torch.stack(found)


def equation(module: Any, x: Tensor) -> Tensor:
    return x * gates(module, x)[:, :, None, None]


def prefix(module: Any, x: Tensor, tokens: Tensor) -> Tensor:
    """The class and register tokens (N, P, C) are scaled by what the patches say."""
    return tokens * gates(module, x)[:, None]
