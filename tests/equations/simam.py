"""SimAM once more, slowly: the energy of each value among those of its channel."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

SETTINGS = {"e_lambda": "0.01"}


def parameters(c: int) -> int:
    return 0


def of_channel(channel: Tensor, lam: float) -> Tensor:
    """One channel (H, W): eq. 5 for each of its M values t."""
    mu = channel.sum() / channel.numel()
    var = sum((t - mu) ** 2 for t in channel.flatten()) / channel.numel()
    energy = 4 * (var + lam) / ((channel - mu) ** 2 + 2 * var + 2 * lam)
    return torch.sigmoid(1 / energy) * channel


def equation(module: Any, x: Tensor) -> Tensor:
    return torch.stack([torch.stack([of_channel(channel, module.e_lambda) for channel in image]) for image in x])
