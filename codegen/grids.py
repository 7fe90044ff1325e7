"""A grid as a person writes it: which keys a table `[tool.codegen.sweep.NAME]` has, and lists in one text. Resolves nothing.

[tool.codegen.sweep.attention]
sources = ["timm:resnet18", "timm:vit_tiny_patch16_224"]
modules = ["se", "eca", "residual(se >> eca)"]
sites = ["every-stage", "stem"]
"""

from __future__ import annotations

import ast
import contextlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from codegen.errors import CodegenError
from codegen.given import CHOICES

Operation = Literal["after", "before", "beside", "replace"]
OPERATIONS: tuple[str, ...] = get_args(Operation)
COSTS = ("flops", "memory", "latency", "export")
# key -> (type, what it says)
KEYS: dict[str, tuple[type, str]] = {
    "sources": (list, "timm:resnet50, path/model.py ..."),
    "modules": (list, 'se, "se(reduction=8) >> eca", my.py:MyAttn ...: what --module takes'),
    "sites": (list, "layer2, layer*, all(blocks.*.attn), every-stage, every-block, stem, before-head"),
    "operations": (list, "after (default), before, beside, replace"),
    "args": (dict, "{reduction = [4, 8]}: each module that has the argument, with each value"),
    "include": (list, 'only cells like "timm:vit* se after blocks.*"'),
    "exclude": (list, 'no cells like "* cbam beside *"'),
    "identity": (bool, "true: each module starts as the identity"),
    "combine": (str, "beside: how the results are joined"),
    "build": (str, "a Python expression that builds the model"),
    "input": (str, "1x3x224x224, or a Python expression"),
    "limit": (int, "only the first cells"),
    "sample": (int, "only so many cells, drawn from all"),
    "seed": (int, "of the draw; default 0"),
    "full": (bool, "true: the whole contract"),
    "costs": (list, "what is measured: flops, memory, latency, export"),
    "output": (str, "the folder, from that of this file; default: sweeps/NAME"),
}
NEEDED = ("sources", "modules", "sites")
ALLOWED = {"operations": OPERATIONS, "costs": COSTS, "combine": CHOICES["combine"]}
WANTED = {list: "a list of texts, not empty", str: "a text", bool: "true or false", int: "a number", dict: "a table of lists"}
Fault = tuple[str, str, str]  # the key, what is wrong with it, what to write


@dataclass(frozen=True)
class Grid:
    """What a sweep asks for, as given. args: (name, its values)."""

    sources: tuple[str, ...]
    modules: tuple[str, ...]
    sites: tuple[str, ...]
    operations: tuple[str, ...] = ("after",)
    args: tuple[tuple[str, tuple[str, ...]], ...] = ()
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    identity: bool = False
    combine: str = ""
    build: str = ""
    input: str = ""
    limit: int | None = None
    sample: int | None = None
    seed: int = 0
    full: bool = False
    costs: tuple[str, ...] = ()
    output: str = ""


def faults(name: str, values: Mapping[str, Any]) -> Iterator[Fault]:
    """What is wrong with a table of this name."""
    for key, value in values.items():
        if key not in KEYS:
            yield key, f"unknown key {key} in the sweep {name}", f"known are {', '.join(KEYS)}"
            continue
        kind, what = KEYS[key]
        fits = isinstance(value, kind) and not (kind is int and isinstance(value, bool))
        if isinstance(value, list):
            fits = fits and bool(value) and all(isinstance(text, str) and text.strip() for text in value)
        if not fits:
            yield key, f"{key} of the sweep {name} is not {WANTED[kind]}", what
            continue
        for text in split(value) if isinstance(value, list) else [value] if value else []:
            if text not in ALLOWED.get(key, (text,)):
                yield key, f"{key} of the sweep {name} has {text!r}", f"there are {', '.join(ALLOWED[key])}"
        if key in ("limit", "sample") and value < 1:
            yield key, f"{key} of the sweep {name} is {value}", "a number from 1 on"
    for key in NEEDED:
        if key not in values:
            yield key, f"the sweep {name} has no {key}", KEYS[key][1]


