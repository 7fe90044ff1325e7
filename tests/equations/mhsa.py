"""Multi-head self-attention once more, slowly: one position and one head at a time."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

SETTINGS = {"heads": "12"}  # 32 channels have 4 of them: the greatest common divisor


def parameters(c: int) -> int:
    return 2 * c + (c * 3 * c + 3 * c) + (c * c + c)


def normed(module: Any, vector: Tensor) -> Tensor:
    centred = vector - vector.mean()
    return centred / (centred.square().mean() + module.norm.eps).sqrt() * module.norm.weight + module.norm.bias


def of_vectors(module: Any, image: Tensor, vectors: Tensor) -> Tensor:
    """Vectors (L, C) after they have read from every position of a map (C, H, W)."""
    wq, wk, wv = module.qkv.weight.chunk(3)
    bq, bk, bv = module.qkv.bias.chunk(3)
    width = len(wq) // 4
    others = [normed(module, other) for other in image.flatten(1).unbind(1)]
    found = []
    for vector in vectors:
        heads = []
        for part in (slice(i * width, (i + 1) * width) for i in range(4)):
            query = wq[part] @ normed(module, vector) + bq[part]
            keys = torch.stack([wk[part] @ other + bk[part] for other in others])
            shares = (keys @ query / width**0.5).softmax(0)
            values = torch.stack([wv[part] @ other + bv[part] for other in others])
            heads.append((shares[:, None] * values).sum(0))
        found.append(vector + module.proj.weight @ torch.cat(heads) + module.proj.bias)
    return torch.stack(found)


def equation(module: Any, x: Tensor) -> Tensor:
    return torch.stack([of_vectors(module, image, image.flatten(1).T).T for image in x]).reshape(x.shape)


def sequence(module: Any, tokens: Tensor) -> Tensor:
    """Of tokens (N, L, C), class and register tokens among them: all read from all."""
    return torch.stack([of_vectors(module, image.T.unsqueeze(2), image) for image in tokens])
