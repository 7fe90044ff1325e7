"""CBAM once more, slowly: a gate for each channel, then one for each position."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

SETTINGS = {"reduction": "4", "kernel_size": "3"}


DIMS = {"NCL": 1, "NCDHW": 3, "NDHWC": 3}


def parameters(c: int, kind: str) -> int:
    return 2 * c * (c // 4) + 2 * 3 ** DIMS.get(kind, 2)


def equation(module: Any, x: Tensor) -> Tensor:
    kernel, padding = module.conv.weight, (1, 1)
    if kernel.dim() == 3:  # of a sequence: one row
        kernel, padding = kernel.unsqueeze(2), (0, 1)
    elif kernel.dim() == 5:  # of a volume, here of depth 1
        kernel = kernel[:, :, 1]
    w1, w2 = (module.mlp[i].weight.flatten(1) for i in (0, 2))

    def shared(vector: Tensor) -> Tensor:
        return w2 @ (w1 @ vector).clamp(min=0)

    found = []
    for image in x:
        gate = (shared(image.flatten(1).mean(1)) + shared(image.flatten(1).max(1).values)).sigmoid()
        y = image * gate[:, None, None]
        maps = torch.stack([y.mean(0), y.max(0).values])
        found.append(y * functional.conv2d(maps[None], kernel, padding=padding)[0].sigmoid())
    return torch.stack(found)
