"""What options may be, under the names that they have in Python: checked once, for the command line and for the API.

A word of the language has an underscore behind it (`class_`, `with_`); `--arg` is `args`.
"""

from __future__ import annotations

import ast
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, get_args

from codegen import parsing
from codegen.errors import CodegenError

Combine = Literal["add", "mul", "cat", "gate"]
Keep = Literal["all", "used"]
Way = Literal["residual", "gate", "drop_path", "scale", "checkpoint"]
Pool = Literal["avg", "max", "avgmax", "gem", "catavgmax"]
Init = Literal["paper", "kaiming", "xavier", "trunc_normal", "zero_last", "host"]
Isolate = Literal["fork"]
Executor = Literal["local", "dask"]
Device = Literal["cpu", "cuda"]
Ways = Literal["script", "fx", "export", "onnx", "compile"]
Spec = str | os.PathLike[str]  # a SOURCE, or a file
Arguments = Mapping[str, object] | Sequence[str]  # {"reduction": 8}, or the texts "reduction=8" of --arg

CHOICES: dict[str, tuple[str, ...]] = {
    "combine": get_args(Combine),
    "keep": get_args(Keep),
    "with_": get_args(Way),
    "pool": get_args(Pool),
    "init": get_args(Init),
    "isolate": get_args(Isolate),
    "executor": get_args(Executor),
    "device": get_args(Device),
}
CHECKS: tuple[str, ...] = get_args(Ways)
EXPRESSIONS = {  # and an example of each
    "build": 'for example --build "VisionTransformer(depth=2)"',
    "input": 'for example --input 1x3x224x224, or --input "torch.randn(1, 6)"',
    "width": "for example --width embed_dim, or --width 'dims[-1] // 2'",
    "out_width": "for example --out-width embed_dim",
}
SHAPES = re.compile(r"\s*-?\d+(x-?\d+)*(:\w+)?(\s*,\s*-?\d+(x-?\d+)*(:\w+)?)*\s*")
OF_A_GRID = ("modules", "sites", "operations", "include", "exclude", "costs")
LISTS = ("edits", "checks", "sources", *OF_A_GRID)
COUNTS = ("call", "jobs", "limit", "sample", "workers", "batch", "runs", "threads")  # from 1
NUMBERS = (*COUNTS, "output_index", "timeout", "seed")
FLAGS = (
    *("identity", "separate", "hook", "emit_groups", "with_test", "static", "in_place", "force", "dry_run"),
    *("import_", "accept_licence"),
    *("full", "compile", "strict", "retry", "merge", "train"),
)
PATHS = (
    *("source", "sources", "export", "file", "files", "output", "against", "names", "config", "old_source"),
    *("sweep", "svg", "html"),
)
BASE = "_base"  # what `codegen base` appends to registered names, where nothing else is said
WORDS = {"args": "arg", "checks": "check", "edits": "edit"}  # several values are one name here, one option each there


def flag(name: str) -> str:
    """The option of the command line: `class_` -> --class."""
    return f"--{WORDS.get(name, name).rstrip('_').replace('_', '-')}"


def checked(options: Mapping[str, Any]) -> dict[str, Any]:
    """The options, paths as texts, lists as tuples and args as pairs of texts. Raises CodegenError("usage")."""
    return {name: _value(name, value) for name, value in options.items()}


def _value(name: str, value: Any) -> Any:
    if name in FLAGS or value is None:
        return value
    if name == "args":
        return pairs(value)
    if name in LISTS:
        return texts(name, value)
    if name in NUMBERS:
        return _number(name, value)
    text = _text(name, value)
    if text and name in EXPRESSIONS:
        _demand_expression(name, text)
    if name == "suffix" and not re.fullmatch(r"\w*", text):
        raise CodegenError("usage", f"--suffix {text!r} is no end of a name", "letters, digits and _: for example _se")
    if text and text not in CHOICES.get(name, (text,)):
        raise CodegenError("usage", f"{flag(name)} {text} is none of {', '.join(CHOICES[name])}", "give one of them")
    return text


