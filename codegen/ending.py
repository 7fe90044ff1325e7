"""How a command ends: an error as two lines or as JSON, and the exit code."""

from __future__ import annotations

import json as json_module
import sys
from typing import NoReturn

import click

from codegen.cli import cli
from codegen.errors import BUG, INTERRUPTED, USER, CodegenError, one_line, told


def _fail(error: CodegenError, arguments: list[str]) -> NoReturn:
    if "--json" in arguments:
        click.echo(json_module.dumps({"error": {"name": error.name, "message": error.message, "hint": error.hint}}, indent=2))
    else:
        click.echo(f"error[{error.name}]: {one_line(error.message)}", err=True)
        click.echo(f"hint: {one_line(error.hint)}", err=True)
    if error.details and ("--verbose" in arguments or error.exit_code == BUG):
        click.echo(error.details, err=True)
    sys.exit(error.exit_code)


def main() -> None:
    """Entry point of the console script."""
    arguments = sys.argv[1:] or ["--help"]
    try:
        # not cli.main(): on Ctrl-C it prints a line of its own
        with cli.make_context("codegen", list(arguments)) as context:
            cli.invoke(context)
    except CodegenError as error:
        _fail(error, arguments)
    except click.exceptions.Exit as leaving:
        sys.exit(leaving.exit_code)
    except click.ClickException as error:
        usage = "see codegen --help" if error.exit_code else ""
        _fail(CodegenError("usage", error.format_message(), usage or "see --help", USER), arguments)
    except BrokenPipeError:
        raise
    except (KeyboardInterrupt, click.exceptions.Abort) as ended:
        code = getattr(ended, "code", INTERRUPTED)  # by another signal than Ctrl-C
        what = "stopped; a file is written whole or not at all"
        _fail(CodegenError("interrupted", what, "run the command again", code), arguments)
    except Exception as error:
        _fail(told(error), arguments)
