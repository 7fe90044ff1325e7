"""Triplet attention once more, slowly: the image is turned three ways, and each way has the same branch."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

SETTINGS = {"kernel_size": "3"}


def parameters(c: int) -> int:
    return 3 * (2 * 3 * 3 + 1)


def branch(conv: Any, turned: Tensor) -> Tensor:
    """(A, B, C): pooled over A to (2, B, C), one gate at each place of it, for all of A."""
    pooled = torch.stack([turned.max(0).values, turned.mean(0)])
    return turned * functional.conv2d(pooled[None], conv.weight, conv.bias, padding=1)[0].sigmoid()


def equation(module: Any, x: Tensor) -> Tensor:
    found = []
    for image in x:  # (C, H, W)
        first = branch(module.conv_hc, image.permute(2, 1, 0)).permute(2, 1, 0)  # (W, H, C)
        second = branch(module.conv_cw, image.permute(1, 0, 2)).permute(1, 0, 2)  # (H, C, W)
        third = branch(module.conv_hw, image)
        found.append((first + second + third) / 3)
    return torch.stack(found)
