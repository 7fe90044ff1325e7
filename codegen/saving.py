"""A command that made a variant, added to the recipes of the repository."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from codegen import edits, expressions, recipes
from codegen.errors import CodegenError
from codegen.types import Request


def demand_free(name: str, requests: Sequence[Request]) -> None:
    """Refuse, before the model runs, a name that is taken, and what no recipe says: `--static`, `--in-place`."""
    if requests[0].static or requests[0].in_place:
        what = "--save is of a variant that is made by a run of the model, in a file of its own"
        raise CodegenError("usage", what, "leave it out")
    recipes.demand_free(_book(), name)


def save(name: str, requests: Sequence[Request], output: Path) -> None:
    """Add what a command made as a recipe. Paths in it start at the folder of the recipes' file."""
    file, first = _book(), requests[0]

    def seen(spec: str) -> str:
        path, colon, rest = spec.partition(":")
        if not path.endswith(".py"):
            return spec
        return Path(os.path.relpath(Path(path).absolute(), file.parent)).as_posix() + colon + rest

    several = [edits.mapped(edit, lambda module: expressions.mapped(module, seen)) for edit in first.edits]
    said = several or [edits.said(replace(first, module=expressions.mapped(first.module, seen)))]
    values: dict[str, str | list[str]] = {"source": seen(first.source), "edits": said}
    where = Path(os.path.relpath(output.absolute(), file.parent)).as_posix()
    options = {"output": where if where != f"generated/{name}.py" else "", "build": first.build, "input": first.input}
    options |= {"suffix": first.suffix, "keep": first.keep}
    values |= {key: value for key, value in options.items() if value}
    values |= {"check": [*first.checks]} if first.checks else {}
    recipes.save(file, name, values)


def _book() -> Path:
    """The file with the recipes; where there is none yet, codegen.toml here."""
    try:
        return recipes.find(Path.cwd())
    except CodegenError:  # it is made
        return Path.cwd() / recipes.FILES[0]
