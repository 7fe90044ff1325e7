"""EMA once more, slowly: in each group of channels, two branches whose means weigh each other's maps."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

SETTINGS = {"groups": "8"}


def parameters(c: int) -> int:
    e = c // 8
    return e * e + e + e * e * 9 + e + 2 * e


def normed(norm: Any, maps: Tensor) -> Tensor:
    """Each channel by its own mean and variance over the positions."""
    scaled = []
    for channel, weight, bias in zip(maps, norm.weight, norm.bias, strict=True):
        mean = channel.sum() / channel.numel()
        var = ((channel - mean) ** 2).sum() / channel.numel()
        scaled.append((channel - mean) / (var + norm.eps).sqrt() * weight + bias)
    return torch.stack(scaled)


def of_group(module: Any, part: Tensor) -> Tensor:
    """(C / G, H, W) of one image."""
    weight, bias = module.conv1.weight.flatten(1), module.conv1.bias
    gated = part.clone()
    for i in range(part.shape[1]):
        gated[:, i, :] *= (weight @ part[:, i, :].mean(1) + bias).sigmoid()[:, None]
    for j in range(part.shape[2]):
        gated[:, :, j] *= (weight @ part[:, :, j].mean(1) + bias).sigmoid()[:, None]
    first = normed(module.norm, gated)
    second = functional.conv2d(part[None], module.conv3.weight, module.conv3.bias, padding=1)[0]
    p, q = (torch.softmax(maps.flatten(1).mean(1), dim=0) for maps in (first, second))
    weights = sum(p[c] * second[c] + q[c] * first[c] for c in range(len(part)))
    return part * weights.sigmoid()


def equation(module: Any, x: Tensor) -> Tensor:
    return torch.stack([torch.cat([of_group(module, part) for part in image.chunk(8)]) for image in x])
