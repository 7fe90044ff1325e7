"""The style-based recalibration once more, slowly: one channel of one image at a time."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

SETTINGS: dict[str, str] = {}


def parameters(c: int) -> int:
    return 3 * c


def gates(module: Any, x: Tensor) -> Tensor:
    """(N, C) of a map (N, C, H, W)."""
    of_mean, of_std, bias = (weight.flatten() for weight in (module.mean_weight, module.std_weight, module.bias))
    found = []
    for image in x:
        for c, channel in enumerate(image):
            mean = channel.sum() / channel.numel()
            std = (((channel - mean) ** 2).sum() / channel.numel() + 1e-5) ** 0.5
            found.append(1 / (1 + torch.exp(-(of_mean[c] * mean + of_std[c] * std + bias[c]))))
    return torch.stack(found).reshape(x.shape[:2])


def equation(module: Any, x: Tensor) -> Tensor:
    return x * gates(module, x)[:, :, None, None]


def prefix(module: Any, x: Tensor, tokens: Tensor) -> Tensor:
    """The class and register tokens (N, P, C) are scaled by what the patches say."""
    return tokens * gates(module, x)[:, None]


def started(module: Any) -> None:
    assert not any(weight.any() for weight in module.parameters())
