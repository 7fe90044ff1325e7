"""The command line: arguments -> Request; Report -> text, JSON, exit code. The only module that prints or exits.

What a command does not need is not imported for it: not torch, not rich for --json.
"""

from __future__ import annotations

import json as json_module
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import click

from codegen import __version__, catalogue
from codegen.errors import BUG, CONTRACT, INTERRUPTED, USER, CodegenError
from codegen.types import Limits, Request

Command = Callable[..., Any]


def _options(*options: Command) -> Callable[[Command], Command]:
    def decorate(function: Command) -> Command:
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


RUN = _options(
    click.option("--class", "host", default="", metavar="NAME", help="The host class, where the default is not it."),
    click.option("--build", default="", metavar="EXPR", help='How the model is built: "VisionTransformer(depth=2)".'),
    click.option(
        "--input", default="", metavar="SPEC", help="1x3x224x224, 1x3x64x64,1x10:int64, or a Python expression."
    ),
    click.option(
        "--timeout", default=600.0, metavar="SECONDS", help="How long the model's code may run.", show_default=True
    ),
    click.option(
        "--memory", default="", metavar="SIZE", help="How much memory it may take: 8G. Default: 3/4 of the machine's."
    ),
)
SHOW = _options(
    click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout, nothing else."),
    click.option("--verbose", is_flag=True, help="Show the traceback and the output of the model's own code."),
)
VARIANT = _options(
    click.option("--module", required=True, metavar="M", help="se, eca, ... | my.py:MyAttn | timm.layers:EcaModule"),
    click.option("--after", default="", metavar="SITE", help="Insert behind this module."),
    click.option("--before", default="", metavar="SITE", help="Insert in front of this module."),
    click.option("--beside", default="", metavar="SITE", help="Run on what this module receives, and join the results."),
    click.option(
        "--combine",
        type=click.Choice(["add", "mul", "cat", "gate"]),
        default=None,
        help="Beside: how. cat: back to the channels by a 1x1 convolution; gate: a gain that starts at 0. Default: add.",
    ),
    click.option(
        "--arg",
        "arguments",
        multiple=True,
        metavar="K=V",
        help="An argument of the module; {width} is the channel count.",
    ),
    click.option("--name", default="", metavar="ATTR", help="The attribute's name. Default: the module's name."),
    click.option(
        "--identity", is_flag=True, help="Start as the identity: the pretrained function is unchanged at step 0."
    ),
    click.option("--suffix", default="", metavar="TEXT", help="Appended to registered names. Default: _<module>."),
    click.option(
        "--keep", type=click.Choice(["all", "used"]), default=None, help="Default: all for a path, used for a library."
    ),
    click.option("--width", default="", metavar="EXPR", help="The channel count, where it cannot be measured."),
    click.option("-o", "--output", default="", metavar="FILE", help="Default: generated/<source>_<module>.py"),
    click.option("--in-place", is_flag=True, help="Change the source itself."),
    click.option("--force", is_flag=True, help="Replace an output that exists."),
    click.option("--dry-run", is_flag=True, help="Write nothing."),
    click.option("--diff", "show_diff", is_flag=True, help="Print the diff from base to variant."),
    click.option("--static", is_flag=True, help="Never execute the source: no trace, no contract."),
)


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
@VARIANT
@RUN
@SHOW
def insert(source: str, *, show_diff: bool, as_json: bool, verbose: bool, **options: Any) -> None:
    """Insert a module after, before or beside a site of SOURCE."""
    from codegen import pipeline, records, static

    request = insertion(source, **options)
    report = static.run(request) if request.static else pipeline.run(request)
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
    from codegen import pipeline, records, syntax

    text, encoding = syntax.read(file)
    report = pipeline.verify(_recorded(text, against, **options), file, text, encoding)
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
    from codegen import records, static, syntax

    text, _ = syntax.read(file)
    base = static.base(_recorded(text, against), text)
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
    pairs = []
    for text in arguments:
        key, equals, value = text.partition("=")
        if not equals or not key.isidentifier():
            raise CodegenError("usage", f"--arg {text} is not K=V", "for example --arg reduction=8")
        pairs.append((key, value))
    options["keep"] = options["keep"] or ""
    return _request(source, operation=operation, site=site, combine=combine, arguments=tuple(pairs), **options)


def _request(source: str, *, timeout: float = 600.0, memory: str = "", **options: Any) -> Request:
    size = re.fullmatch(r"(\d{1,12}(?:\.\d+)?)([KMGkmg]?)(?:i?[Bb])?", memory) if memory else None
    if memory and (size is None or not float(size[1])):
        raise CodegenError("usage", f"--memory {memory} is no size", "for example --memory 8G")
    if not 0 < timeout < 10**9:
        raise CodegenError("usage", f"--timeout {timeout:g} is no time in seconds", "for example --timeout 600")
    amount = int(float(size[1]) * {"": 1, "K": 2**10, "M": 2**20, "G": 2**30}[size[2].upper()]) if size else 0
    return Request(source, limits=Limits(timeout, amount), **options)


def _recorded(text: str, against: str, **options: Any) -> Request:
    """The Request that a variant's header records, with what the command line says otherwise."""
    from codegen import emit

    words = emit.recorded_command(text)
    context = insert.make_context("insert", words)
    recorded = {k: v for k, v in context.params.items() if k not in ("show_diff", "as_json", "verbose")}
    recorded.update({k: v for k, v in options.items() if v})
    return insertion(**{**recorded, "source": against or recorded["source"]})


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
