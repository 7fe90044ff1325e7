"""SE once more, slowly: one image, one channel, one position at a time."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

SETTINGS = {"reduction": "4"}


def parameters(c: int) -> int:
    return c * (c // 4) + c // 4 + (c // 4) * c + c


def gates(module: Any, x: Tensor) -> Tensor:
    """(N, C) of a map (N, C, H, W)."""
    w1, w2 = module.fc1.weight.flatten(1), module.fc2.weight.flatten(1)
    found = []
    for image in x:
        means = torch.stack([channel.sum() / channel.numel() for channel in image])
        hidden = (w1 @ means + module.fc1.bias).clamp(min=0)
        found.append(1 / (1 + torch.exp(-(w2 @ hidden + module.fc2.bias))))
    return torch.stack(found)


def equation(module: Any, x: Tensor) -> Tensor:
    return x * gates(module, x)[:, :, None, None]


def prefix(module: Any, x: Tensor, tokens: Tensor) -> Tensor:
    """The class and register tokens (N, P, C) are scaled by what the patches say."""
    return tokens * gates(module, x)[:, None]
