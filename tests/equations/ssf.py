"""SSF once more, slowly: one channel at a time."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

SETTINGS: dict[str, str] = {}


def parameters(c: int) -> int:
    return 2 * c


def equation(module: Any, x: Tensor) -> Tensor:
    scale, shift = module.scale.flatten(), module.shift.flatten()
    return torch.stack([scale[c] * x[:, c] + shift[c] for c in range(x.shape[1])], dim=1)


def prefix(module: Any, x: Tensor, tokens: Tensor) -> Tensor:
    """The class and register tokens (N, P, C) as the patches."""
    return equation(module, tokens.transpose(1, 2)).transpose(1, 2)


def started(module: Any) -> None:
    assert 0 < (module.scale - 1).abs().max() < 0.1 and 0 < module.shift.abs().max() < 0.1
