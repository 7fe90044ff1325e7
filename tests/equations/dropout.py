"""Dropout once more: in eval a value stays as it is; in training it becomes zero, or larger by 1 / (1 - p)."""

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
    """In training: one factor for each value, 0 or 4 / 3, the first as often as p says."""
    torch.manual_seed(3)
    many = torch.cat([x] * 20)
    factors = module(many) / many
    dropped = factors == 0
    assert ((factors - 4 / 3).abs() < 1e-3).logical_or(dropped).all()
    assert abs(dropped.float().mean() - 0.25) < 0.01
