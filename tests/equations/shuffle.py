"""Shuffle attention once more, slowly: group by group, one half by its means, the other by its positions."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

SETTINGS = {"groups": "4"}


def parameters(c: int) -> int:
    return 4 * (c // (2 * 4))


def shuffled(vector: Tensor) -> Tensor:
    """(C, ...): the channels of the first half and of the second, in turn."""
    half = len(vector) // 2
    return torch.stack([vector[(i % 2) * half + i // 2] for i in range(len(vector))])


def equation(module: Any, x: Tensor) -> Tensor:
    w1, b1, w2, b2 = (
        p.flatten() for p in (module.channel_weight, module.channel_bias, module.spatial_weight, module.spatial_bias)
    )
    each = len(w1)  # channels of half a group
    found = []
    for image in x:
        channels = []
        for c, channel in enumerate(image):
            i, second_half = c % each, (c // each) % 2
            mean = channel.sum() / channel.numel()
            if second_half:
                var = ((channel - mean) ** 2).sum() / channel.numel()
                gate = (w2[i] * (channel - mean) / (var + 1e-5).sqrt() + b2[i]).sigmoid()
            else:
                gate = (w1[i] * mean + b1[i]).sigmoid()
            channels.append(channel * gate)
        found.append(shuffled(torch.stack(channels)))
    return torch.stack(found)


def prefix(module: Any, x: Tensor, tokens: Tensor) -> Tensor:
    """No gate, but the channels in the same order as the patches'."""
    return torch.stack([torch.stack([shuffled(token) for token in own]) for own in tokens])


def started(module: Any) -> None:
    assert (module.channel_weight == 0).all() and (module.spatial_weight == 0).all()
    assert (module.channel_bias == 1).all() and (module.spatial_bias == 1).all()
