"""What a person sees of a Trace, a Report, the catalogue: tables and coloured diffs. Decides nothing."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

from rich import markup
from rich.console import Console
from rich.table import Table
from rich.text import Text

from codegen import catalogue, changes, emit, selection
from codegen.branch import EXTRA
from codegen.calls import held
from codegen.components import removes
from codegen.errors import printable
from codegen.provided import Provided
from codegen.records import call_sites
from codegen.traced import Layout, Trace, TracedModule, Width
from codegen.types import Report

COLOURS = {"passed": "green", "failed": "red", "skipped": "yellow"}
WIDEST = 8  # a tab, in a diff on a terminal
IN_TORCH = "Sequential.forward"  # runs the layers of a list, in a file of torch's


def _console(**options: Any) -> Console:
    """A console that wraps for a terminal's width, and not at all in a pipe or a file."""
    console = Console(highlight=False, **options)
    console = console if console.is_terminal else Console(highlight=False, width=400, **options)
    console.on_broken_pipe = _nobody_reads  # type: ignore[method-assign]
    return console


def _nobody_reads() -> None:
    raise BrokenPipeError  # rich would leave with 1, which is for bugs


def escape(text: str) -> str:
    """Text of whatever origin, that rich takes for no markup and a terminal for no command."""
    return markup.escape(printable(text))


def diff(lines: Iterable[str]) -> None:
    """Print a unified diff: in colour on a terminal, elsewhere byte for byte, so that it can be applied."""
    console = _console(soft_wrap=True)
    for line in lines:
        if not console.is_terminal:
            console.file.write(line + "\n")
            continue
        line = printable(line.expandtabs(WIDEST))
        colour = {"+": "green", "-": "red", "@": "cyan"}.get(line[:1], "")
        console.print(Text(line, "bold" if line.startswith(("+++", "---")) else colour))


def report(report: Report, *, full_diff: bool) -> None:
    """Where the file is, the diff's few lines, the checks, the costs."""
    lines = changes.of_report(report).lines
    if changes.takes_out(report):
        _undone(report, lines if full_diff else ())
        return
    console = _console(soft_wrap=True)
    request = report.request
    verb = "would write" if request.dry_run else "wrote"
    made = report.steps or (report,)
    lead = f"[bold]{verb} {escape(report.output)}[/bold]:"
    console.print(f"{lead} {_what(report)}" if len(made) == 1 else "\n  ".join([lead, *map(_what, made)]))
    few = [] if report.site is None else _few(lines, "|".join(map(_mention, made)))
    diff(lines if full_diff else few)
    checks(report)
    for note in report.notes:
        console.print(f"note: {escape(note)}")
    if report.seconds:
        console.print(", ".join(f"{name} {seconds:.1f} s" for name, seconds in report.seconds), style="dim")


def _what(report: Report) -> str:
    """`Net.se after layer1, width 64, NCHW`."""
    site, variant, operation = report.site, report.variant, report.request.operation
    assert variant
    if site is None:
        return f"the base of {escape(report.request.source)}, built by {escape(variant.build)}"
    width = f", width {escape(_width(site.width))}" if site.width.expr and not removes(report.request) else ""
    what = _named(report)
    return f"{what} {emit.WORDS.get(operation, operation)} {escape(site.name)}{width}, {_layout(site.layout)}"


def _named(report: Report) -> str:
    """What an edit put there: `Net.se`, a layer `Net.stem.se`; a class in the place of another; `checkpoint`, no module."""
    assert report.variant
    names = {"replace": report.variant.class_name, "checkpoint": report.request.module}
    site, owner = report.site, report.variant.host
    if site and site.layered:
        owner = selection.joined(report.request.host or owner, site.name if site.whole else site.name.rpartition(".")[0])
    return names.get(report.request.operation, f"{escape(owner)}.{' and '.join(held(report.variant))}")


def _mention(report: Report) -> str:
    """A pattern of the code lines that an edit is about."""
    assert report.variant
    if report.request.operation == "checkpoint":
        return r"checkpoint\("
    called = rf"\b{report.variant.class_name}\("
    names = "|".join(map(re.escape, held(report.variant)))
    return called if report.request.operation == "replace" else rf"\.(?:{names})\b"


