"""Recipes: the variants that a repository keeps, as `[tool.codegen]` of pyproject.toml or codegen.toml says.

[tool.codegen.variants.resnet50_eca]
source = "timm:resnet50"
edits = ["after layer3: eca"]
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from codegen import edits, emit, grids
from codegen.errors import CodegenError

FILES = ("codegen.toml", "pyproject.toml")
TABLE = "variants"
MODULES = "modules"
SWEEPS = "sweep"
# key -> (type, what it says); `source` and `edits` must be there
KEYS: dict[str, tuple[type, str]] = {
    "source": (str, "timm:resnet50, torchvision:resnet50, path/model.py or pkg.module:Class"),
    "edits": (list, 'what is changed, in order: "after layer3: eca", "head fc: Linear(10)", "remove act", "checkpoint mlp"'),
    "output": (str, "the file that is written, from the folder of this file; default: generated/NAME.py"),
    "build": (str, "a Python expression that builds the model"),
    "input": (str, "1x3x224x224, or a Python expression"),
    "suffix": (str, "appended to registered names"),
    "keep": (str, "all or used: how much of the source's file"),
    "check": (list, "checks beyond the contract: script, fx, export, onnx, compile"),
}
NEEDED = ("source", "edits")
CHOICES = {"keep": ("all", "used")}


@dataclass(frozen=True)
class Recipe:
    """One variant: its command line behind `codegen`, without the output."""

    name: str
    words: tuple[str, ...]
    output: Path
    line: int = 0  # where it stands in the file, from 1


@dataclass(frozen=True)
class Book:
    """All recipes of one file. Paths in them are relative to its folder."""

    file: Path
    recipes: tuple[Recipe, ...]


def find(start: Path) -> Path:
    """The file with the recipes, in this folder or above it. Raises CodegenError("no-recipes")."""
    for folder in [start, *start.parents]:
        for name in FILES:
            path = folder / name
            if path.is_file() and (name == FILES[0] or "[tool.codegen" in path.read_text(encoding="utf-8", errors="replace")):
                return path
    what = "neither codegen.toml nor a pyproject.toml with [tool.codegen] is here or in a folder above"
    raise CodegenError("no-recipes", what, 'write one: [tool.codegen.variants.NAME] with source = "..." and edits = ["..."]')


def module_paths(path: Path) -> tuple[Path, ...]:
    """The files and folders with modules of the project's own. Raises CodegenError("bad-recipe")."""
    text, table = _table(path)
    named = table.get(MODULES, [])
    hint = f'for example {MODULES} = ["my_modules/"], from the folder of {path.name}'
    if not isinstance(named, list) or not all(isinstance(name, str) and name for name in named):
        raise _bad(path, text, [MODULES], f"{MODULES} is not a list of files and folders", hint)
    for name in named:
        place = path.parent / name
        if not (place.is_dir() or place.is_file() and place.suffix == ".py"):
            raise _bad(path, text, [MODULES], f"{name} in {MODULES} is neither a folder nor a Python file", hint)
    return tuple(path.parent / name for name in dict.fromkeys(named))


def _table(path: Path) -> tuple[str, dict[str, Any]]:
    """The text of the file, and its table `[tool.codegen]`."""
    try:
        text = path.read_text(encoding="utf-8")
        data = tomllib.loads(text)
    except OSError as error:
        raise CodegenError("no-recipes", f"{path}: {error.strerror}", "--config FILE names another") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise CodegenError("bad-recipe", f"{path.name}: {error}", "it is no TOML: mend it there") from None
    tool = data.get("tool", {})
    table = tool.get("codegen", {} if path.name == FILES[1] else data) if isinstance(tool, dict) else None
    if not isinstance(table, dict):
        raise _bad(path, text, ["tool"], "tool, or tool.codegen, is no table", f"write [tool.codegen.{TABLE}.NAME]")
    return text, table


