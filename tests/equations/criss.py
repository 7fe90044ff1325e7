"""Criss-cross attention once more, slowly: each position reads from its row and its column."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

SETTINGS = {"reduction": "4", "recurrence": "1"}  # the second time is exact in float64 only, with weights so large


def parameters(c: int) -> int:
    return 2 * (c * (c // 4) + c // 4) + c * c + c


def linear(layer: Any, given: Tensor) -> Tensor:
    return layer.weight.flatten(1) @ given + layer.bias


def once(module: Any, image: Tensor) -> Tensor:
    """A map (C, H, W) after each position has read once."""
    found = image.clone()
    for i in range(image.shape[1]):
        for j in range(image.shape[2]):
            row = [(i, other) for other in range(image.shape[2])]
            column = [(other, j) for other in range(image.shape[1]) if other != i]
            read = [image[:, a, b] for a, b in row + column]
            query = linear(module.query, image[:, i, j])
            shares = torch.stack([query @ linear(module.key, other) for other in read]).softmax(0)
            for share, other in zip(shares, read, strict=True):
                found[:, i, j] += share * linear(module.value, other)
    return found


def equation(module: Any, x: Tensor) -> Tensor:
    for _ in range(module.recurrence):
        x = torch.stack([once(module, image) for image in x])
    return x
