"""Talking-heads attention once more, slowly: one position and one head at a time."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

SETTINGS = {"heads": "12"}  # 32 channels have 4 of them: the greatest common divisor


def parameters(c: int) -> int:
    return 2 * c + (c * 3 * c + 3 * c) + 2 * 4 * 4 + (c * c + c)


def normed(module: Any, vector: Tensor) -> Tensor:
    centred = vector - vector.mean()
    return centred / (centred.square().mean() + module.norm.eps).sqrt() * module.norm.weight + module.norm.bias


def of_vectors(module: Any, image: Tensor, vectors: Tensor) -> Tensor:
    """Vectors (L, C) after they have read from every position of a map (C, H, W)."""
    wq, wk, wv = (w.reshape(4, -1, w.shape[1]) for w in module.qkv.weight.chunk(3))
    bq, bk, bv = (b.reshape(4, -1) for b in module.qkv.bias.chunk(3))
    others = [normed(module, other) for other in image.flatten(1).unbind(1)]
    keys = [torch.stack([wk[h] @ other + bk[h] for other in others]) for h in range(4)]
    values = [torch.stack([wv[h] @ other + bv[h] for other in others]) for h in range(4)]
    found = []
    for vector in vectors:
        query = normed(module, vector)
        logits = [keys[h] @ (wq[h] @ query + bq[h]) / len(bq[h]) ** 0.5 for h in range(4)]
        mixed = [sum(module.mix_logits.weight[h, other] * logits[other] for other in range(4)) for h in range(4)]
        shares = [each.softmax(0) for each in mixed]
        mixed = [sum(module.mix_shares.weight[h, other] * shares[other] for other in range(4)) for h in range(4)]
        heads = [sum(share * value for share, value in zip(mixed[h], values[h], strict=True)) for h in range(4)]
        found.append(vector + module.proj.weight @ torch.cat(heads) + module.proj.bias)
    return torch.stack(found)


def equation(module: Any, x: Tensor) -> Tensor:
    return torch.stack([of_vectors(module, image, image.flatten(1).T).T for image in x]).reshape(x.shape)


def sequence(module: Any, tokens: Tensor) -> Tensor:
    """Of tokens (N, L, C), class and register tokens among them: all read from all."""
    return torch.stack([of_vectors(module, image.T.unsqueeze(2), image) for image in tokens])
