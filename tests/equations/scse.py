"""scSE once more, slowly: each value times the sum of its channel's gate and its position's gate."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

SETTINGS = {"reduction": "4"}


def parameters(c: int) -> int:
    return c * (c // 4) + c // 4 + (c // 4) * c + c + c + 1


def channel_gates(module: Any, image: Tensor) -> Tensor:
    """(C,) of one image (C, H, W)."""
    means = torch.stack([channel.sum() / channel.numel() for channel in image])
    hidden = (module.fc1.weight.flatten(1) @ means + module.fc1.bias).clamp(min=0)
    return (module.fc2.weight.flatten(1) @ hidden + module.fc2.bias).sigmoid()


def of_vector(module: Any, gates: Tensor, vector: Tensor) -> Tensor:
    """One position (C,): the channels' part and the position's part, added."""
    own = (module.spatial.weight.flatten() @ vector + module.spatial.bias).sigmoid()
    return vector * gates + vector * own


def equation(module: Any, x: Tensor) -> Tensor:
    y = torch.empty_like(x)
    for n, image in enumerate(x):
        gates = channel_gates(module, image)
        for i in range(x.shape[2]):
            for j in range(x.shape[3]):
                y[n, :, i, j] = of_vector(module, gates, image[:, i, j])
    return y


def prefix(module: Any, x: Tensor, tokens: Tensor) -> Tensor:
    """The channels' gates come from the patches; the other gate is each token's own."""
    found = []
    for image, own in zip(x, tokens, strict=True):
        gates = channel_gates(module, image)
        found.append(torch.stack([of_vector(module, gates, token) for token in own]))
    return torch.stack(found)
