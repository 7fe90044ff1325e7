"""ECA in a circle once more, slowly: each gate from the means of the channels beside it, the last beside the first."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

SETTINGS = {"kernel_size": "5"}


def parameters(c: int) -> int:
    return 5


def gates(module: Any, x: Tensor) -> Tensor:
    """(N, C) of a map (N, C, H, W)."""
    weight, means = module.conv.weight.flatten(), x.flatten(2).mean(2)
    channels, reach = means.shape[1], len(weight) // 2
    sums = [sum(weight[k] * means[:, (c + k - reach) % channels] for k in range(len(weight))) for c in range(channels)]
    return torch.stack(sums, dim=1).sigmoid()


def equation(module: Any, x: Tensor) -> Tensor:
    return x * gates(module, x)[:, :, None, None]


def prefix(module: Any, x: Tensor, tokens: Tensor) -> Tensor:
    """The class and register tokens (N, P, C) are scaled by what the patches say."""
    return tokens * gates(module, x)[:, None]
