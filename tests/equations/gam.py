"""GAM once more, slowly: each position's channels by a small network, then each value by two convolutions."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

SETTINGS = {"reduction": "8", "kernel_size": "3"}


def parameters(c: int) -> int:
    h = c // 8
    channel = c * h + h + h * c + c
    spatial = c * h * 9 + h + 2 * h + h * c * 9 + c + 2 * c
    return channel + spatial


def normed(norm: Any, image: Tensor) -> Tensor:
    """Group norm with one group: by the mean and variance of all values of the image."""
    mean = image.sum() / image.numel()
    var = ((image - mean) ** 2).sum() / image.numel()
    scaled = (image - mean) / (var + norm.eps).sqrt()
    return scaled * norm.weight[:, None, None] + norm.bias[:, None, None]


def equation(module: Any, x: Tensor) -> Tensor:
    conv1, norm1, _, conv2, norm2 = module.spatial
    found = []
    for image in x:
        y = torch.empty_like(image)
        for i in range(image.shape[1]):
            for j in range(image.shape[2]):
                vector = image[:, i, j]
                hidden = module.fc1.weight.flatten(1) @ vector + module.fc1.bias
                logits = module.fc2.weight.flatten(1) @ hidden.clamp(min=0) + module.fc2.bias
                y[:, i, j] = vector * logits.sigmoid()
        s = normed(norm1, functional.conv2d(y[None], conv1.weight, conv1.bias, padding=1)[0]).clamp(min=0)
        s = normed(norm2, functional.conv2d(s[None], conv2.weight, conv2.bias, padding=1)[0])
        found.append(y * s.sigmoid())
    return torch.stack(found)
