"""The command line: arguments -> a function of the API; what it returns -> text, JSON, exit code.

Prints and exits, as the modules of commands do, and does nothing else. What a command does not need is not imported for it:
not torch, not rich for --json.
"""

from __future__ import annotations

import json as json_module
import sys
from typing import Any

import click

from codegen import api, benching, catalogued, reporting, repository, sweeping
from codegen.errors import CONTRACT
from codegen.options import BASE, CHECKS, DIFF, HEAD, INSERT, REMOVE, REPLACE, RUN, SHOW, WRAP
from codegen.types import Report
from codegen.version import __version__


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__)
def cli() -> None:
    """Insert modules into vision backbones: a source-to-source transformation that proves its result."""


cli.add_command(catalogued.modules)
cli.add_command(catalogued.certify)
cli.add_command(benching.bench)
for _command in (repository.build, repository.check, repository.update, repository.eject, repository.schema):
    cli.add_command(_command)
cli.add_command(sweeping.sweep)
cli.add_command(reporting.report)


@cli.command()
@click.argument("source")
@click.option("--static", is_flag=True, help="Run nothing: only what the code of the host shows, without shapes.")
@click.option("--svg", default="", metavar="FILE", help="Draw the structure: boxes in the order of calls, shapes, widths.")
@click.option("--html", default="", metavar="FILE", help="Draw it into a page where a press copies a site's name.")
@click.option("--force", is_flag=True, help="Replace a picture that exists.")
@RUN
@SHOW
def sites(*, as_json: bool, verbose: bool, svg: str, html: str, **options: Any) -> None:
    """Every site of SOURCE: type, output shape, layout, width, count, call sites. With --svg or --html a picture of them."""
    trace = api.sites(svg=svg, html=html, **options)
    if as_json:
        from codegen import records

        _print_json(records.sites_json(trace))
    elif svg or html:
        for file in filter(None, (svg, html)):
            click.echo(f"wrote {file}")
    else:
        from codegen import show

        show.sites(trace)


@cli.command()
@INSERT
@DIFF
@SHOW
def insert(*, show_diff: bool, as_json: bool, verbose: bool, **options: Any) -> None:
    """Insert a module after, before or beside a site of SOURCE; with --edit make several edits, in order."""
    _tell(api.insert(**options), show_diff, as_json)


@cli.command()
@REPLACE
@DIFF
@SHOW
def replace(*, show_diff: bool, as_json: bool, verbose: bool, **options: Any) -> None:
    """Put a module in the place of a site of SOURCE."""
    _tell(api.replace(**options), show_diff, as_json)


@cli.command()
@WRAP
@DIFF
@SHOW
def wrap(*, show_diff: bool, as_json: bool, verbose: bool, **options: Any) -> None:
    """Put a residual connection, a gate, a scale, stochastic depth or checkpointing around a site of SOURCE.

    residual: what the site receives is added to what it returns. gate: what it returns is scaled by one learned number
    that starts at 0 (--arg init=1.0), as in ReZero. scale: by one for each channel that starts at 0.00001, as in LayerScale.
    drop_path: in training whole samples of it are zeros (--arg p=0.1). checkpoint: its calls run under activation
    checkpointing, which keeps less for the backward pass and computes it again; nothing is inserted. Some elements of a list
    are meant by their places: blocks.3, blocks.::2. With --check script the plain call stays for torch.jit.script.
    """
    _tell(api.wrap(**options), show_diff, as_json)


@cli.command()
@HEAD
@DIFF
@SHOW
def head(*, show_diff: bool, as_json: bool, verbose: bool, **options: Any) -> None:
    """Put other layers in the place of SOURCE's classifier; the first takes what that took.

    With --extra NAME they stand beside it, on the same input, and the model returns (what it returned, what they return). With
    --pool another pool takes the place of one; catavgmax gives twice the channels, and the classifier behind it takes them.
    """
    _tell(api.head(**options), show_diff, as_json)


@cli.command()
@REMOVE
@DIFF
@SHOW
def remove(*, show_diff: bool, as_json: bool, verbose: bool, **options: Any) -> None:
    """Leave a site of SOURCE out, or take an insertion out of FILE again.

    With --site, an nn.Identity takes the place of the site; the rest keeps its names, and the base's checkpoints load. With
    --name, what comes out is the file that FILE was made from, byte for byte, with whatever else was changed by hand since.
    Where it is written by default: generated/<source>_identity.py; with --name generated/<source>.py, and --in-place is FILE.
    """
    _tell(api.remove(**options), show_diff, as_json)


@cli.command()
@BASE
@DIFF
@SHOW
def base(*, show_diff: bool, as_json: bool, verbose: bool, **options: Any) -> None:
    """Write SOURCE as one standalone file, without any edit: what a variant is reviewed against.

    It is proved to be the same model: keys, numbers under a seed, values on every path. Registered names get a suffix, so that
    importing it overwrites nothing. codegen insert FILE --in-place on it is a small diff, and is kept in the header's recipe.
    """
    _tell(api.base(**options), show_diff, as_json)


@cli.command()
@click.argument("file")
@click.option("--against", default="", metavar="SOURCE", help="The base. Default: what the file's header names.")
@CHECKS
@RUN
@SHOW
def verify(*, as_json: bool, verbose: bool, **options: Any) -> None:
    """The contract, again, on a variant that exists."""
    report = api.verify(**options)
    if as_json:
        from codegen import records

        _print_json(records.report_json(report))
    else:
        from codegen import show

        show.checks(report)
    sys.exit(CONTRACT if any(check.status == "failed" for check in report.checks) else 0)


@cli.command()
@click.argument("file")
@click.option("--against", default="", metavar="SOURCE", help="The base. Default: what the file's header names.")
@SHOW
def diff(*, as_json: bool, verbose: bool, **options: Any) -> None:
    """Base -> variant as a unified diff; only the variant's edits. Executes nothing."""
    found = api.diff(**options)
    if as_json:
        _print_json({"file": found.file, "diff": [*found.lines]})
    else:
        from codegen import show

        show.diff(found.lines)


def _tell(report: Report, show_diff: bool, as_json: bool) -> None:
    if as_json:
        from codegen import records

        _print_json(records.report_json(report))
    else:
        from codegen import show

        show.report(report, full_diff=show_diff)


def _print_json(value: Any) -> None:
    click.echo(json_module.dumps(value, indent=2))
