"""Fewer blocks and less width, where no argument of the constructor is their number: in a list of the blocks of each stage,
or in a configuration. Only values are changed, and only copies of them.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

DEPTH_NAMES = (
    "depth",
    "depths",
    "layers",
    "num_layers",
    "num_blocks",
    "n_layers",
    "n_layer",
    "n_blocks",
    "block_config",
)
COUNTS = (*DEPTH_NAMES, "d")  # of a configuration, which names its fields shortly
MOST = 2  # blocks of each stage
# words in the names of constructor arguments that say how wide a model is, and in those of numbers that are no width
WIDTHS = ("size", "dim", "width", "channels", "features", "planes", "chs", "filters", "classes")
NO_WIDTHS = ("patch", "window", "img", "image", "kernel", "stride", "pool", "grid", "head_dim", "dim_head", "group")
# in the place of an argument, which stays as it is but for fewer blocks and a part of its width (it goes through JSON)
FEWER, PART = "fewer blocks", "part of the width"


def mark(*, fewer: bool = True, part: int = 1) -> dict[str, int]:
    """What stands in the place of an argument in a small build."""
    return {FEWER: int(fewer), PART: part}


def is_mark(value: Any) -> bool:
    """Whether it is one."""
    return isinstance(value, dict) and value.keys() == {FEWER, PART}


def marked(value: Any, given: Mapping[str, int]) -> Any:
    """What a mark makes of the usual value."""
    value = shorter(value) if given[FEWER] else value
    return value if given[PART] == 1 else narrower(value, part=given[PART])


def shorter(value: Any, name: str = "") -> Any:
    """The value of an argument with at most two blocks of each stage; itself where it says no number of blocks.

    [[{...}, {...}, {...}], ...] is a list of the blocks of each stage, Config(depths=(3, 4, 6, 3)) has such a field.
    """
    if name in COUNTS and _is_count(value):
        return min(value, MOST)
    if name in COUNTS and _is_list(value) and all(map(_is_count, value)):
        return _replaced(value, [min(part, MOST) for part in value])
    if _is_list(value) and all(_is_list(part) and all(isinstance(block, dict) for block in part) for part in value):
        return _replaced(value, [part if len(part) <= MOST else part[:MOST] for part in value])
    return _inside(value, shorter)


def narrower(value: Any, name: str = "", part: int = 4) -> Any:
    """The value of a configuration at a part of its width; itself where it says none."""
    if name == "c" and _is_count(value) or name and is_width(name, value):
        return divided(value, part)
    return _inside(value, lambda inner, key="": narrower(inner, key, part))


def is_width(name: str, value: Any) -> bool:
    """Whether a whole number, or a list of them, is a width that can be divided, by its name."""
    numbers = value if isinstance(value, (tuple, list)) else [value]
    if any(word in name for word in NO_WIDTHS):
        return False
    whole = all(isinstance(n, int) and not isinstance(n, bool) and n >= 32 and n % 4 == 0 for n in numbers)
    return bool(numbers) and whole and any(word in name for word in WIDTHS)


def divided(value: Any, part: int) -> Any:
    """A width, or each of a list, divided."""
    return type(value)(v // part for v in value) if isinstance(value, (tuple, list)) else value // part


def _inside(value: Any, change: Callable[..., Any]) -> Any:
    """The value with what it holds changed, itself where nothing is."""
    if isinstance(value, dict):
        changed = _changed(value, change)
        return {**value, **changed} if changed else value
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        changed = _changed({f.name: getattr(value, f.name) for f in dataclasses.fields(value) if f.init}, change)
        return dataclasses.replace(value, **changed) if changed else value
    return _replaced(value, [change(part) for part in value]) if _is_list(value) else value


def _changed(values: dict[Any, Any], change: Callable[..., Any]) -> dict[Any, Any]:
    found = {key: change(value, str(key)) for key, value in values.items()}
    return {key: value for key, value in found.items() if value is not values[key]}


def _replaced(value: Any, parts: list[Any]) -> Any:
    return type(value)(parts) if any(new is not old for new, old in zip(parts, value, strict=True)) else value


def _is_list(value: Any) -> bool:
    return type(value) in (list, tuple) and bool(value)


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0