def _demand_expression(name: str, text: str) -> None:
    """Raise CodegenError("usage") for what is not one expression; for a number of channels that calls more than int(...)."""
    if name == "input" and SHAPES.fullmatch(text):
        return
    found = parsing.expression(text)
    if found is None:
        other = ", nor shapes: 1x3x224x224" if name == "input" else ""
        raise CodegenError("usage", f"{flag(name)} {text!r} is no Python expression{other}", EXPRESSIONS[name])
    text_alone = isinstance(found, ast.Constant) and not isinstance(found.value, (int, float))
    if name.endswith("width") and (text_alone or not parsing.is_plain(found, parsing.ARITHMETIC)):
        what = f"{flag(name)} {text!r} is more than names, numbers and operators"
        raise CodegenError("usage", what, EXPRESSIONS[name])


def _text(name: str, value: Any) -> str:
    text = os.fspath(value) if name in PATHS and isinstance(value, os.PathLike) else value
    if not isinstance(text, str):
        hint = 'a class is named with its file: "my.py:MyAttn"' if name == "module" else "give it as on the command line"
        raise CodegenError("usage", f"{flag(name)} is a text, not {text!r}", hint)
    return text


def texts(name: str, value: Any) -> tuple[str, ...]:
    """Several texts, or paths. Raises CodegenError("usage")."""
    if isinstance(value, str) or not isinstance(value, Iterable):
        raise CodegenError("usage", f"{flag(name)} is a list of texts, not {value!r}", f"for example {name}=[{value!r}]")
    found = tuple(_text(name, text) for text in value)
    for text in found:
        if name == "checks" and text not in CHECKS:
            raise CodegenError("usage", f"--check {text} is none of {', '.join(CHECKS)}", "give some of them")
    return found


def _number(name: str, value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, (int, float) if name == "timeout" else int):
        raise CodegenError("usage", f"{flag(name)} is a number, not {value!r}", f"for example {name}=1")
    return at_least_one(name, value) if name in COUNTS else value


def at_least_one(name: str, value: Any) -> int:
    """The number. Raises CodegenError("usage") where it is none from 1 on."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise CodegenError("usage", f"{flag(name)} {value!r} is no number from 1 on", f"for example {name}=1")
    return value


def pairs(arguments: Arguments) -> tuple[tuple[str, str], ...]:
    """The arguments of a module, each value as the text that `--arg` takes. Raises CodegenError("usage")."""
    if isinstance(arguments, Mapping):
        return tuple((_named(key, f"{key}={value}"), _written(str(key), value)) for key, value in arguments.items())
    if isinstance(arguments, str) or not isinstance(arguments, Iterable):
        raise CodegenError("usage", f"args={arguments!r} is no dict", 'for example args={"reduction": 8}')
    parts = [(text, *str(text).partition("=")) for text in arguments]
    found = tuple((_named(key if equals else "", str(text)), value) for text, key, equals, value in parts)
    names = [name for name, _ in found]
    if twice := next((name for name in names if names.count(name) > 1), ""):
        raise CodegenError("usage", f"--arg {twice} is given twice", "leave one of the two out")
    return found


def _named(key: object, said: str) -> str:
    if not isinstance(key, str) or not key.isidentifier():
        raise CodegenError("usage", f"--arg {said} is not K=V", "for example --arg reduction=8")
    return key


def _written(name: str, value: object) -> str:
    """A value as the text of `--arg`: numbers, None, and lists of them as Python writes them; a text is one already."""
    if isinstance(value, str):
        return value
    text = repr(value)
    try:
        plain = not isinstance(value, (dict, set, bytes)) and ast.literal_eval(text) == value
    except (ValueError, SyntaxError, TypeError):
        plain = False
    if not plain:
        what = f"args[{name!r}] is {text}, which cannot be written into the variant"
        raise CodegenError("usage", what, 'give a number, None, a list of them, or an expression as text: "nn.GELU"')
    return text


def demand_none(options: Mapping[str, Any], needs: str) -> None:
    """Raise CodegenError("usage") where an option was given that says nothing here."""
    for name, value in options.items():
        if value:
            raise CodegenError("usage", f"{flag(name)} goes with {needs} only", f"leave {flag(name)} out")
