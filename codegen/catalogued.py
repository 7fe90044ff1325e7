"""The commands about modules, not models: what the catalogue has, what a module is worth. Like `cli` they only show it."""

from __future__ import annotations

import json as json_module
import sys
from typing import Any

import click

from codegen import api
from codegen.errors import CONTRACT
from codegen.options import ARGUMENTS, LIMITS, SHOW


@click.command()
@click.argument("words", nargs=-1, metavar="[NAME | WORD...]")
@click.option("--layout", default="", help="Only those for this layout: NCHW, NHWC, NLC, NC. With NAME: its source there.")
@click.option("--no-params", is_flag=True, help="Only those without parameters.")
@SHOW
def modules(words: tuple[str, ...], *, layout: str, as_json: bool, verbose: bool, **options: Any) -> None:
    """The catalogue as a table; with words, the modules whose name, summary, paper or equation has them all.

    With NAME one module: arguments, parameters, layouts, paper, its rendered source. Behind the catalogue's own stand the
    classes of the files in `modules` of [tool.codegen], and of packages with an entry point in the group codegen.modules.
    """
    found = api.modules(*words, layout=layout, **options)
    one = not options["no_params"] and words == (found[0].name,)
    if as_json:
        from codegen import records

        values = [records.module_json(each, layout) for each in found]
        click.echo(json_module.dumps(values[0] if one else values, indent=2))
        return
    from codegen import show

    if one:
        show.module(found[0], layout)
    else:
        show.modules(found)


@click.command()
@click.argument("module")
@click.option("--width", default=64, type=click.IntRange(1), show_default=True, help="The channels that it is made for.")
@click.option("--layout", default="", help="Only this one: NCHW, NLC, NHWC, NC or NCL. Default: each is tried.")
@ARGUMENTS
@LIMITS
@SHOW
def certify(*, as_json: bool, verbose: bool, **options: Any) -> None:
    """Try MODULE out by itself: se, my.py:MyAttn, timm.layers:EcaModule, "se >> eca". No model is needed.

    Does it build, keep its tensor's shape at every size, and in which layouts; does it train, on a batch of one too, run in
    bfloat16, and can it be scripted, exported, compiled, copied and saved.
    """
    from codegen import certificate

    found = api.certify(**options)
    if as_json:
        click.echo(json_module.dumps(certificate.as_json(found), indent=2))
    else:
        certificate.show(found)
    sys.exit(CONTRACT if found.failed else 0)
