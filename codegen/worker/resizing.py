"""Other builds of a model's class that work: the smallest, at other image sizes, at other widths. Never records calls."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from torch import nn

from codegen.worker import models, shortening
from codegen.worker.setup import CHANNEL_NAMES, SIZE_NAMES, Accept, Setup, pair, works
from codegen.worker.shortening import DEPTH_NAMES, FEWER, PART, WIDTHS, divided, is_mark, mark


def _size_names(setup: Setup) -> list[str]:
    """The constructor's arguments for the size of the image: by their name, else those that are its rows and columns."""
    given = {**setup.arguments, **setup.overrides}
    named = [name for name in SIZE_NAMES if pair(given.get(name))]
    pairs = [name for name, value in given.items() if isinstance(value, (tuple, list)) and pair(value)]
    return named or [name for name in pairs if pair(given[name]) == setup.image()]


def resized(setup: Setup, rows: int, columns: int, *, rebuild: bool) -> Iterator[Setup]:
    """The setup at another image size: the same model, or (rebuild) one constructed for that size."""
    if setup.image() is None:
        return
    shapes = models.parse_input(setup.input)
    first = shapes[0][0]
    sized = [((*shape[:-2], rows, columns) if shape == first else shape, dtype) for shape, dtype in shapes]
    spec = ",".join("x".join(map(str, shape)) + ("" if dtype == "float32" else f":{dtype}") for shape, dtype in sized)
    if not rebuild:
        yield replace(setup, input=spec)
        return
    for name in _size_names(setup)[:1]:
        yield replace(setup, input=spec, overrides={**setup.overrides, name: (rows, columns)})
        if rows == columns:
            yield replace(setup, input=spec, overrides={**setup.overrides, name: rows})


def small(setup: Setup, accept: Accept = lambda model: True, *, narrow: bool = True, short: bool = True) -> Setup:
    """The smallest build of the same class that works: few blocks, a small image, narrow. The setup itself where none does.

    narrow, short: whether it may have other widths, and fewer blocks.
    """
    resized = _short(setup, accept, _depths(setup) if short else {})
    return _narrow(resized) if narrow else resized


def short_only(overrides: Mapping[str, Any]) -> dict[str, Any]:
    """Overrides that leave out the blocks that these leave out, and change no width."""
    found = {name: value for name, value in overrides.items() if name in DEPTH_NAMES}
    return found | {name: mark() for name, value in overrides.items() if is_mark(value) and value[FEWER]}


def narrow_only(overrides: Mapping[str, Any]) -> dict[str, Any]:
    """Overrides that leave out no block, and change all else that these change."""
    found = {name: value for name, value in overrides.items() if name not in DEPTH_NAMES and not is_mark(value)}
    parts = {name: value[PART] for name, value in overrides.items() if is_mark(value) and value[PART] > 1}
    return found | {name: mark(fewer=False, part=part) for name, part in parts.items()}


def _depths(setup: Setup) -> dict[str, Any]:
    """Overrides that leave all but two blocks of each stage out."""
    depths: dict[str, Any] = {}
    for name in DEPTH_NAMES:
        value = setup.arguments.get(name)
        if isinstance(value, int) and not isinstance(value, bool) and value > 2:
            depths[name] = 2
        elif isinstance(value, (tuple, list)) and value and all(isinstance(v, int) for v in value):
            depths[name] = type(value)(min(v, 2) for v in value)
    listed = {name: mark() for name, value in setup.arguments.items() if shortening.shorter(value) is not value}
    if listed and works(shortened := replace(setup, overrides={**depths, **listed})):
        kinds, left = ({type(module) for module in s.model().modules()} for s in (setup, shortened))
        return {**depths, **listed} if kinds == left else depths  # blocks further down may be of a class of their own
    return depths


def _short(setup: Setup, accept: Accept, depths: Mapping[str, Any]) -> Setup:
    image = setup.image() or (0, 0)
    sizes = [(r, c) for r, c in ((96, 64), (64, 64), (96, 96), (128, 128), (192, 192)) if r * c < image[0] * image[1]]
    for overrides in [depths, {}] if depths else [{}]:
        start = replace(setup, overrides={**setup.overrides, **overrides})
        for rows, columns in sizes:
            for rebuild in (False, True):
                for candidate in resized(start, rows, columns, rebuild=rebuild):
                    if works(candidate, accept):
                        return candidate
        if overrides and works(start, accept):
            return start
    return setup


