"""Builds of a model with fewer blocks and less width, by cutting its constructor's arguments. Shares no code with codegen."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import inspect
import sys
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

from torch import nn

MOST = 2  # blocks of a stage that stay
PART = 4  # of the width that stays
WIDE = 32  # what is less is not divided
DEPTHS = ("depth", "depths", "layers", "num_layers", "num_blocks", "n_layers", "n_blocks", "block_config", "d")
WIDTHS = ("dim", "width", "channels", "features", "planes", "chs", "filters", "classes", "hidden_size", "stem_size")
NO_WIDTHS = ("head", "in_chans", "in_channels", "patch", "window", "group")


class Found(Exception):
    """The class of the module whose construction begins first."""

    def __init__(self, cls: type) -> None:
        super().__init__(cls.__qualname__)
        self.cls = cls


def outermost(build: Callable[[], Any]) -> type | None:
    """The class of the first module that `build` begins to make, which is not made: as a rule the model itself."""

    def watch(frame: FrameType, event: str, _: Any) -> None:
        code = frame.f_code
        if event == "call" and code.co_name == "__init__" and code.co_argcount:
            first = frame.f_locals.get(code.co_varnames[0])
            if isinstance(first, nn.Module):
                raise Found(type(first))

    before = sys.getprofile()
    sys.setprofile(watch)
    try:
        build()
    except Found as found:
        return found.cls
    finally:
        sys.setprofile(before)
    return None


@contextlib.contextmanager
def short(cls: type | None, narrow: bool) -> Iterator[list[str]]:
    """While active, objects of exactly this class are made with fewer blocks, and narrow; gives the arguments that were cut."""
    cut: list[str] = []
    if cls is None or "__init__" not in vars(cls):
        yield cut
        return
    original: Callable[..., None] = vars(cls)["__init__"]
    signature = inspect.signature(original)

    @functools.wraps(original)
    def construct(self: nn.Module, *args: Any, **kwargs: Any) -> None:
        if type(self) is not cls:
            original(self, *args, **kwargs)
            return
        bound = signature.bind(self, *args, **kwargs)
        bound.apply_defaults()
        for name, value in list(bound.arguments.items())[1:]:
            fewer = shorter(name, value)
            fewer = narrower(name, fewer) if narrow else fewer
            if fewer is not value:
                bound.arguments[name] = fewer
                cut.append(name)
        original(*bound.args, **bound.kwargs)

    cls.__init__ = construct  # type: ignore[misc]
    try:
        yield cut
    finally:
        cls.__init__ = original  # type: ignore[misc]


def shorter(name: str, value: Any) -> Any:
    """The value of an argument with fewer blocks, itself where it says no number of blocks: 12, (3, 4, 6, 3), a list of the
    blocks of each stage, a configuration that has such a field.
    """
    if name in DEPTHS and _is_count(value):
        return min(value, MOST)
    if type(value) in (list, tuple) and value:
        if name in DEPTHS and all(map(_is_count, value)):
            return _as(value, [min(part, MOST) for part in value])
        if all(isinstance(part, (list, tuple)) and all(isinstance(block, dict) for block in part) for part in value):
            return _as(value, [part if len(part) <= MOST else part[:MOST] for part in value])
    return _within(value, shorter)


def narrower(name: str, value: Any) -> Any:
    """The value of an argument at a quarter of its width, itself where it says none."""
    if any(word in name for word in WIDTHS) and not any(word in name for word in NO_WIDTHS) or name == "c":
        if _is_wide(value):
            return value // PART
        if type(value) in (list, tuple) and value and all(map(_is_wide, value)):
            return _as(value, [part // PART for part in value])
    return _within(value, narrower)


def _within(value: Any, change: Callable[[str, Any], Any]) -> Any:
    if isinstance(value, dict):
        changed = _changed(value, change)
        return {**value, **changed} if changed else value
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        changed = _changed({f.name: getattr(value, f.name) for f in dataclasses.fields(value) if f.init}, change)
        return dataclasses.replace(value, **changed) if changed else value
    return _as(value, [change("", part) for part in value]) if type(value) in (list, tuple) else value


def _as(value: Any, parts: list[Any]) -> Any:
    return type(value)(parts) if any(a is not b for a, b in zip(parts, value, strict=True)) else value


def _changed(values: dict[Any, Any], change: Callable[[str, Any], Any]) -> dict[Any, Any]:
    fewer = {key: change(str(key), value) for key, value in values.items()}
    return {key: value for key, value in fewer.items() if value is not values[key]}


def _is_wide(value: Any) -> bool:
    return _is_count(value) and value >= WIDE and value % PART == 0


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0
