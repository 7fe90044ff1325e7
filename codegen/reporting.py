"""The command about what a sweep found: report. Like `cli` it only shows what the API returns."""

from __future__ import annotations

import dataclasses
import json as json_module
from typing import Any

import click

from codegen import api
from codegen.options import SHOW


@click.command()
@click.argument("sweep")
@click.option("-o", "--output", default="", metavar="FILE", help="A .html or .md file. Default: report.html in the folder.")
@click.option("--force", is_flag=True, help="Replace an output that exists.")
@SHOW
def report(*, as_json: bool, verbose: bool, **options: Any) -> None:
    """Show what codegen sweep made, as one page or as Markdown.

    SWEEP is the folder of a sweep, or its name in sweeps/. The page needs no network and no other file: a summary, plots, and
    a table that can be sorted and filtered, with each variant's diff, its place in the backbone and the command that makes it.
    With -o FILE.md it is a table for a comment on a pull request.
    """
    found = api.report(**options)
    if as_json:
        click.echo(json_module.dumps(dataclasses.asdict(found), indent=2))
    else:
        click.echo(f"wrote {found.output} ({found.size / 1e6:.2f} MB)")
        for sentence in found.summary:
            click.echo(f"  {sentence}")
