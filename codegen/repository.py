"""The commands about variants that a repository keeps: build, check, update, eject, schema. Like `cli` they print and exit."""

from __future__ import annotations

import json as json_module
import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click

from codegen import commandlines
from codegen.errors import CONTRACT, CodegenError
from codegen.options import SHOW

if TYPE_CHECKING:
    from codegen.building import Job, Result
    from codegen.recipes import Recipe
    from codegen.types import Request

CONFIG = click.option(
    "--config", default=None, type=click.Path(path_type=Path), metavar="FILE", help="Default: codegen.toml or pyproject.toml."
)


@click.command()
@click.argument("names", nargs=-1, metavar="[NAME|FILE]...")
@CONFIG
@click.option("--force", is_flag=True, help="Make all anew, and overwrite what was edited by hand.")
@click.option("--jobs", default=2, type=click.IntRange(1), show_default=True, help="How many at a time.")
@SHOW
def build(names: tuple[str, ...], *, config: Path | None, force: bool, jobs: int, as_json: bool, verbose: bool) -> None:
    """Make the variants of the recipes: those that are missing, or whose recipe or source changed.

    FILE is a variant that codegen wrote: its header alone is enough to make it again.
    """
    from codegen import building, kept

    show = (lambda result: None) if as_json else kept.built  # told as they end
    results = building.run(_wanted(names, config), jobs, force=force, done=show)
    _tell(results, as_json)


@click.command()
@click.argument("names", nargs=-1, metavar="[NAME|FILE]...")
@CONFIG
@click.option("--format", "form", type=click.Choice(["text", "json", "github", "sarif"]), default="text", show_default=True)
@click.option("--diff", "show_diff", is_flag=True, help="Show what the header says and what it would say now.")
@SHOW
def check(
    names: tuple[str, ...], *, config: Path | None, form: str, show_diff: bool, as_json: bool, verbose: bool
) -> None:
    """Whether every variant is what its recipe makes: read-only, runs no model, fit for CI and pre-commit.

    Told apart are: missing, recipe-changed, upstream-changed, edited-by-hand and other-version. Exit code 3 where one is so.
    """
    from codegen import keeping, kept

    meant = _wanted(names, config)
    states = [keeping.state(job.name, job.output, job.requests[0] if job.recipe else None) for job in meant]
    form = "json" if as_json else form
    click.echo(kept.FORMATS[form](states), nl=False)
    if show_diff and form == "text":
        click.echo("".join(f"{line}\n" for state in states for line in keeping.diff(state)), nl=False)
    sys.exit(CONTRACT if any(state.problems for state in states) else 0)


@click.command()
@click.argument("names", nargs=-1, metavar="[NAME]...")
@CONFIG
@SHOW
def update(names: tuple[str, ...], *, config: Path | None, as_json: bool, verbose: bool) -> None:
    """Make the variants of the recipes anew on their sources as they are now, and keep what was edited by hand.

    Edits by hand are merged by `git merge-file`; what a file was made as is looked for in its git history. Where both changed
    the same lines, the file gets conflict markers, and the command ends with 3. A second run changes nothing.
    """
    from codegen import kept, updating

    show = (lambda result: None) if as_json else kept.built  # told as they end
    results = updating.run(_wanted(names, config), done=show)
    _tell(results, as_json)


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@SHOW
def eject(file: Path, *, as_json: bool, verbose: bool) -> None:
    """Take codegen's header off FILE: it is your own file then, and no command makes it again."""
    from codegen import emit, syntax

    text, encoding = syntax.read(file)
    count = len(emit.headers(text))
    for _ in range(count):
        text = emit.without_header(text)
    emit.write(file, text.encode(encoding))
    said = {"output": str(file), "headers": count}
    click.echo(json_module.dumps(said, indent=2) if as_json else f"{file}: the header is gone, the file is your own")


@click.command()
def schema() -> None:
    """The JSON schema of [tool.codegen], for editors."""
    from codegen import recipes

    click.echo(json_module.dumps(recipes.schema(), indent=2))


def demand_free(name: str, requests: Sequence[Request]) -> None:
    """Refuse, before the model runs, a name that is taken, and what no recipe says: `--static`, `--in-place`."""
    from codegen import recipes

    if requests[0].static or requests[0].in_place:
        what = "--save is of a variant that is made by a run of the model, in a file of its own"
        raise CodegenError("usage", what, "leave it out")
    recipes.demand_free(_book(), name)


def save(name: str, requests: Sequence[Request], output: Path) -> None:
    """Add what a command made as a recipe. Paths in it start at the folder of the recipes' file."""
    from codegen import edits, expressions, recipes

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
    from codegen import recipes

    try:
        return recipes.find(Path.cwd())
    except CodegenError:  # it is made
        return Path.cwd() / recipes.FILES[0]


def _tell(results: Sequence[Result], as_json: bool) -> NoReturn:
    """All results together, and the exit code of the worst."""
    from codegen import kept

    if as_json:
        click.echo(json_module.dumps({"variants": [kept.result_json(result) for result in results]}, indent=2))
    else:
        kept.summary(results)
    sys.exit(max((result.error.exit_code for result in results if result.error), default=0))


def _wanted(names: Sequence[str], config: Path | None) -> list[Job]:
    """The variants that are meant; all recipes where none is named. Raises CodegenError("unknown-recipe")."""
    from codegen.building import Job

    files = [name for name in names if name.endswith(".py")]
    chosen = [Job(name, Path(name).absolute(), _recorded(Path(name)), recipe=False) for name in files]
    if files and len(files) == len(names):
        return chosen
    known = {recipe.name: recipe for recipe in _recipes(config)}
    if unknown := next((name for name in names if name not in known and name not in files), None):
        import difflib

        near = difflib.get_close_matches(unknown, known, 3) or [*known][:3]
        raise CodegenError("unknown-recipe", f"there is no recipe {unknown}", f"there are {', '.join(near) or 'none'}")
    meant = [known[name] for name in names if name in known] or [*known.values()]
    return chosen + [Job(recipe.name, recipe.output, _asked(recipe), recorded=_said(recipe.output)) for recipe in meant]


def _said(file: Path) -> tuple[Request, ...]:
    """What the header of a file says, () where there is none to be read."""
    try:
        return _recorded(file)
    except CodegenError:  # `keeping` tells what is wrong with it
        return ()


def _recipes(config: Path | None) -> tuple[Recipe, ...]:
    """The recipes; from here on paths are relative to their file's folder."""
    from codegen import recipes

    book = recipes.read(config or recipes.find(Path.cwd()))
    os.chdir(book.file.absolute().parent)
    return book.recipes


def _asked(recipe: Recipe) -> tuple[Request, ...]:
    verb, *words = recipe.words
    try:
        return commandlines.parsed(verb, list(words), {})
    except click.ClickException as error:
        raise CodegenError("bad-recipe", f"{recipe.name}: {error.format_message()}", "mend its edits and options") from None


def _recorded(file: Path) -> tuple[Request, ...]:
    from codegen import syntax

    text, _ = syntax.read(file)
    return commandlines.recorded(text, "")
