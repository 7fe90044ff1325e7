"""The variants that names and files mean, as Jobs: from the recipes of a repository, or from the header of a file."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from codegen import commandlines, imports, recipes, syntax
from codegen.building import Job
from codegen.errors import CodegenError
from codegen.recipes import Recipe
from codegen.types import Request


@contextlib.contextmanager
def jobs(names: Sequence[str], config: Path | None) -> Iterator[list[Job]]:
    """The variants that are meant, all recipes where none is named; inside, paths start at the folder of the recipes' file.

    Raises CodegenError("unknown-recipe", "no-recipes", "bad-recipe").
    """
    imports.forget()
    files = [name for name in names if name.endswith(".py")]
    said = [(name, _recorded(Path(name))) for name in files]
    chosen = [Job(name, Path(name).absolute(), header, recipe=False, recorded=header) for name, header in said]
    if files and len(files) == len(names):
        yield chosen
        return
    book = recipes.read(config or recipes.find(Path.cwd()))
    with contextlib.chdir(book.file.absolute().parent):
        meant = _named([name for name in names if name not in files], book.recipes)
        yield chosen + [Job(recipe.name, recipe.output, _asked(recipe), recorded=_said(recipe.output)) for recipe in meant]


def _named(names: Sequence[str], every: Sequence[Recipe]) -> list[Recipe]:
    known = {recipe.name: recipe for recipe in every}
    if unknown := next((name for name in names if name not in known), None):
        import difflib

        near = difflib.get_close_matches(unknown, known, 3) or [*known][:3]
        raise CodegenError("unknown-recipe", f"there is no recipe {unknown}", f"there are {', '.join(near) or 'none'}")
    return [known[name] for name in names] or [*known.values()]


def _said(file: Path) -> tuple[Request, ...]:
    """What the header of a file says, () where there is none to be read."""
    try:
        return _recorded(file)
    except CodegenError:  # `keeping` tells what is wrong with it
        return ()


def _asked(recipe: Recipe) -> tuple[Request, ...]:
    verb, *words = recipe.words
    try:
        return commandlines.parsed(verb, words, {})
    except CodegenError as error:
        if error.name != "usage":
            raise
        raise CodegenError("bad-recipe", f"{recipe.name}: {error.message}", "mend its edits and options") from None


def _recorded(file: Path) -> tuple[Request, ...]:
    text, _ = syntax.read(file)
    return commandlines.recorded(text, "")
