"""Convolution, batch norm and activation once more, slowly: one position of the map at a time."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

SETTINGS = {"kernel_size": "1", "act": "silu"}
TORCHS = True  # the dtype under autocast is that of torch's own layers
BATCH = 2  # of one sample with a single position batch norm in training has no variance


def parameters(c: int) -> int:
    return c * c + 2 * c


def equation(module: Any, x: Tensor) -> Tensor:
    weight, bn = module.conv.weight[:, :, 0, 0], module.bn
    found = torch.empty_like(x)
    for i in range(x.shape[2]):
        for j in range(x.shape[3]):
            for n in range(len(x)):
                y = weight @ x[n, :, i, j]
                y = bn.weight * (y - bn.running_mean) / (bn.running_var + 1e-5).sqrt() + bn.bias
                found[n, :, i, j] = y / (1 + torch.exp(-y))
    return found
