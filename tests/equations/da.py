"""Dual attention once more, slowly: what a position reads from positions, what a channel reads from channels."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

SETTINGS = {"reduction": "4"}


def parameters(c: int) -> int:
    return 2 * (c * (c // 4) + c // 4) + c * c + c + 2


def linear(layer: Any, given: Tensor) -> Tensor:
    return layer.weight.flatten(1) @ given + layer.bias


def by_positions(module: Any, vector: Tensor, image: Tensor) -> Tensor:
    positions = image.flatten(1).unbind(1)
    query = linear(module.query, vector)
    shares = torch.stack([query @ linear(module.key, other) for other in positions]).softmax(0)
    return sum(share * linear(module.value, other) for share, other in zip(shares, positions, strict=True))


def by_channels(image: Tensor) -> Tensor:
    """(C, C): how much of channel i goes to channel j, at [j, i]."""
    channels = image.flatten(1)
    return torch.stack([torch.stack([(a * b).sum() for b in channels]).softmax(0) for a in channels])


def of_image(module: Any, image: Tensor, vectors: list[Tensor]) -> Tensor:
    shares = by_channels(image)
    found = []
    for vector in vectors:
        read = module.position_gain * by_positions(module, vector, image)
        found.append(vector + read + module.channel_gain * torch.stack([(row * vector).sum() for row in shares]))
    return torch.stack(found)


def equation(module: Any, x: Tensor) -> Tensor:
    return torch.stack([of_image(module, image, list(image.flatten(1).unbind(1))).T for image in x]).reshape(x.shape)


def prefix(module: Any, x: Tensor, tokens: Tensor) -> Tensor:
    """The class and register tokens (N, P, C) read from the patches, and mix their channels as the patches do."""
    return torch.stack([of_image(module, image, list(of)) for image, of in zip(x, tokens, strict=True)])


def started(module: Any) -> None:
    assert not module.position_gain.any() and not module.channel_gain.any()
