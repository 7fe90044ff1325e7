"""Frequency channel attention once more, slowly: the cosine transform of one channel of one image at a time."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

SETTINGS = {"reduction": "4", "frequencies": "4"}
LOWEST = [(0, 0), (0, 1), (1, 0), (1, 1)]  # down the rows, along the columns


def parameters(c: int) -> int:
    return 2 * c * (c // 4)


def bins(size: int) -> list[slice]:
    """Seven stretches of that many rows, each as short as covers its seventh."""
    return [slice(i * size // 7, -(-(i + 1) * size // 7)) for i in range(7)]


def wave(frequency: int, step: int) -> float:
    return math.sqrt((2 if frequency else 1) / 7) * math.cos(math.pi * frequency * (step + 0.5) / 7)


def equation(module: Any, x: Tensor) -> Tensor:
    w1, w2 = module.fc1.weight, module.fc2.weight
    found = []
    for image in x:
        parts = []
        for c, channel in enumerate(image):
            u, v = LOWEST[4 * c // len(image)]
            small = [[channel[rows, columns].mean() for columns in bins(x.shape[3])] for rows in bins(x.shape[2])]
            parts.append(sum(small[i][j] * wave(u, i) * wave(v, j) for i in range(7) for j in range(7)))
        gates = (w2 @ (w1 @ torch.stack(parts)).clamp(min=0)).sigmoid()
        found.append(image * gates[:, None, None])
    return torch.stack(found)
