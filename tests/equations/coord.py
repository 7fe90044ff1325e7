"""Coordinate attention once more, slowly: a gate for each row and one for each column, of every channel."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

SETTINGS = {"reduction": "4"}


def parameters(c: int) -> int:
    hidden = max(c // 4, 8)
    return c * hidden + 2 * hidden + 2 * (hidden * c + c)


def hidden_of(module: Any, vector: Tensor) -> Tensor:
    """What the shared layers make of one row's or one column's means (C,)."""
    norm = module.norm
    v = module.conv.weight.flatten(1) @ vector
    v = (v - norm.running_mean) / (norm.running_var + norm.eps).sqrt() * norm.weight + norm.bias
    return v * (v + 3).clamp(0, 6) / 6  # h-swish


def gate(conv: Any, vector: Tensor) -> Tensor:
    return (conv.weight.flatten(1) @ vector + conv.bias).sigmoid()


def equation(module: Any, x: Tensor) -> Tensor:
    _, _, rows, columns = x.shape
    y = torch.empty_like(x)
    for n, image in enumerate(x):
        of_row = [gate(module.conv_h, hidden_of(module, image[:, i, :].mean(1))) for i in range(rows)]
        of_column = [gate(module.conv_w, hidden_of(module, image[:, :, j].mean(1))) for j in range(columns)]
        for i in range(rows):
            for j in range(columns):
                y[n, :, i, j] = image[:, i, j] * of_row[i] * of_column[j]
    return y
