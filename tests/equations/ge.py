"""Gather-excite once more, slowly: the mean of each window, then each position's own window."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

SETTINGS = {"extent": "2"}


def parameters(c: int) -> int:
    return 0


def equation(module: Any, x: Tensor) -> Tensor:
    rows, columns = x.shape[2:]
    few, narrow = -(-rows // 2), -(-columns // 2)  # every second row and column has a window around it
    y = torch.empty_like(x)
    for i in range(rows):
        for j in range(columns):
            u, v = 2 * (i * few // rows), 2 * (j * narrow // columns)
            window = x[:, :, max(u - 1, 0) : u + 2, max(v - 1, 0) : v + 2]
            y[:, :, i, j] = x[:, :, i, j] / (1 + torch.exp(-window.mean((2, 3))))
    return y
