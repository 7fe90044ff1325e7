"""BAM once more, slowly: what the channels' branch and the positions' branch say, added in one gate."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

SETTINGS = {"reduction": "8", "dilation": "2"}


def parameters(c: int) -> int:
    h = c // 8
    channel = c * h + h + 2 * h + h * c + c
    spatial = c * h + h + 2 * (h * h * 9 + h) + 3 * 2 * h + h + 1
    return channel + spatial


def normed(norm: Any, values: Tensor) -> Tensor:
    """(C, ...) by the mean and variance of all its values, and each channel's own scale and shift."""
    mean = values.sum() / values.numel()
    var = ((values - mean) ** 2).sum() / values.numel()
    scaled = (values - mean) / (var + norm.eps).sqrt()
    each = zip(scaled, norm.weight, norm.bias, strict=True)
    return torch.stack([channel * weight + bias for channel, weight, bias in each])


def equation(module: Any, x: Tensor) -> Tensor:
    fc1, norm, _, fc2 = module.channel
    found = []
    for image in x:
        c = fc1.weight @ image.flatten(1).mean(1) + fc1.bias
        c = fc2.weight @ normed(norm, c).clamp(min=0) + fc2.bias

        layers = list(module.spatial)
        s = image
        for conv, group in zip(layers[0:9:3], layers[1:9:3], strict=True):
            reach = 2 if conv.weight.shape[-1] == 3 else 0
            s = functional.conv2d(s[None], conv.weight, conv.bias, padding=reach, dilation=2)[0]
            s = normed(group, s).clamp(min=0)
        s = (layers[9].weight.flatten() @ s.flatten(1) + layers[9].bias).reshape(image.shape[1:])

        found.append(image + image * (c[:, None, None] + s[None]).sigmoid())
    return torch.stack(found)