def _undone(report: Report, lines: Sequence[str]) -> None:
    """Where the file is, what was taken out, what the result was compared with."""
    console = _console(soft_wrap=True)
    variant, site = report.variant, report.site
    assert variant is not None and site is not None
    verb = "would write" if report.request.dry_run else "wrote"
    where = f"{emit.WORDS.get(report.request.operation, report.request.operation)} {escape(site.name)}"
    what = _named(report)
    console.print(f"[bold]{verb} {escape(report.output)}[/bold]: without {what} {where}")
    diff(lines)
    checks(report)
    for note in report.notes:
        console.print(f"note: {escape(note)}")


def _few(lines: Sequence[str], text: str) -> list[str]:
    """The changed lines inside the host: those in which a pattern is found, with one line above for orientation."""
    wanted = re.compile(rf"[+-](?!class ).*(?:{text})")
    shown: list[str] = []
    for index, line in enumerate(lines):
        if line.startswith("@@") or line.startswith(("+++", "---")):
            continue
        if wanted.match(line) and "state_dict()" not in line:
            if shown and lines[index - 1] != shown[-1]:
                shown.append("  ...")
            if lines[index - 1].startswith(" "):
                shown.append(lines[index - 1])
            shown.append(line)
    return shown


def checks(report: Report) -> None:
    """The contract and the costs as a table."""
    console = _console()
    if report.checks:
        table = Table(show_header=False, box=None, padding=(0, 1))
        for check in report.checks:
            table.add_row(f"[{COLOURS[check.status]}]{check.status}[/]", check.name, escape(check.detail))
        console.print(table)
    if report.parameters and report.site:
        share = 100 * report.new_parameters / report.parameters
        console.print(f"{report.new_parameters:,} new parameters ({share:.3g} % of {report.parameters:,})")
    if report.drift is not None:
        zero = "--combine gate" if report.request.combine in ("add", "mul") else "--identity"
        at_rest = ": the module starts so, or nothing there reaches it" if report.new_parameters else ""
        hint = f"; {zero} makes it 0" if report.drift else at_rest
        started = not report.drift and (report.request.identity or report.request.combine == "gate")
        if report.request.operation in ("replace", "checkpoint") or report.request.combine == EXTRA or started:
            hint = ""
        console.print(
            f"the output moves by {report.drift:.3g} (relative) at initialisation with the base's weights{hint}"
        )


def _layout(layout: Layout) -> str:
    text = layout.kind or "layout unknown"
    text += f" + {layout.prefix} prefix" if layout.prefix else ""
    return text + (f", grid {layout.grid[0]}x{layout.grid[1]}" if layout.grid else "")


def _width(width: Width | None) -> str:
    if width is None:
        return ""
    known = width.kind != "literal" and width.value  # 0: nothing was measured
    return f"{width.expr} = {width.value}" if known else width.expr


def sites(trace: Trace) -> None:
    """The sites as a table; blocks that are alike share a row, under a name that means them: `blocks.*.attn`."""
    console = _console()
    table = Table(box=None, padding=(0, 1), header_style="bold")
    for column in ("site", "class", "output", "layout", "width", "calls", "call sites"):
        table.add_column(column, overflow="fold")
    rows: dict[tuple[str, ...], list[TracedModule]] = {}
    for module in trace.modules:
        if module.name:
            pattern = re.sub(r"(?<=\.)\d+(?=\.|$)", "*", module.name)
            rows.setdefault((pattern, *_cells(module)), []).append(module)
    names = [module.name for module in trace.modules]
    for (_, *cells), alike in rows.items():
        name = selection.covering(names, [m.name for m in alike])
        count = f" ({len(alike)})" if len(alike) > 1 else ""
        name = selection.shown(name)
        table.add_row("  " * name.count(".") + escape(name) + count, *map(escape, cells), escape(_places(trace, alike)))
    console.print(f"{trace.build} on {trace.input}; host {trace.hosts[0].name if trace.hosts else '?'}")
    console.print(table)


def _cells(module: TracedModule) -> tuple[str, ...]:
    shape = "x".join(["N", *map(str, module.output_shape[1:])]) if module.output_shape else "-"
    shape += f" in {module.output_kind}[{module.output_index}]" if module.output_index else ""
    layout = _layout(module.after) if module.output_shape else ""
    between = "(call)" if selection.is_call(module.name) else "(between modules)"
    class_name = between if selection.SIGN in module.name else module.class_name
    return class_name, shape, layout, _width(module.width_after), str(module.calls)


