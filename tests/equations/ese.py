"""Effective SE once more, slowly: one layer on the means of one image, and three straight pieces for a gate."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

SETTINGS: dict[str, str] = {}


def parameters(c: int) -> int:
    return c * c + c


def gates(module: Any, x: Tensor) -> Tensor:
    """(N, C) of a map (N, C, H, W)."""
    weight = module.fc.weight.flatten(1)
    found = []
    for image in x:
        means = torch.stack([channel.sum() / channel.numel() for channel in image])
        values = weight @ means + module.fc.bias
        found.append((values / 6 + 0.5).clamp(0, 1))
    return torch.stack(found)


def equation(module: Any, x: Tensor) -> Tensor:
    return x * gates(module, x)[:, :, None, None]


def prefix(module: Any, x: Tensor, tokens: Tensor) -> Tensor:
    """The class and register tokens (N, P, C) are scaled by what the patches say."""
    return tokens * gates(module, x)[:, None]
