"""The commands about variants that a repository keeps: build, check, update, eject, schema. Like `cli` they only show it."""

from __future__ import annotations

import json as json_module
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NoReturn

import click

from codegen import api
from codegen.errors import CONTRACT, one_line
from codegen.options import SHOW

if TYPE_CHECKING:
    from codegen.building import Result

NAMES = click.argument("names", nargs=-1, metavar="[NAME|FILE]...")
CONFIG = click.option("--config", default="", metavar="FILE", help="Default: codegen.toml or pyproject.toml.")


@click.command()
@NAMES
@CONFIG
@click.option("--force", is_flag=True, help="Make all anew, and overwrite what was edited by hand.")
@click.option("--dry-run", is_flag=True, help="Only say which would be made; execute nothing of the sources.")
@click.option("--jobs", default=2, type=click.IntRange(1), show_default=True, help="How many at a time.")
@SHOW
def build(names: tuple[str, ...], *, as_json: bool, verbose: bool, **options: Any) -> None:
    """Make the variants of the recipes: those that are missing, or whose recipe or source changed.

    FILE is a variant that codegen wrote: its header alone is enough to make it again.
    """
    from codegen import kept

    _tell(api.build(*names, done=None if as_json else kept.built, **options), as_json)  # told as they end


@click.command()
@NAMES
@CONFIG
@click.option("--format", "form", type=click.Choice(["text", "json", "github", "sarif"]), default="text", show_default=True)
@click.option("--diff", is_flag=True, help="Show what the header says and would say now, and edits by hand.")
@SHOW
def check(names: tuple[str, ...], *, form: str, as_json: bool, verbose: bool, **options: Any) -> None:
    """Whether every variant is what its recipe makes: read-only, runs no model, fit for CI and pre-commit.

    Told apart are: missing, recipe-changed, upstream-changed, module-changed, edited-by-hand and other-version. Exit code 3
    where one is so.
    """
    from codegen import kept

    states = api.check(*names, **options)
    form = "json" if as_json else form
    click.echo(kept.FORMATS[form](states), nl=False)
    if form == "text":
        click.echo(kept.differences(states), nl=False)
    sys.exit(CONTRACT if any(state.problems for state in states) else 0)


@click.command()
@NAMES
@CONFIG
@click.option(
    "--old-source",
    default="",
    metavar="FILE|FOLDER",
    help="What a file that was edited by hand was made from: the file, or where the library of then is installed.",
)
@SHOW
def update(names: tuple[str, ...], *, as_json: bool, verbose: bool, **options: Any) -> None:
    """Make the variants of the recipes anew on their sources as they are now, and keep what was edited by hand.

    Edits by hand are merged by `git merge-file`. What a file was made as is looked for in the user's cache and in its git
    history; else it is made again, where the source is the same or --old-source has it. Where both changed
    the same lines, the file gets conflict markers, and the command ends with 3. A second run changes nothing.
    """
    from codegen import kept

    _tell(api.update(*names, done=None if as_json else kept.built, **options), as_json)


@click.command()
@click.argument("file")
@SHOW
def eject(file: str, *, as_json: bool, verbose: bool) -> None:
    """Take codegen's header off FILE: it is your own file then, and no command makes it again."""
    found = api.eject(file)
    said = {"output": found.output, "headers": found.headers}
    told = one_line(f"{found.output}: the header is gone, the file is your own")
    click.echo(json_module.dumps(said, indent=2) if as_json else told)


@click.command()
def schema() -> None:
    """The JSON schema of [tool.codegen], for editors."""
    click.echo(json_module.dumps(api.schema(), indent=2))


def _tell(results: Sequence[Result], as_json: bool) -> NoReturn:
    """All results together, and the exit code of the worst."""
    from codegen import kept

    if as_json:
        click.echo(json_module.dumps({"variants": [kept.result_json(result) for result in results]}, indent=2))
    else:
        kept.summary(results)
    sys.exit(max((result.error.exit_code for result in results if result.error), default=0))
