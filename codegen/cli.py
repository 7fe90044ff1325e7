"""The command line: arguments -> Request; Report -> text, JSON, exit code. Prints and exits, as the modules of commands do.

What a command does not need is not imported for it: not torch, not rich for --json.
"""

from __future__ import annotations

import dataclasses
import json as json_module
import sys
from pathlib import Path
from typing import Any

import click

from codegen import __version__, catalogued, commandlines, repository, requested
from codegen.errors import CONTRACT, CodegenError
from codegen.options import ARGUMENTS, CHECKS, EDITS, KEEP, MODULE, NAMED, OUTPUT, PLACES, RUN, SHOW, VARIANT
from codegen.types import Report, Request


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__)
def cli() -> None:
    """Insert modules into vision backbones: a source-to-source transformation that proves its result."""


cli.add_command(catalogued.modules)
cli.add_command(catalogued.certify)
for _command in (repository.build, repository.check, repository.update, repository.eject, repository.schema):
    cli.add_command(_command)


@cli.command()
@click.argument("source")
@RUN
@SHOW
def sites(source: str, *, as_json: bool, verbose: bool, **options: Any) -> None:
    """Every site of SOURCE: type, output shape, layout, width, count, call sites."""
    from codegen import pipeline, records

    trace = pipeline.look(requested.made(source, **options))
    if as_json:
        _print_json(records.sites_json(trace))
    else:
        from codegen import show

        show.sites(trace)


@cli.command()
@click.argument("source")
@MODULE
@PLACES
@NAMED
@EDITS
@ARGUMENTS
@VARIANT
@click.option("--save", default="", metavar="NAME", help="Add the command as a recipe, which codegen build makes again.")
@RUN
@SHOW
def insert(source: str, *, save: str, show_diff: bool, as_json: bool, verbose: bool, **options: Any) -> None:
    """Insert a module after, before or beside a site of SOURCE; with --edit make several edits, in order."""
    separate = options["separate"]
    if options["edits"]:
        _demand_none({"separate": separate}, "one insertion")
        requests = commandlines.several(source, **options)
    else:
        one = requested.insertion(source, **options)
        requests = _separate(one, options) if separate else (one,)
    if save:
        repository.demand_free(save, requests)
    report = _make(requests, show_diff, as_json)
    if save and not requests[0].dry_run:
        repository.save(save, requests, Path(report.output))


@cli.command()
@click.argument("source")
@MODULE
@click.option("--site", required=True, metavar="SITE", help="The module, or modules, whose place is taken.")
@ARGUMENTS
@VARIANT
@click.option("--out-width", default="", metavar="EXPR", help="The channels that it returns, where they cannot be measured.")
@RUN
@SHOW
def replace(source: str, *, show_diff: bool, as_json: bool, verbose: bool, **options: Any) -> None:
    """Put a module in the place of a site of SOURCE."""
    _make((requested.replacement(source, **options),), show_diff, as_json)


@cli.command()
@click.argument("source")
@click.option("--site", required=True, metavar="SITE", help="The module, or modules, around which it goes.")
@click.option("--with", "way", required=True, type=click.Choice([*requested.WRAPS]), help="What goes around it.")
@NAMED
@ARGUMENTS
@VARIANT
@RUN
@SHOW
def wrap(source: str, *, show_diff: bool, as_json: bool, verbose: bool, **options: Any) -> None:
    """Put a residual connection, a gate, a scale or stochastic depth around a site of SOURCE.

    residual: what the site receives is added to what it returns. gate: what it returns is scaled by one learned number
    that starts at 0 (--arg init=1.0), as in ReZero. scale: by one for each channel that starts at 0.00001, as in LayerScale.
    drop_path: in training whole samples of it are zeros (--arg p=0.1).
    """
    _make((requested.wrapped(source, **options),), show_diff, as_json)


@cli.command()
@click.argument("source")
@click.option("--site", required=True, metavar="SITE", help="The classifier: fc, head, classifier.6 ...; or the pool.")
@click.option("--layers", default="", metavar="LAYERS", help='Of torch.nn: "Linear(256), ReLU, Dropout(0.1), Linear(10)".')
@click.option("--pool", type=click.Choice(["avg", "max", "avgmax", "gem"]), help="Another pool in the place of SITE.")
@click.option("--extra", default="", metavar="NAME", help="Leave the classifier, and give it a second one of this name.")
@VARIANT
@RUN
@SHOW
def head(source: str, *, show_diff: bool, as_json: bool, verbose: bool, **options: Any) -> None:
    """Put other layers in the place of SOURCE's classifier; the first takes what that took.

    With --extra NAME they stand beside it, on the same input, and the model returns (what it returned, what they return).
    """
    _make((requested.headed(source, **options),), show_diff, as_json)


