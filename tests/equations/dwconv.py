"""A depthwise convolution once more, slowly: each channel by itself, one place of the kernel at a time."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

SETTINGS = {"kernel_size": "5", "bias": "False"}
TORCHS = True  # the dtype under autocast is that of torch's own layer


def parameters(c: int) -> int:
    return c * 5 * 5


def equation(module: Any, x: Tensor) -> Tensor:
    weight = getattr(module, "conv", module).weight
    (rows, columns), reach = x.shape[2:], weight.shape[2] // 2
    found = torch.zeros_like(x)
    for i in range(rows):
        for j in range(columns):
            for di in range(-reach, reach + 1):
                for dj in range(-reach, reach + 1):
                    if 0 <= i + di < rows and 0 <= j + dj < columns:
                        found[:, :, i, j] += weight[:, 0, reach + di, reach + dj] * x[:, :, i + di, j + dj]
    return found
