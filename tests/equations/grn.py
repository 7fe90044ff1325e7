"""Global response normalization once more, slowly: one image and one channel at a time."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

SETTINGS: dict[str, str] = {}


def parameters(c: int) -> int:
    return 2 * c


def responses(x: Tensor) -> Tensor:
    """(N, C) of a map (N, C, H, W): each channel's norm over the channels' mean norm."""
    found = []
    for image in x:
        norms = [sum(v * v for v in channel.flatten()) ** 0.5 for channel in image]
        found += [norm / (sum(norms) / len(norms) + 1e-6) for norm in norms]
    return torch.stack(found).reshape(x.shape[:2])


def equation(module: Any, x: Tensor) -> Tensor:
    gamma: Tensor = module.gamma.flatten()[:, None, None]
    beta: Tensor = module.beta.flatten()[:, None, None]
    return gamma * x * responses(x)[:, :, None, None] + beta + x


def prefix(module: Any, x: Tensor, tokens: Tensor) -> Tensor:
    """The class and register tokens (N, P, C) are scaled by what the patches say."""
    gamma: Tensor = module.gamma
    beta: Tensor = module.beta
    return gamma * tokens * responses(x)[:, None] + beta + tokens


def started(module: Any) -> None:
    assert not module.gamma.any() and not module.beta.any()
