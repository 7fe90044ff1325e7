"""Compare what two models return, nested in anything, and say in words where they differ. Never runs a model."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch

Leaf = Callable[[torch.Tensor, torch.Tensor], str]


def same(a: Any, b: Any) -> bool:
    """Both are tensors and equal, bit for bit but for the sign of zero; NaN equals NaN."""
    if not (isinstance(a, torch.Tensor) and isinstance(b, torch.Tensor)):
        return False
    if a.shape != b.shape or a.dtype != b.dtype:
        return False
    return torch.equal(a, b) or bool(torch.allclose(a, b, rtol=0, atol=0, equal_nan=True))


def shapes(a: Any, b: Any) -> str:
    """Where the structures, shapes or dtypes differ, "" where nowhere. `a` is the base's."""
    return _difference(a, b, _shape_leaf, "output")


def but_for(dim: int, a: Any, b: Any) -> str:
    """Where they differ in more than the size of one dim: 0, how many results; 1, how wide they are."""

    def leaf(one: torch.Tensor, other: torch.Tensor) -> str:
        sizes = ([n for d, n in enumerate(t.shape) if d != dim] for t in (one, other))
        return "" if one.dtype == other.dtype and one.ndim == other.ndim and next(sizes) == next(sizes) else "another"

    return _difference(a, b, leaf, "output")


def values(a: Any, b: Any) -> str:
    """Where two outputs differ in structure or in any value, "" where nowhere. `a` is the base's."""
    return _difference(a, b, _value_leaf, "output")


def close(a: Any, b: Any) -> str:
    """Where two outputs differ by more than another order of the same sums makes, "" where nowhere."""

    def leaf(one: torch.Tensor, other: torch.Tensor) -> str:
        alike = not _shape_leaf(one, other) and torch.allclose(one, other, rtol=1e-3, atol=1e-4, equal_nan=True)
        return "" if alike else _value_leaf(one, other)

    return _difference(a, b, leaf, "output")


def tensors(value: Any) -> Iterator[torch.Tensor]:
    """Every tensor in a nested output."""
    if isinstance(value, torch.Tensor):
        yield value
    for _, child in _children(value) or ():
        yield from tensors(child)


def floating(value: Any) -> list[torch.Tensor]:
    """The real-valued tensors in a nested output."""
    return [t for t in tensors(value) if t.is_floating_point()]


def describe(value: Any) -> str:
    """`(2, 8, 4, 4) float32` or the name of the type."""
    if isinstance(value, torch.Tensor):
        return f"{tuple(value.shape)} {str(value.dtype).removeprefix('torch.')}"
    return type(value).__name__


def _children(value: Any) -> list[tuple[str, Any]] | None:
    """The parts of a container with how each is reached; None where the value is no container."""
    if isinstance(value, Mapping):
        return [(f"[{key!r}]", child) for key, child in value.items()]
    if isinstance(value, (tuple, list)):
        return [(f"[{i}]", child) for i, child in enumerate(value)]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return [(f".{f.name}", getattr(value, f.name)) for f in dataclasses.fields(value)]
    return None


def _difference(a: Any, b: Any, leaf: Leaf, where: str) -> str:
    if isinstance(a, torch.Tensor) and isinstance(b, torch.Tensor):
        found = leaf(a, b)
        return f"{where}: {found}" if found else ""
    if type(a).__name__ != type(b).__name__:  # by name: base and variant each define their own output classes
        return f"{where}: {describe(a)} became {describe(b)}"
    parts, others = _children(a), _children(b)
    if parts is None or others is None:
        plain = isinstance(a, (bool, int, float, str))
        return f"{where}: {a!r} became {b!r}" if plain and a != b else ""
    names, other_names = [name for name, _ in parts], [name for name, _ in others]
    if names != other_names:
        return f"{where}: {len(names)} parts {' '.join(names)} became {len(other_names)} {' '.join(other_names)}"
    differences = (_difference(x, y, leaf, where + name) for (name, x), (_, y) in zip(parts, others, strict=True))
    return next((d for d in differences if d), "")


def _shape_leaf(a: torch.Tensor, b: torch.Tensor) -> str:
    return "" if describe(a) == describe(b) else f"{describe(a)} became {describe(b)}"


def _value_leaf(a: torch.Tensor, b: torch.Tensor) -> str:
    if same(a, b):
        return ""
    if describe(a) != describe(b):
        return _shape_leaf(a, b)
    largest = (a.double() - b.double()).abs().max().item() if not a.is_complex() else (a - b).abs().max().item()
    return f"values differ by up to {largest:.3g}"
