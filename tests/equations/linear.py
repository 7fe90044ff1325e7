"""A linear layer over the channels once more, slowly: one position at a time."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

SETTINGS = {"bias": "False"}
TORCHS = True  # the dtype under autocast is that of torch's own layer


def parameters(c: int) -> int:
    return c * c


def equation(module: Any, x: Tensor) -> Tensor:
    weight = module.weight.flatten(1)
    found = torch.empty_like(x)
    for i in range(x.shape[2]):
        for j in range(x.shape[3]):
            found[:, :, i, j] = torch.stack([weight @ vector for vector in x[:, :, i, j]])
    return found


def prefix(module: Any, x: Tensor, tokens: Tensor) -> Tensor:
    return torch.stack([torch.stack([module.weight @ token for token in image]) for image in tokens])
