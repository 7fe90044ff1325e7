"""Batch norm of maps and layer norm of what has its channels last, slowly; tests/test_parts.py has the other kinds."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

SETTINGS: dict[str, str] = {}
TORCHS = True  # the dtype under autocast is that of torch's own layer
BATCH = 2  # of one sample with a single position batch norm in training has no variance


def parameters(c: int) -> int:
    return 2 * c


def layer(module: Any, vector: Tensor) -> Tensor:
    """Over the channels of one position."""
    mean = vector.sum() / len(vector)
    variance = ((vector - mean) ** 2).sum() / len(vector)
    return module.weight * (vector - mean) / (variance + 1e-5).sqrt() + module.bias


def equation(module: Any, x: Tensor) -> Tensor:
    found = torch.empty_like(x)
    if hasattr(module, "running_mean"):
        for c in range(x.shape[1]):
            scaled = (x[:, c] - module.running_mean[c]) / (module.running_var[c] + 1e-5).sqrt()
            found[:, c] = module.weight[c] * scaled + module.bias[c]
        return found
    for n in range(len(x)):
        for i in range(x.shape[2]):
            for j in range(x.shape[3]):
                found[n, :, i, j] = layer(module, x[n, :, i, j])
    return found


def prefix(module: Any, x: Tensor, tokens: Tensor) -> Tensor:
    return torch.stack([torch.stack([layer(module, token) for token in image]) for image in tokens])


def started(module: Any) -> None:
    assert module.weight.eq(1).all() and module.bias.eq(0).all()
