"""The commands about modules, not models: what the catalogue has. Like `cli` it prints; it imports what a command needs."""

from __future__ import annotations

import json as json_module

import click

from codegen import catalogue
from codegen.options import SHOW


@click.command()
@click.argument("name", required=False)
@click.option("--layout", default="", help="Show the source rendered for this layout: NCHW, NHWC, NLC, NC.")
@SHOW
def modules(name: str | None, *, layout: str, as_json: bool, verbose: bool) -> None:
    """The catalogue; with NAME one module: arguments, layouts, paper, its rendered source."""
    from codegen import records

    entries = [catalogue.entry(name)] if name else list(catalogue.entries())
    if as_json:
        found = [records.entry_json(e, layout) for e in entries]
        click.echo(json_module.dumps(found[0] if name else found, indent=2))
        return
    from codegen import show

    if name:
        show.entry(entries[0], layout)
    else:
        show.entries(entries)
