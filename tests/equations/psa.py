"""Polarized self-attention once more, slowly: the channels' gate and the positions' gate, side by side."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

SETTINGS: dict[str, str] = {}


def parameters(c: int) -> int:
    return c + c * (c // 2) + (c // 2) * c + 2 * c + 2 * c * (c // 2)


def channel_gates(module: Any, image: Tensor) -> Tensor:
    """(C,): sigmoid(norm(Wz (Wv X softmax(Wq X)))), the softmax over the positions."""
    x = image.flatten(1)  # (C, M)
    weights = torch.exp(module.query_c.weight.flatten() @ x)
    weights = weights / weights.sum()
    values = module.value_c.weight.flatten(1) @ x
    logits = module.up.weight.flatten(1) @ sum(w * value for w, value in zip(weights, values.T, strict=True))
    mean = logits.mean()
    var = ((logits - mean) ** 2).mean()
    return ((logits - mean) / (var + module.norm.eps).sqrt() * module.norm.weight + module.norm.bias).sigmoid()


def position_gate(module: Any, image: Tensor, vector: Tensor) -> Tensor:
    """One number: sigmoid(softmax(mean(Wq X)) . Wv x), the softmax over the channels."""
    queries = module.query_s.weight.flatten(1) @ image.flatten(1)
    weights = torch.exp(queries.mean(1))
    weights = weights / weights.sum()
    return (weights @ (module.value_s.weight.flatten(1) @ vector)).sigmoid()


def equation(module: Any, x: Tensor) -> Tensor:
    y = torch.empty_like(x)
    for n, image in enumerate(x):
        gates = channel_gates(module, image)
        for i in range(x.shape[2]):
            for j in range(x.shape[3]):
                vector = image[:, i, j]
                y[n, :, i, j] = gates * vector + position_gate(module, image, vector) * vector
    return y


def prefix(module: Any, x: Tensor, tokens: Tensor) -> Tensor:
    """The channels' gates and the position gate's query come from the patches."""
    found = []
    for image, own in zip(x, tokens, strict=True):
        gates = channel_gates(module, image)
        found.append(torch.stack([gates * token + position_gate(module, image, token) * token for token in own]))
    return torch.stack(found)
