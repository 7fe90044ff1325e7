"""The command that measures variants beside their bases. Like `cli` it only shows what a function of the API returns."""

from __future__ import annotations

import json as json_module
from typing import Any

import click

from codegen import api
from codegen.options import BENCH, SHOW


@click.command()
@BENCH
@SHOW
def bench(files: tuple[str, ...], *, as_json: bool, verbose: bool, **options: Any) -> None:
    """Measure FILEs, variants that codegen wrote, beside the bases that their headers name.

    Base and variants run in one process, in turns. Told are the time and its ratio to the base's of the same round (median
    and quartiles), parameters, FLOPs of one sample and the peak memory of a training step.
    """
    from codegen import timings

    found = api.bench(*files, **options)
    if as_json:
        click.echo(json_module.dumps(timings.as_json(found), indent=2))
    else:
        timings.show(found)
