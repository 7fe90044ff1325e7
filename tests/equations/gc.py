"""The global context block once more, slowly: one image and one position at a time."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

SETTINGS = {"reduction": "4"}


def parameters(c: int) -> int:
    hidden = c // 4
    return c + (c * hidden + hidden) + 2 * hidden + (hidden * c + c)


def added(module: Any, x: Tensor) -> Tensor:
    """What every position gets: (N, C) of a map (N, C, H, W)."""
    key = module.key.weight.flatten()
    found = []
    for image in x:
        vectors = [image[:, i, j] for i in range(image.shape[1]) for j in range(image.shape[2])]
        scores = torch.stack([torch.exp(key @ vector) for vector in vectors])
        context = sum(score / scores.sum() * vector for score, vector in zip(scores, vectors, strict=True))
        hidden = module.fc1.weight @ context + module.fc1.bias
        centred = hidden - hidden.mean()
        hidden = centred / (centred.square().mean() + 1e-5).sqrt() * module.norm.weight + module.norm.bias
        found.append(module.fc2.weight @ hidden.clamp(min=0) + module.fc2.bias)
    return torch.stack(found)


def equation(module: Any, x: Tensor) -> Tensor:
    return x + added(module, x)[:, :, None, None]


def prefix(module: Any, x: Tensor, tokens: Tensor) -> Tensor:
    """The class and register tokens (N, P, C) get the patches' context too."""
    return tokens + added(module, x)[:, None]


def started(module: Any) -> None:
    assert not module.fc2.weight.any() and not module.fc2.bias.any()
