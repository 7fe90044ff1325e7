"""The non-local block once more, slowly: what one position reads from all the others."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

SETTINGS = {"reduction": "4"}


def parameters(c: int) -> int:
    return 3 * (c * (c // 4) + c // 4) + (c // 4) * c + c


def of_vector(module: Any, vector: Tensor, image: Tensor) -> Tensor:
    """One position (or token) after it has read from every position of a map (C, H, W)."""

    def linear(layer: Any, given: Tensor) -> Tensor:
        return layer.weight.flatten(1) @ given + layer.bias

    theta = linear(module.query, vector)
    others = image.flatten(1).unbind(1)
    scores = torch.stack([theta @ linear(module.key, other) for other in others])
    shares = torch.exp(scores - scores.max())
    y = sum(share * linear(module.value, other) for share, other in zip(shares / shares.sum(), others, strict=True))
    return vector + linear(module.out, y)


def equation(module: Any, x: Tensor) -> Tensor:
    found = [torch.stack([of_vector(module, v, image) for v in image.flatten(1).unbind(1)], dim=1) for image in x]
    return torch.stack(found).reshape(x.shape)


def prefix(module: Any, x: Tensor, tokens: Tensor) -> Tensor:
    """The class and register tokens (N, P, C) read from the patches too."""
    found = [[of_vector(module, v, image) for v in of] for image, of in zip(x, tokens, strict=True)]
    return torch.stack([torch.stack(of) for of in found])


def started(module: Any) -> None:
    assert not module.out.weight.any() and not module.out.bias.any()
