"""The commands about modules, not models: what the catalogue has. Like `cli` it prints; it imports what a command needs."""

from __future__ import annotations

import json as json_module

import click

from codegen import catalogue
from codegen.options import SHOW


@click.command()
@click.argument("words", nargs=-1, metavar="[NAME | WORD...]")
@click.option("--layout", default="", help="Only those for this layout: NCHW, NHWC, NLC, NC. With NAME: its source there.")
@click.option("--no-params", is_flag=True, help="Only those without parameters.")
@SHOW
def modules(words: tuple[str, ...], *, layout: str, no_params: bool, as_json: bool, verbose: bool) -> None:
    """The catalogue as a table; with words, the modules whose name, summary, paper or equation has them all.

    With NAME one module: arguments, parameters, layouts, paper, its rendered source.
    """
    from codegen import finding, records

    words = tuple(" ".join(words).split())
    one = len(words) == 1 and not no_params and words[0] in {entry.name for entry in catalogue.entries()}
    found = [catalogue.entry(words[0])] if one else finding.find(words, layout, free=no_params)
    if as_json:
        values = [records.entry_json(entry, layout) for entry in found]
        click.echo(json_module.dumps(values[0] if one else values, indent=2))
        return
    from codegen import show

    if one:
        show.entry(found[0], layout)
    else:
        show.entries(found)
