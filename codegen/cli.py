"""The command line: arguments -> Request; Report -> text, JSON, exit code. The only module that prints or exits.

What a command does not need is not imported for it: not torch, not rich for --json.
"""

from __future__ import annotations

import dataclasses
import json as json_module
import re
import sys
from pathlib import Path
from typing import Any, NoReturn

import click

from codegen import __version__, catalogue
from codegen.errors import BUG, CONTRACT, INTERRUPTED, USER, CodegenError
from codegen.options import ARGUMENTS, EDITS, MODULE, PLACES, RUN, SHOW, VARIANT
from codegen.types import Limits, Request

OF_ONE_EDIT = ("module", "after", "before", "beside", "combine", "arguments", "name", "identity", "width", "host", "static")


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__)
def cli() -> None:
    """Insert modules into vision backbones: a source-to-source transformation that proves its result."""


@cli.command()
@click.argument("source")
@RUN
@SHOW
def sites(source: str, *, as_json: bool, verbose: bool, **options: Any) -> None:
    """Every site of SOURCE: type, output shape, layout, width, count, call sites."""
    from codegen import pipeline, records

    trace = pipeline.look(_request(source, **options))
    if as_json:
        _print_json(records.sites_json(trace))
    else:
        from codegen import show

        show.sites(trace)


@cli.command()
@click.argument("name", required=False)
@click.option("--layout", default="", help="Show the source rendered for this layout: NCHW, NHWC, NLC, NC.")
@SHOW
def modules(name: str | None, *, layout: str, as_json: bool, verbose: bool) -> None:
    """The catalogue; with NAME one module: arguments, layouts, paper, its rendered source."""
    from codegen import records

    entries = [catalogue.entry(name)] if name else list(catalogue.entries())
    if as_json:
        found = [records.entry_json(e, layout) for e in entries]
        _print_json(found[0] if name else found)
        return
    from codegen import show

    if name:
        show.entry(entries[0], layout)
    else:
        show.entries(entries)


@cli.command()
@click.argument("source")
@MODULE
@PLACES
@EDITS
@ARGUMENTS
@VARIANT
@RUN
@SHOW
def insert(source: str, *, show_diff: bool, as_json: bool, verbose: bool, **options: Any) -> None:
    """Insert a module after, before or beside a site of SOURCE; with --edit make several edits, in order."""
    _make(several(source, **options) if options["edits"] else (insertion(source, **options),), show_diff, as_json)


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
    _make((replacement(source, **options),), show_diff, as_json)


@cli.command()
@click.argument("source")
@click.option("--site", required=True, metavar="SITE", help="The classifier: fc, head, classifier.6 ...")
@click.option("--layers", required=True, metavar="LAYERS", help='Of torch.nn: "Linear(256), ReLU, Dropout(0.1), Linear(10)".')
@VARIANT
@RUN
@SHOW
def head(source: str, *, show_diff: bool, as_json: bool, verbose: bool, **options: Any) -> None:
    """Put other layers in the place of SOURCE's classifier; the first takes what that took."""
    _make((headed(source, **options),), show_diff, as_json)


def _make(requests: tuple[Request, ...], show_diff: bool, as_json: bool) -> None:
    from codegen import pipeline, records, static, steps

    request = requests[0]
    one = static.run if request.static else pipeline.run
    report = steps.run(requests) if request.edits else one(request)
    if as_json:
        _print_json(records.report_json(report))
    else:
        from codegen import show

        show.report(report, full_diff=show_diff)


@cli.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--against", default="", metavar="SOURCE", help="The base. Default: what the file's header names.")
@RUN
@SHOW
def verify(file: Path, *, against: str, as_json: bool, verbose: bool, **options: Any) -> None:
    """The contract, again, on a variant that exists."""
    from codegen import records, steps, syntax

    text, encoding = syntax.read(file)
    report = steps.verify(_recorded(text, against, **options), file, text, encoding)
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
    base = static.base(steps.first(_recorded(text, against)), text)
    lines = records.unified(base, text, str(file))
    if as_json:
        _print_json({"file": str(file), "diff": lines})
    else:
        from codegen import show

        show.diff(lines)


def insertion(
    source: str, *, after: str, before: str, beside: str, arguments: tuple[str, ...], **options: Any
) -> Request:
    """The Request of `codegen insert`. Raises CodegenError("usage")."""
    places = {"after": after, "before": before, "beside": beside}
    given = [(operation, site) for operation, site in places.items() if site]
    if len(given) != 1:
        what = "give one of --after SITE, --before SITE and --beside SITE"
        raise CodegenError("usage", what, "codegen sites SOURCE lists the sites")
    operation, site = given[0]
    combine = options.pop("combine") or ""
    if combine and not beside:
        raise CodegenError("usage", f"--combine {combine} says how a module beside a site is joined", "give --beside SITE")
    combine = combine or ("add" if beside else "")
    if options.get("identity") and combine in ("add", "mul"):
        hint = "--combine gate starts as the identity, and cat can"
        raise CodegenError("usage", f"a module beside a site is no identity with --combine {combine}", hint)
    _demand_module(options)
    return _request(source, operation=operation, site=site, combine=combine, arguments=_pairs(arguments), **options)


