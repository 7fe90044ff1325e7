"""SiLU once more, from its equation; tests/test_parts.py has the other kinds."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

SETTINGS = {"kind": "silu"}
TORCHS = True  # the dtype under autocast is that of torch's own layer


def parameters(c: int) -> int:
    return 0


def equation(module: Any, x: Tensor) -> Tensor:
    return x / (1 + torch.exp(-x))


def prefix(module: Any, x: Tensor, tokens: Tensor) -> Tensor:
    return tokens / (1 + torch.exp(-tokens))