def _narrow(setup: Setup) -> Setup:
    """The same at a quarter of its width, or at half of it, as far as the constructor's arguments allow."""
    sizes = _size_names(setup)
    wide = {name: value for name, value in setup.arguments.items() if name not in sizes and _is_width(name, value)}
    held = [name for name, value in setup.arguments.items() if shortening.narrower(value) is not value]
    for part in (4, 2) if wide or held else ():
        changed = {n: divided(v, part) for n, v in wide.items()} | _parts(setup, held, part)
        candidate = replace(setup, overrides={**setup.overrides, **changed})
        if works(candidate):
            return candidate
    narrow = setup
    each = {n: divided(v, 4) for n, v in wide.items()} | _parts(setup, held, 4)
    for name, value in each.items() if len(each) > 1 else ():  # not all together: each that can
        candidate = replace(narrow, overrides={**narrow.overrides, name: value})
        narrow = candidate if works(candidate) else narrow
    return narrow


def _parts(setup: Setup, names: Iterable[str], part: int) -> dict[str, Any]:
    """Marks for a part of the width of these arguments, with the blocks that they have in the setup."""
    return {name: mark(fewer=is_mark(setup.overrides.get(name)), part=part) for name in names}


def _is_width(name: str, value: Any) -> bool:
    of_input = name in CHANNEL_NAMES and isinstance(value, int)
    return not of_input and name not in (*SIZE_NAMES, *DEPTH_NAMES) and shortening.is_width(name, value)


def second_size(setup: Setup, *, rebuild: bool = False) -> Iterator[Setup]:
    """Setups at another image size that work: of the same model, with `rebuild` also constructed for that size."""
    rows, columns = setup.image() or (0, 0)
    for rebuilt in (False, True) if rebuild else (False,):
        for size in ((rows + 64, columns + 32), (rows * 2, columns), (rows * 2, columns * 2)) if rows else ():
            for candidate in resized(setup, *size, rebuild=rebuilt):
                if works(candidate):
                    yield candidate


def sized(setup: Setup, limit: int = 12) -> Iterator[list[Setup]]:
    """The same class at other widths: one constructor argument, or one field of a configuration, changed at a time; of each
    list the first that builds counts.
    """
    count = 0
    sizes = (*SIZE_NAMES, *_size_names(setup), *DEPTH_NAMES)
    for name, value in setup.arguments.items():
        of_input = name in CHANNEL_NAMES and isinstance(value, int)
        if of_input or name in sizes or count >= limit:
            continue
        if changed := _changed(name, value):
            count += 1
            yield [replace(setup, overrides={**setup.overrides, name: other}) for other in changed]
    for name, holder in setup.arguments.items():
        for key, value in _fields(holder).items():
            if count < limit and _is_width(key, value) and (other := _with(holder, key, value * 2)) is not None:
                count += 1
                known = setup.overrides.get(name, mark(fewer=False))
                other = shortening.marked(other, known) if is_mark(known) else other
                yield [replace(setup, overrides={**setup.overrides, name: other})]


def _fields(holder: Any) -> dict[str, int]:
    """The whole numbers of a configuration: of a dict, or of an object that is no module."""
    attributes = {} if isinstance(holder, (nn.Module, type)) else getattr(holder, "__dict__", {})
    known = holder if isinstance(holder, dict) else attributes
    return {key: value for key, value in known.items() if isinstance(key, str) and type(value) is int}


def _with(holder: Any, key: str, value: int) -> Any:
    """A configuration with another value in one field; None where it allows none."""
    if isinstance(holder, dict):
        return {**holder, key: value}
    try:
        if dataclasses.is_dataclass(holder):
            return dataclasses.replace(holder, **{key: value})  # type: ignore[type-var]
        other = copy.copy(holder)
        setattr(other, key, value)
    except Exception:  # noqa: BLE001 - a class of the user's: it may refuse in any way
        return None
    return other


def _changed(name: str, value: Any) -> list[Any]:
    """Other values of a constructor argument that may move a width: flipped, doubled, given; best first.

    Of a list each number gets a factor of its own: where all are doubled, one stays the multiple of another that it was.
    """
    if isinstance(value, bool):
        return [not value]
    if isinstance(value, int):
        return [value * 2] if value >= 8 else []
    if isinstance(value, (tuple, list)) and len(value) > 1 and all(isinstance(v, int) and v >= 8 for v in value):
        factors = range(2, 2 + len(value)) if len(value) <= 6 else ()
        uneven = [type(value)(v * factor for v, factor in zip(value, factors, strict=True))] if factors else []
        return [*uneven, type(value)(v * 2 for v in value)]
    return [64] if value is None and any(word in name for word in WIDTHS) else []