def _places(trace: Trace, modules: Sequence[TracedModule]) -> str:
    """`forward_features:1288, forward_intermediates:1164`, of modules that are alike."""
    found: dict[str, bool] = {}
    for call in (c for m in modules for c in call_sites(trace, m)):
        method = call["method"].partition(".<locals>")[0]  # [self.norm(x) for x in xs] is a function of its own
        text = "by its list" if method == IN_TORCH else f"{method.rpartition('.')[2]}:{call['line']}"
        found[text] = found.get(text, False) or bool(call["paths"])
    calls = ", ".join(text if ran else f"{text} (not run)" for text, ran in found.items())
    inside = tuple(f"{m.name}." for m in modules)
    by_element = any(call.module.startswith(inside) and call.owner != m.name for call in trace.calls for m in modules)
    return calls or ("element by element" if by_element else "never called")


def modules(found: Sequence[catalogue.Entry | Provided]) -> None:
    """Modules as tables: those of the catalogue, then those that a project and packages add to it."""
    others = [each for each in found if isinstance(each, Provided)]
    entries([each for each in found if not isinstance(each, Provided)], others)


def module(each: catalogue.Entry | Provided, layout: str) -> None:
    """One module, with its source."""
    if isinstance(each, Provided):
        provided(each)
    else:
        entry(each, layout)


def entries(found: Sequence[catalogue.Entry], others: Sequence[Provided] = ()) -> None:
    """The catalogue as a table, and behind it what a project and packages add to it."""
    table = Table(box=None, padding=(0, 1), header_style="bold")
    console = _console()
    wide = console.width >= 140  # in less, what it does would be a word a line
    for column in ("name", "layouts", "parameters at 64", "arguments", "paper", *["what it does"] * wide):
        table.add_column(column, overflow="fold", no_wrap=column == "name")
    table.columns[2].justify = "right"
    table.columns[2].max_width = None if wide else len("parameters")
    for entry in found:
        arguments = ", ".join(f"{k}={v}" for k, v in entry.arguments)
        cost = f"{catalogue.count(entry, 64, {}):,}"
        cells = [entry.name, " ".join(entry.layouts), cost, arguments, entry.paper, *[entry.summary] * wide]
        table.add_row(*map(escape, cells))
    if found:
        console.print(table)
    for origin in dict.fromkeys(each.origin for each in others):
        table = Table(box=None, padding=(0, 1), header_style="bold", title=escape(f"of {origin}"), title_justify="left")
        for column in ("name", "--module", "arguments", "what it does"):
            table.add_column(column, overflow="fold", no_wrap=column == "name")
        for each in (each for each in others if each.origin == origin):
            table.add_row(*map(escape, (each.name, each.module, _signature(each), each.summary)))
        console.print(table)


def _signature(each: Provided) -> str:
    return ", ".join(f"{name}={default}" if default else name for name, default in each.arguments)


def provided(each: Provided) -> None:
    """One class of a project or a package: where it is, and its source."""
    from rich.syntax import Syntax

    console = _console()
    console.print(f"[bold]{each.name}[/bold] ({each.class_name}): {escape(each.summary)}")
    console.print(f"module     {escape(each.module)}")
    console.print(f"of         {escape(each.origin)}")
    console.print(f"arguments  {escape(_signature(each)) or 'none'}\n")
    console.print(Syntax(each.text, "python", background_color="default"))


def entry(found: catalogue.Entry, layout: str) -> None:
    """One catalogue module: what it is, and its source rendered for a layout."""
    from rich.syntax import Syntax  # pygments, which nothing else needs

    console = _console()
    console.print(f"[bold]{found.name}[/bold] ({found.class_name}): {escape(found.summary)}")
    console.print(f"paper      {escape(found.paper)} {found.url}")
    console.print(f"equation   {escape(found.equation)}")
    console.print(f"licence    {escape(found.licence)}")
    console.print(f"layouts    {', '.join(found.layouts)}")
    console.print(f"arguments  {', '.join(f'{k}={v}' for k, v in found.arguments) or 'none'}")
    number = catalogue.count(found, 64, {})
    formula = "" if found.parameters == str(number) else f"{escape(found.parameters)}; "
    console.print(f"parameters {formula}{number:,} for 64 channels\n")
    console.print(Syntax(found.source(layout), "python", background_color="default"))