def made(values: Mapping[str, Any]) -> Grid:
    """The Grid of a table without faults."""
    lists = {key: split(value) for key, value in values.items() if isinstance(value, list)}
    patterns = {key: tuple(values[key]) for key in ("include", "exclude") if key in values}  # a comma belongs to them
    plain = {key: value for key, value in values.items() if not isinstance(value, list | dict)}
    arguments = tuple((key, _values(value)) for key, value in values.get("args", {}).items())
    return Grid(**{**lists, **patterns, **plain, "args": arguments, "sources": listed(values["sources"])})


def listed(sources: Iterable[str]) -> tuple[str, ...]:
    """The sources of texts with commas between them; a file may have one in its name."""
    return tuple(dict.fromkeys(part for text in sources for part in ([text] if Path(text).exists() else split([text]))))


def split(texts: Iterable[str]) -> tuple[str, ...]:
    """The parts of texts with commas between them: `se,cat(eca, cbam)` has two. Each once, in their order."""
    return tuple(dict.fromkeys(part for text in texts for part in _parted(text)))


def _parted(text: str) -> Iterator[str]:
    """Commas inside brackets and quotes belong to a part."""
    depth, quote, start = 0, "", 0
    for index, char in enumerate(f"{text},"):
        quote = "" if char == quote else quote or (char if char in "'\"" and depth else "")
        depth += 0 if quote else (char in "([{") - (char in ")]}")
        if char == "," and (depth <= 0 and not quote or index == len(text)):
            if part := text[start:index].strip():
                yield part
            start = index + 1


def several(pairs: Iterable[tuple[str, str]]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Arguments with the values that each is tried with: `reduction=4,8`, or a list as Python writes it."""
    found: dict[str, list[str]] = {}
    for name, text in pairs:
        inner = text.strip()
        if inner.startswith("[") and inner.endswith("]") and len(split([inner])) == 1:
            inner = inner[1:-1]
        found.setdefault(name, []).extend(_plain(value) for value in split([inner]))
    for name, values in found.items():
        if not values:
            raise CodegenError("usage", f"--arg {name}= has no value", "for example --arg reduction=4,8")
    return tuple((name, tuple(dict.fromkeys(values))) for name, values in found.items())


def _plain(value: str) -> str:
    """A text without its quotes: `'gelu'` of a Python list is what --arg kind=gelu says."""
    with contextlib.suppress(ValueError, SyntaxError, MemoryError, RecursionError):
        if isinstance(meant := ast.literal_eval(value), str):
            return meant
    return value


def _values(value: Any) -> tuple[str, ...]:
    """Of a table's argument: a list is several values, and what stands in it is one."""
    return tuple(dict.fromkeys(str(each) for each in (value if isinstance(value, list) else [value])))


def schema() -> dict[str, Any]:
    """The JSON schema of one such table."""
    types: dict[type, dict[str, Any]] = {
        str: {"type": "string"},
        bool: {"type": "boolean"},
        int: {"type": "integer"},
        dict: {"type": "object"},
    }
    listed = {key: {"type": "string", **({"enum": [*ALLOWED[key]]} if key in ALLOWED else {})} for key in KEYS}
    keys: dict[str, Any] = {}
    for key, (kind, what) in KEYS.items():
        body = {"type": "array", "items": listed[key], "minItems": 1} if kind is list else dict(types[kind])
        body |= {"enum": [*ALLOWED[key]]} if kind is str and key in ALLOWED else {}
        body |= {"minimum": 1} if key in ("limit", "sample") else {}
        keys[key] = {**body, "description": what}
    return {"type": "object", "properties": keys, "required": [*NEEDED], "additionalProperties": False}
