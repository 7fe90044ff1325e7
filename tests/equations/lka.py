"""Large kernel attention once more, slowly: each value times a weighted sum around its position."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

SETTINGS = {"kernel_size": "9", "dilation": "3"}


def parameters(c: int) -> int:
    return c * (5 * 5 + 1) + c * (3 * 3 + 1) + c * c + c


def depthwise(conv: Any, image: Tensor, dilation: int) -> Tensor:
    """(C, H, W): each channel by its own kernel, its middle at the position, zero beyond the image."""
    channels, rows, columns = image.shape
    reach = conv.weight.shape[-1] // 2
    y = torch.zeros_like(image) + conv.bias[:, None, None]
    for i in range(rows):
        for j in range(columns):
            for di in range(-reach, reach + 1):
                for dj in range(-reach, reach + 1):
                    row, column = i + di * dilation, j + dj * dilation
                    if 0 <= row < rows and 0 <= column < columns:
                        y[:, i, j] += conv.weight[:, 0, reach + di, reach + dj] * image[:, row, column]
    return y


def equation(module: Any, x: Tensor) -> Tensor:
    found = []
    for image in x:
        near = depthwise(module.conv_near, image, 1)
        far = depthwise(module.conv_far, near, 3)
        mixed = module.conv_mix.weight.flatten(1) @ far.flatten(1) + module.conv_mix.bias[:, None]
        found.append(mixed.reshape(image.shape) * image)
    return torch.stack(found)
