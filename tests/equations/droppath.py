"""Stochastic depth once more: in eval a sample stays as it is; in training it becomes zeros, or larger by 1 / (1 - p)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

SETTINGS = {"p": "0.25"}


def parameters(c: int) -> int:
    return 0


def equation(module: Any, x: Tensor) -> Tensor:
    return x


def trained(module: Any, x: Tensor) -> None:
    """In training: one factor for each sample, 0 or 4 / 3, the first as often as p says."""
    torch.manual_seed(3)
    many = torch.cat([x] * 400)
    factors = [image.sum() / given.sum() for image, given in zip(module(many), many, strict=True)]
    dropped = sum(not factor for factor in factors)
    assert all(not factor or abs(factor - 4 / 3) < 1e-3 for factor in factors)
    assert abs(dropped / len(factors) - 0.25) < 0.05