def read(path: Path) -> Book:
    """The recipes of a file. Raises CodegenError("bad-recipe") with the line where it stands."""
    text, table = _table(path)
    for key in table.keys() - {TABLE, MODULES, SWEEPS}:
        hint = f"[tool.codegen.{TABLE}.NAME] holds a variant, [tool.codegen.{SWEEPS}.NAME] a sweep"
        raise _bad(path, text, [key], f"unknown key {key}", hint)
    _grids(path, text, table)
    variants = table.get(TABLE, {})
    if not isinstance(variants, dict) or not all(isinstance(value, dict) for value in variants.values()):
        raise _bad(path, text, [TABLE], f"{TABLE} is no table of tables", f"write [tool.codegen.{TABLE}.NAME]")
    made = tuple(_recipe(path, text, name, values) for name, values in variants.items())
    outputs: dict[Path, str] = {}
    for recipe in made:
        if other := outputs.get(recipe.output):
            what = f"{recipe.name} and {other} write the same file, {recipe.output}"
            raise _bad(path, text, [TABLE, recipe.name], what, "give one of them another output")
        outputs[recipe.output] = recipe.name
    return Book(path, made)


def sweeps(path: Path) -> dict[str, grids.Grid]:
    """The sweeps of a file by their names. Raises CodegenError("bad-recipe") with the line where it stands."""
    return _grids(path, *_table(path))


def _grids(path: Path, text: str, table: Mapping[str, Any]) -> dict[str, grids.Grid]:
    found = table.get(SWEEPS, {})
    if not isinstance(found, dict) or not all(isinstance(value, dict) for value in found.values()):
        raise _bad(path, text, [SWEEPS], f"{SWEEPS} is no table of tables", f"write [tool.codegen.{SWEEPS}.NAME]")
    for name, values in found.items():
        if re.fullmatch(r"[\w-]+", name) is None:
            raise _bad(path, text, [SWEEPS, name], f"{name!r} names a folder", "letters, digits, _ and - are its name")
        for key, what, hint in grids.faults(name, values):
            raise _bad(path, text, [SWEEPS, name, key], what, hint)
    return {name: grids.made(values) for name, values in found.items()}


def demand_free(path: Path, name: str) -> None:
    """Raise CodegenError("recipe-exists") where the file has a recipe of this name, "usage" where it is no plain word."""
    if re.fullmatch(r"[\w-]+", name) is None:
        what = f"--save {name!r}: a recipe's name is letters, digits, _ and -"
        raise CodegenError("usage", what, "for example --save vit_se")
    if path.is_file() and any(recipe.name == name for recipe in read(path).recipes):
        raise CodegenError("recipe-exists", f"{path.name} has a recipe {name}", "give another name, or change it there")


def save(path: Path, name: str, values: Mapping[str, str | list[str]]) -> None:
    """Add a recipe at the end of the file, which stays as it is; a file that is not there is made.

    Raises CodegenError("bad-recipe") where the file would not be read again; it is put back then.
    """
    old = path.read_text(encoding="utf-8") if path.is_file() else ""
    prefix = "tool.codegen." if path.name == FILES[1] or re.search(r"^\s*\[tool\.codegen\b", old, re.MULTILINE) else ""
    lines = [f"[{prefix}{TABLE}.{name}]"]
    lines += [f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in values.items()]
    emit.write(path, "\n".join([*([old.rstrip("\n"), ""] if old.strip() else []), *lines, ""]).encode())
    try:
        read(path)
    except CodegenError:
        emit.write(path, old.encode())
        raise