@cli.command()
@click.argument("source", metavar="SOURCE|FILE")
@click.option("--site", default="", metavar="SITE", help="Of SOURCE: the modules to leave out; nn.Identity stands there.")
@click.option("--name", default="", metavar="ATTR", help="Of FILE, which codegen made: the insertion to take out again.")
@click.option("--against", default="", metavar="SOURCE", help="With --name: the base. Default: what FILE's header names.")
@KEEP
@OUTPUT
@CHECKS
@RUN
@SHOW
def remove(source: str, *, name: str, against: str, show_diff: bool, as_json: bool, verbose: bool, **options: Any) -> None:
    """Leave a site of SOURCE out, or take an insertion out of FILE again.

    With --site, an nn.Identity takes the place of the site; the rest keeps its names, and the base's checkpoints load. With
    --name, what comes out is the file that FILE was made from, byte for byte, with whatever else was changed by hand since.
    Where it is written by default: generated/<source>_identity.py; with --name generated/<source>.py, and --in-place is FILE.
    """
    if bool(name) == bool(options["site"]):
        what = "give one of --site SITE and --name ATTR"
        raise CodegenError("usage", what, "--site leaves a module of a model out, --name takes out what codegen inserted")
    if not name:
        _demand_none({"against": against}, "--name")
        _make((requested.removal(source, **options),), show_diff, as_json)
        return
    _demand_none({key: options.pop(key) for key in ("site", "host", "build", "input", "suffix", "keep", "checks")}, "--site")
    _undo(Path(source), name, against, show_diff=show_diff, as_json=as_json, **options)


def _separate(request: Request, options: dict[str, Any]) -> tuple[Request, ...]:
    """The insertion once for each call of its site."""
    from codegen import pipeline, selection
    from codegen.edits import of_each_call

    trace = pipeline.look(dataclasses.replace(request, site=f"{request.site}{selection.SIGN}1"))
    edits = of_each_call(trace, request)
    single = dict.fromkeys((*commandlines.OF_ONE_EDIT, *commandlines.OF_ONE_INSERTION))
    return commandlines.several(request.source, **{**options, **single, "edits": edits})


def _demand_none(options: dict[str, str], needs: str) -> None:
    """Raise CodegenError("usage") where an option was given that says nothing here."""
    for key, value in options.items():
        if value:
            flag = {"host": "--class", "checks": "--check"}.get(key, f"--{key}")
            raise CodegenError("usage", f"{flag} goes with {needs} only", f"leave {flag} out")


def _undo(file: Path, name: str, against: str, *, show_diff: bool, as_json: bool, **options: Any) -> None:
    from codegen import emit, records, syntax, undoing

    text, _ = syntax.read(file)
    emit.headers(text)  # a file without one is refused in words of this command
    request, *others = commandlines.recorded(text, against, **options)
    if others or request.edits:
        what = f"{file} was made by {len(others) + 1} edits in one command"
        raise CodegenError("several-edits", what, "make it again with the others: the header has the command")
    report = undoing.run(request, file, name)
    if as_json:
        _print_json(records.report_json(report))
    else:
        from codegen import show

        show.undone(report, full_diff=show_diff)


def _make(requests: tuple[Request, ...], show_diff: bool, as_json: bool) -> Report:
    from codegen import pipeline, records, static, steps

    request = requests[0]
    one = static.run if request.static else pipeline.run
    report = steps.run(requests) if request.edits else one(request)
    if as_json:
        _print_json(records.report_json(report))
    else:
        from codegen import show

        show.report(report, full_diff=show_diff)
    return report


@cli.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--against", default="", metavar="SOURCE", help="The base. Default: what the file's header names.")
@CHECKS
@RUN
@SHOW
def verify(file: Path, *, against: str, as_json: bool, verbose: bool, **options: Any) -> None:
    """The contract, again, on a variant that exists."""
    from codegen import records, steps, syntax

    text, encoding = syntax.read(file)
    report = steps.verify(commandlines.recorded(text, against, **options), file, text, encoding)
    failed = any(c.status == "failed" for c in report.checks)
    if as_json:
        _print_json(records.report_json(report))
    else:
        from codegen import show

        show.checks(report)
    sys.exit(CONTRACT if failed else 0)


@cli.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--against", default="", metavar="SOURCE", help="The base. Default: what the file's header names.")
@SHOW
def diff(file: Path, *, against: str, as_json: bool, verbose: bool) -> None:
    """Base -> variant as a unified diff; only the variant's edits. Executes nothing."""
    from codegen import records, static, steps, syntax

    text, _ = syntax.read(file)
    base = static.base(steps.first(commandlines.recorded(text, against)), text)
    lines = records.unified(base, text, str(file))
    if as_json:
        _print_json({"file": str(file), "diff": lines})
    else:
        from codegen import show

        show.diff(lines)


def _print_json(value: Any) -> None:
    click.echo(json_module.dumps(value, indent=2))