def several(source: str, *, edits: tuple[str, ...], **options: Any) -> tuple[Request, ...]:
    """The Requests of `codegen insert --edit ... --edit ...`. Raises CodegenError("usage", "bad-edit")."""
    from codegen.edits import words

    foreign = [name for name in OF_ONE_EDIT if options.get(name)]
    if foreign:
        option = {"arguments": "arg", "host": "class"}.get(foreign[0], foreign[0])
        raise CodegenError("usage", f"--{option} belongs to one edit", f'write it there: "after SITE: M --{option} ..."')
    shared = {name: value for name, value in options.items() if value and name not in OF_ONE_EDIT}
    commands = [words(edit) for edit in edits]
    requests = (_parsed(verb, [source, *rest], shared)[0] for verb, *rest in commands)
    return tuple(dataclasses.replace(request, edits=edits, suffix=options.get("suffix") or "") for request in requests)


def replacement(source: str, *, site: str, arguments: tuple[str, ...], **options: Any) -> Request:
    """The Request of `codegen replace`. Raises CodegenError("usage")."""
    _demand_module(options)
    return _request(source, operation="replace", site=site, arguments=_pairs(arguments), **options)


def _demand_module(options: dict[str, Any]) -> None:
    if not options["module"]:
        raise CodegenError("usage", "give --module M", "codegen modules lists the catalogue")


def headed(source: str, *, site: str, **options: Any) -> Request:
    """The Request of `codegen head`."""
    suffix = options.pop("suffix", "") or "_head"
    return _request(source, operation="replace", site=site, module="head", suffix=suffix, **options)


def _pairs(arguments: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    pairs = []
    for text in arguments:
        key, equals, value = text.partition("=")
        if not equals or not key.isidentifier():
            raise CodegenError("usage", f"--arg {text} is not K=V", "for example --arg reduction=8")
        pairs.append((key, value))
    return tuple(pairs)


def _request(source: str, *, timeout: float = 600.0, memory: str = "", **options: Any) -> Request:
    size = re.fullmatch(r"(\d{1,12}(?:\.\d+)?)([KMGkmg]?)(?:i?[Bb])?", memory) if memory else None
    if memory and (size is None or not float(size[1])):
        raise CodegenError("usage", f"--memory {memory} is no size", "for example --memory 8G")
    if not 0 < timeout < 10**9:
        raise CodegenError("usage", f"--timeout {timeout:g} is no time in seconds", "for example --timeout 600")
    amount = int(float(size[1]) * {"": 1, "K": 2**10, "M": 2**20, "G": 2**30}[size[2].upper()]) if size else 0
    options["keep"] = options.get("keep") or ""
    return Request(source, limits=Limits(timeout, amount), **options)


def _recorded(text: str, against: str, **options: Any) -> tuple[Request, ...]:
    """The Requests that a variant's header records, with what the command line says otherwise."""
    from codegen import emit

    verb, *words = emit.recorded_command(text)
    return _parsed(verb, words, {**options, "source": against})


def _parsed(verb: str, words: list[str], changed: dict[str, Any]) -> tuple[Request, ...]:
    """The Requests of a command line; `changed` are options that say otherwise, where they say anything."""
    commands = {"replace": (replace, replacement), "head": (head, headed)}
    command, request = commands.get(verb, (insert, insertion))
    context = command.make_context(verb, words)
    options = {k: v for k, v in context.params.items() if k not in ("show_diff", "as_json", "verbose")}
    options.update({k: v for k, v in changed.items() if v})
    return several(**options) if options.get("edits") else (request(**options),)


def _print_json(value: Any) -> None:
    click.echo(json_module.dumps(value, indent=2))


def _fail(error: CodegenError, arguments: list[str]) -> NoReturn:
    if "--json" in arguments:
        _print_json({"error": {"name": error.name, "message": error.message, "hint": error.hint}})
    else:
        click.echo(f"error[{error.name}]: {_one_line(error.message)}", err=True)
        click.echo(f"hint: {_one_line(error.hint)}", err=True)
    if error.details and ("--verbose" in arguments or error.exit_code == BUG):
        click.echo(error.details, err=True)
    sys.exit(error.exit_code)


def _one_line(text: str) -> str:
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


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
    except (KeyboardInterrupt, click.exceptions.Abort):
        hint = "run the command again"
        _fail(CodegenError("interrupted", "stopped by the user, nothing was written", hint, INTERRUPTED), arguments)


if __name__ == "__main__":
    main()