def schema() -> dict[str, Any]:
    """The JSON schema of the table `[tool.codegen]`, for editors."""
    types: dict[type, dict[str, Any]] = {
        str: {"type": "string"},
        list: {"type": "array", "items": {"type": "string"}, "minItems": 1},
    }
    keys = {key: {**types[kind], "description": what} for key, (kind, what) in KEYS.items()}
    keys |= {key: {**keys[key], "enum": [*allowed]} for key, allowed in CHOICES.items()}
    variant = {"type": "object", "properties": keys, "required": [*NEEDED], "additionalProperties": False}
    table = {"type": "object", "additionalProperties": variant, "description": "the variants by name"}
    grid = {"type": "object", "additionalProperties": grids.schema(), "description": "the sweeps by name"}
    modules = {**types[list], "description": "files and folders with modules of your own"}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "codegen",
        "type": "object",
        "properties": {TABLE: table, SWEEPS: grid, MODULES: modules},
        "additionalProperties": False,
    }


def _recipe(path: Path, text: str, name: str, values: dict[str, Any]) -> Recipe:
    where = [TABLE, name]
    for key, value in values.items():
        if key not in KEYS:
            raise _bad(path, text, [*where, key], f"unknown key {key} in {name}", f"known are {', '.join(KEYS)}")
        kind, what = KEYS[key]
        fits = isinstance(value, kind)
        if isinstance(value, list):
            fits = fits and bool(value) and all(isinstance(text, str) for text in value)
        if not fits:
            wanted = "a list of strings, not empty" if kind is list else "a string"
            raise _bad(path, text, [*where, key], f"{key} of {name} is not {wanted}", what)
        if value not in CHOICES.get(key, (value,)):
            raise _bad(path, text, [*where, key], f"{key} of {name} is {value!r}", f"it is {' or '.join(CHOICES[key])}")
    if re.search(r"[/\\]|[^\x20-\U0010ffff]", name) or name in (".", ".."):
        raise _bad(path, text, where, f"{name!r} is no name of a file", f"name it plainly: [tool.codegen.{TABLE}.vit_se]")
    for key in NEEDED:
        if key not in values:
            raise _bad(path, text, where, f"{name} has no {key}", KEYS[key][1])
    try:
        words = tuple(_words(values))
    except CodegenError as error:
        raise _bad(path, text, [*where, "edits"], f"{name}: {error.message}", error.hint) from None
    return Recipe(name, words, Path(values.get("output") or f"generated/{name}.py"), _line(text, where))


def _words(values: dict[str, Any]) -> Iterator[str]:
    """The command line that makes the variant: with one edit as the command of this edit."""
    commands = [edits.words(edit) for edit in values["edits"]]
    if len(commands) == 1:
        verb, *rest = commands[0]
        yield from (verb, values["source"], *rest)
    else:
        yield from ("insert", values["source"], *(word for edit in values["edits"] for word in ("--edit", edit)))
    for key in ("build", "input", "suffix", "keep"):
        yield from (f"--{key}", values[key]) if values.get(key) else ()
    yield from (word for check in values.get("check", ()) for word in ("--check", check))


def _bad(path: Path, text: str, where: list[str], what: str, hint: str) -> CodegenError:
    line = _line(text, where)
    return CodegenError("bad-recipe", f"{path.name}{f':{line}' if line else ''}: {what}", hint)


def _line(text: str, where: list[str]) -> int:
    """The line of a table, and of a key in it, from 1; 0 where it is not written as `[tool.codegen.variants.NAME]`."""
    kind = rf"\b{SWEEPS}\." if where[0] == SWEEPS and len(where) > 1 else ""
    table, *keys = [part for part in where if part != TABLE and not (kind and part == SWEEPS)] or [TABLE]
    found = re.compile(rf"^\s*\[[^\]\n]*{kind}\b[\"']?{re.escape(table)}[\"']?\s*\]", re.MULTILINE).search(text)
    for key in keys if found else [table]:
        assigned = re.compile(rf"^\s*[\"']?{re.escape(key)}[\"']?\s*=", re.MULTILINE)
        found = assigned.search(text, found.end() if found else 0) or found
    return text.count("\n", 0, found.end()) + 1 if found else 0
