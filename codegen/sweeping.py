"""The command about many variants: sweep. Like `cli` it only shows what the API returns."""

from __future__ import annotations

import json as json_module
import sys
from typing import Any

import click

from codegen import api
from codegen.errors import CONTRACT
from codegen.options import SHOW, SWEEP


@click.command()
@SWEEP
@SHOW
def sweep(sources: tuple[str, ...], *, as_json: bool, verbose: bool, **options: Any) -> None:
    """Make and prove a grid of variants, a row for each.

    NAME is a table [tool.codegen.sweep.NAME] of the recipes' file. With SOURCE the grid stands on the command line:
    codegen sweep timm:resnet50 --modules se,eca --sites every-stage. With the FOLDER of a sweep the rows are shown as they are.

    \b
    A cell of the grid is one variant. As a site stand
      layer2              a name, as codegen sites lists it
      layer*, blocks.::2  a cell for each site that the pattern means
      all(blocks.*.attn)  one cell, the module at all of them
      every-stage         each stage; of a plain transformer each block
      every-block         each block, a cell for each
      stem                what runs last before the first stage
      before-head         what runs last and still returns a map or tokens
    Commas inside brackets belong to a module or a site.

    Rows go to store.sqlite in the folder, the variants beside it. The same command goes on where it was stopped, and does
    nothing where all is done. Where a source has no such site the row is refused by name, and the others are made.

    Exit code: 0 where no row failed; 3 where a variant failed its contract, crashed or took too long.
    """
    from codegen import swept

    with swept.progress(as_json) as hear:
        found = api.sweep(*sources, done=hear, **options)
    if as_json:
        click.echo(json_module.dumps(swept.as_json(found), indent=2))
    else:
        swept.summary(found)
    sys.exit(CONTRACT if found.failed else 0)
