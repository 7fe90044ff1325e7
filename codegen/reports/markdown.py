"""A sweep as Markdown for a comment on a pull request: the summary, a table of modules by sites for each backbone, what was
refused. It fits into what GitHub takes."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence

from codegen.reports import formats, measures, summary
from codegen.reports.measures import Measure
from codegen.sweeps.rows import Row

LIMIT = 60_000  # characters; GitHub takes 65,536
REFUSED = 40  # lines


def text(rows: Sequence[Row], name: str, cells: int = 0) -> str:
    """The whole."""
    whole, *others = summary.told(rows, cells)
    told = [f"- **{each.topic}**: {''.join(map(_part, each.parts))}" for each in others]
    lead = "\n".join([f"## {escaped(name)}\n", escaped(str(whole)), *[""] * bool(told), *told, ""])
    shown = _shown(rows)
    tables = [_table([row for row in rows if row.source == source], shown) for source in dict.fromkeys(r.source for r in rows)]
    tail = _refused([row for row in rows if row.status != "passed"])
    titles = " · ".join(measure.title for measure in shown)
    about = f"\nIn a cell: {titles}, each beside the base.\n" if shown else ""
    room = LIMIT - len(lead) - len(tail) - len(about)
    kept = [table for table, end in zip(tables, itertools.accumulate(len(each) for each in tables), strict=True) if end <= room]
    left = len(tables) - len(kept)
    more = f"\n{formats.number(left, 'more backbone')}: too long for a comment, the page has them.\n" if left else ""
    return lead + about + "".join(kept) + more + tail


def _shown(rows: Sequence[Row]) -> list[Measure]:
    """Parameters, latency (else operations) and drift: more would not be read."""
    known = {measure.key: measure for measure in measures.measured(rows)}
    keys = ("parameters", "latency" if "latency" in known else "flops", "drift")
    return [known[key] for key in keys if key in known]


def _table(rows: Sequence[Row], shown: Sequence[Measure]) -> str:
    modules = list(dict.fromkeys(measures.module(row) for row in rows))
    places = list(dict.fromkeys(measures.place(row) for row in rows))
    cells = {(measures.place(row), measures.module(row)): row for row in reversed(rows)}
    heads = " | ".join(_in_table(module) for module in modules)
    lines = [f"\n### {code(rows[0].source)}\n", f"| | {heads} |", "|---|" + "---:|" * len(modules)]
    for place in places:
        said = " | ".join(_cell(cells.get((place, module)), shown) for module in modules)
        lines.append(f"| {_in_table(place)} | {said} |")
    return "\n".join(lines) + "\n"


def _cell(row: Row | None, shown: Sequence[Measure]) -> str:
    if row is None:
        return ""
    if row.status != "passed":
        return f"{row.status}: {escaped(row.error)}"
    return " · ".join(measure.said(row) or "–" for measure in shown) or "passed"


def _refused(rows: Sequence[Row]) -> str:
    if not rows:
        return ""
    lines = [f"\n<details><summary>{formats.number(len(rows), 'variant')} not made</summary>\n", *_lines(rows[:REFUSED])]
    more = len(rows) - REFUSED
    return "\n".join([*lines, *[f"- and {more:,} more"] * (more > 0), "", "</details>", ""])


def _lines(rows: Sequence[Row]) -> Iterator[str]:
    for row in rows:
        yield f"- {code(measures.named(row))}: {row.status}, {escaped(row.error)}: {escaped(row.message[:200])}"


def _part(part: summary.Part) -> str:
    return escaped(part.text) if part.row is None else code(part.text)


def escaped(text: str) -> str:
    """Plain text on one line: nothing in it is markup."""
    for sign in "\\`*_[]|":
        text = text.replace(sign, f"\\{sign}")
    return re.sub(r"\s+", " ", text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;"))


def code(text: str) -> str:
    """A span of code, whatever is in it."""
    text = " ".join(text.split())
    ticks = "`" * (1 + max(map(len, re.findall("`+", text)), default=0))
    space = " " if "`" in text else ""
    return f"{ticks}{space}{text}{space}{ticks}"


def _in_table(text: str) -> str:
    """A span of code as a cell has it, or as it starts a line: a bar would end it."""
    return code(text).replace("|", "\\|")
