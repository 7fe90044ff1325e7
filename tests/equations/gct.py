"""The Gated Channel Transformation once more, slowly: one image and one channel at a time."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

SETTINGS: dict[str, str] = {}


def parameters(c: int) -> int:
    return 3 * c


def gates(module: Any, x: Tensor) -> Tensor:
    """(N, C) of a map (N, C, H, W)."""
    alpha, gamma, beta = (weight.flatten() for weight in (module.alpha, module.gamma, module.beta))
    found = []
    for image in x:
        sizes = [alpha[c] * (sum(v * v for v in channel.flatten()) + 1e-5) ** 0.5 for c, channel in enumerate(image)]
        total = (sum(size * size for size in sizes) + 1e-5) ** 0.5
        found += [1 + torch.tanh(gamma[c] * math.sqrt(len(sizes)) * s / total + beta[c]) for c, s in enumerate(sizes)]
    return torch.stack(found).reshape(x.shape[:2])


def equation(module: Any, x: Tensor) -> Tensor:
    return x * gates(module, x)[:, :, None, None]


def prefix(module: Any, x: Tensor, tokens: Tensor) -> Tensor:
    """The class and register tokens (N, P, C) are scaled by what the patches say."""
    return tokens * gates(module, x)[:, None]


def started(module: Any) -> None:
    assert (module.alpha == 1).all() and not module.gamma.any() and not module.beta.any()
