"""Nothing changes."""

from __future__ import annotations

from typing import Any

from torch import Tensor

SETTINGS: dict[str, str] = {}


def parameters(c: int) -> int:
    return 0


def equation(module: Any, x: Tensor) -> Tensor:
    return x


def trained(module: Any, x: Tensor) -> None:
    assert module(x) is x
