"""Convpass once more, slowly: one place of the kernel at a time."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

SETTINGS = {"bottleneck": "6", "scale": "0.5"}


def parameters(c: int) -> int:
    return c * 6 + 6 + 6 * 6 * 9 + 6 + 6 * c + c


def gelu(t: Tensor) -> Tensor:
    return t * 0.5 * (1 + torch.erf(t / 2**0.5))


def equation(module: Any, x: Tensor) -> Tensor:
    rows, columns = x.shape[2:]
    down, up, kernel = module.down.weight.flatten(1), module.up.weight.flatten(1), module.conv.weight
    found = []
    for image in x:
        hidden = {}
        for i in range(rows):
            for j in range(columns):
                hidden[i, j] = gelu(down @ image[:, i, j] + module.down.bias)
        y = image.clone()
        for i, j in hidden:
            near = [(a, b) for a in range(3) for b in range(3) if (i + a - 1, j + b - 1) in hidden]
            seen = module.conv.bias + sum(kernel[:, :, a, b] @ hidden[i + a - 1, j + b - 1] for a, b in near)
            y[:, i, j] += 0.5 * (up @ gelu(seen) + module.up.bias)
        found.append(y)
    return torch.stack(found)


def prefix(module: Any, x: Tensor, tokens: Tensor) -> Tensor:
    """Each class and register token (N, P, C) is a map of one position."""
    maps = tokens.flatten(0, 1)[:, :, None, None]
    return equation(module, maps).reshape(tokens.shape)


def started(module: Any) -> None:
    assert not module.up.weight.any() and not module.up.bias.any() and not module.down.bias.any()
    assert torch.equal(module.conv.weight[:, :, 1, 1], torch.eye(6)) and module.conv.weight.sum() == 6
