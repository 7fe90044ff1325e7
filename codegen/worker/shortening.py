"""Fewer blocks, where no argument of the constructor is their number: in a list of the blocks of each stage, or in a
configuration. Only values are changed, and only copies of them.
"""

from __future__ import annotations

import dataclasses
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
MARK = {"blocks of each stage": 2}  # in the place of an argument: as it is, but for so many blocks (it goes through JSON)
COUNTS = (*DEPTH_NAMES, "d")  # of a configuration, which names its fields shortly


def shorter(value: Any, name: str = "") -> Any:
    """The value of an argument with at most two blocks of each stage; itself where it says no number of blocks.

    [[{...}, {...}, {...}], ...] is a list of the blocks of each stage, Config(depths=(3, 4, 6, 3)) has such a field.
    """
    most = MARK["blocks of each stage"]
    if name in COUNTS and _is_count(value):
        return min(value, most)
    if isinstance(value, dict):
        changed = _changed(value)
        return {**value, **changed} if changed else value
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        changed = _changed({f.name: getattr(value, f.name) for f in dataclasses.fields(value) if f.init})
        return dataclasses.replace(value, **changed) if changed else value
    if type(value) not in (list, tuple) or not value:
        return value
    if name in COUNTS and all(map(_is_count, value)):
        parts = [min(part, most) for part in value]
    elif all(isinstance(part, (list, tuple)) and all(isinstance(block, dict) for block in part) for part in value):
        parts = [part if len(part) <= most else part[:most] for part in value]
    else:
        parts = [shorter(part) for part in value]
    return type(value)(parts) if any(new is not old for new, old in zip(parts, value, strict=True)) else value


def _changed(values: dict[Any, Any]) -> dict[Any, Any]:
    found = {key: shorter(value, str(key)) for key, value in values.items()}
    return {key: value for key, value in found.items() if value is not values[key]}


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0
