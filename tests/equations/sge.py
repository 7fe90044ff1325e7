"""SGE once more, slowly: in each group of channels, each position by its likeness to the group's mean."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

SETTINGS = {"groups": "4"}


def parameters(c: int) -> int:
    return 4 + 4


def of_group(vectors: Tensor, gamma: Tensor, beta: Tensor) -> Tensor:
    """One group (C / G, M) of one image."""
    mean = sum(vectors.T) / vectors.shape[1]
    likeness = torch.stack([mean @ vector for vector in vectors.T])
    mu = likeness.sum() / len(likeness)
    var = ((likeness - mu) ** 2).sum() / len(likeness)
    importance = gamma * (likeness - mu) / (var + 1e-5).sqrt() + beta
    return vectors * importance.sigmoid()


def equation(module: Any, x: Tensor) -> Tensor:
    gamma, beta = module.weight.flatten(), module.bias.flatten()
    each = x.shape[1] // len(gamma)
    found = []
    for image in x:
        parts = [of_group(image[g * each : (g + 1) * each].flatten(1), gamma[g], beta[g]) for g in range(len(gamma))]
        found.append(torch.cat(parts).reshape(image.shape))
    return torch.stack(found)


def started(module: Any) -> None:
    assert (module.weight == 0).all() and (module.bias == 1).all()
