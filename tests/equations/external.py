"""External attention once more, slowly: softmax over the positions, then shares of the memory's units."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

SETTINGS = {"memory": "6"}


def parameters(c: int) -> int:
    return c * c + c + 2 * 6 * c


def similarities(module: Any, vectors: list[Tensor]) -> Tensor:
    """Of each vector with each unit of the key memory: (L, S), doubles."""
    queries = [module.query.weight @ vector + module.query.bias for vector in vectors]
    return torch.stack([module.key.weight @ query for query in queries]).double()


def of_image(module: Any, image: Tensor, given: list[Tensor]) -> Tensor:
    """Vectors (L, C) after they have read from the memory; the first norm is over the positions of a map (C, H, W)."""
    over_positions = similarities(module, list(image.flatten(1).unbind(1))).exp().sum(0)
    found = []
    for vector, similarity in zip(given, similarities(module, given), strict=True):
        attention = similarity.exp() / over_positions
        attention = attention / attention.abs().sum()
        found.append(vector + sum(share * unit for share, unit in zip(attention, module.value.weight.T, strict=True)))
    return torch.stack(found).to(image.dtype)


def equation(module: Any, x: Tensor) -> Tensor:
    return torch.stack([of_image(module, image, list(image.flatten(1).unbind(1))).T for image in x]).reshape(x.shape)


def prefix(module: Any, x: Tensor, tokens: Tensor) -> Tensor:
    """The class and register tokens (N, P, C) read from the memory too, with the norm of the patches."""
    return torch.stack([of_image(module, image, list(of)) for image, of in zip(x, tokens, strict=True)])
