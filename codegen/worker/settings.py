"""What a module was made with, as far as its attributes say so by their usual names. Reads, runs nothing."""

from __future__ import annotations

from typing import Any

from torch import nn

from codegen.worker.points import KEY

NAMES = ("kernel_size", "stride", "padding", "dilation", "groups", "eps", "p")
PADDING = "padding_mode"  # said where it is not the usual one


def of(module: nn.Module) -> tuple[tuple[str, str], ...]:
    """(name, value as an expression): ("stride", "2"); of a pair of equal numbers one number. `bias` where it has none."""
    if point := getattr(module, KEY, ()):
        return tuple(point)
    found = [(name, text) for name in NAMES if (text := _text(getattr(module, name, None)))]
    if getattr(module, "bias", "none") is None:
        found.append(("bias", "False"))
    if getattr(module, PADDING, "zeros") != "zeros":
        found.append((PADDING, repr(getattr(module, PADDING))))
    return tuple(found)


def _text(value: object) -> str:
    if isinstance(value, (tuple, list)) and value and all(isinstance(n, int) for n in value):
        value = value[0] if len(set(value)) == 1 else tuple(value)
    plain = isinstance(value, (int, float, str, tuple)) and not isinstance(value, bool)
    return repr(value) if plain else ""


def known(module: nn.Module) -> dict[str, Any]:
    """The fields of a TracedModule for one that may be replaced."""
    return {"settings": of(module), "keys": tuple(module.state_dict())}
