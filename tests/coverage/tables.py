"""The table of a coverage run, from its plan and its rows."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import Any

OUTCOMES = ("passed", "refused", "wrong", "crashed")
EXAMPLES = 4  # commands shown of each reason
Json = dict[str, Any]


def table(plan: Json, rows: dict[str, Json], command: str) -> str:
    """Markdown: totals, a line a model, every reason that is not a pass, sizes of diffs, widths, times."""
    cells_done = (cell for model in plan["models"] for cell in model["cells"] if cell["key"] in rows)
    done = [{**rows[cell["key"]], "list": cell["list"]} for cell in cells_done]
    cells = sum(len(model["cells"]) for model in plan["models"])
    operation = command.partition("--operation ")[2].partition(" ")[0] or "after"
    every, ran = "--all" in command, len({row["source"] for row in done})
    what = [
        f"`codegen insert` {operation} every child of {len(plan['models'])} models of {plan['library']} {plan['version']} and",
        f"{operation} every child of the classes that they are made of (each once), every variant compared bit by bit",
    ]
    if every:
        what = [
            f"`codegen insert` {operation} the stem, the first and the last stage or block and the last norm of the models of",
            f"{plan['library']} {plan['version']}: {ran} of {len(plan['models'])} so far. Every variant is compared bit by bit",
        ]
    lines = [f"# Backbones of {plan['library']}", "", *what]
    lines += [f"with the oracle (`tests/oracle.py`). {len(done)} of {cells} cells; made by `{command}`.", *how(done)]
    sections = [totals(done), models(plan, done), reasons(done), diffs(done), widths(done), times(done), left_out(plan)]
    return "\n".join([*lines, *(line for section in sections for line in section)]) + "\n"


def how(rows: list[Json]) -> list[str]:
    """How the cells were proved and judged, where not all were in full."""
    quick = [row for row in rows if row.get("contract") == "quick"]
    if not quick:
        return []
    judged = [row for row in rows if row["outcome"] in ("passed", "wrong")]
    some = sum("routes" in row for row in quick if row in judged)
    short = sum(bool(row.get("short")) for row in judged)
    return [
        "",
        f"{len(rows) - len(quick)} cells, one of each model and all in which the oracle found a fault first, were proved with",
        f"the whole contract, {len(quick)} with the quick one of a sweep (`codegen/proving.py`). The oracle ran {len(judged)}",
        f"variants: {some} of them, of those with the quick contract, in `forward` (eval, train, checkpointing) and",
        f"`forward_intermediates`, the others on every public path of their model; {short} beside a model with at most two",
        "blocks of each stage, most at a quarter of the width (`tests/coverage/shorter.py`).",
    ]


def totals(rows: list[Json]) -> list[str]:
    called = [row for row in rows if row.get("called", True) and not row["list"]]
    groups = {
        "all": rows,
        "children of a model": [row for row in rows if not row["host"]],
        "children of a block": [row for row in rows if row["host"]],
        "sites that are called": called,
        "of these, of a model": [row for row in called if not row["host"]],
        "of these, of a block": [row for row in called if row["host"]],
        "lists, whose elements are called": [row for row in rows if row.get("called", True) and row["list"]],
    }
    lines = ["", f"| | cells | {' | '.join(OUTCOMES)} | share passed |", f"|---|---:|{'---:|' * len(OUTCOMES)}---:|"]
    for name, group in groups.items():
        passed = sum(row["outcome"] == "passed" for row in group)
        lines.append(f"| {name} | {len(group)} | {counts(group)} | {share(passed, len(group))} |")
    missed = [row for row in called if row["reason"] == "site-never-called"]
    examples = ", ".join(f"`{row['key']}`" for row in missed[:EXAMPLES])
    return [*lines, "", f"Refused as never called, though the oracle saw it run: {len(missed)}. {examples}".rstrip()]


def models(plan: Json, rows: list[Json]) -> list[str]:
    by_source = grouped(rows, "source")
    if len({model["file"] for model in plan["models"]}) < len(plan["models"]):
        return files(rows)
    lines = ["", "## Models", "", f"| file | model | cells | {' | '.join(OUTCOMES)} |"]
    lines += [f"|---|---|---:|{'---:|' * len(OUTCOMES)}"]
    for model in plan["models"]:
        group = by_source.get(model["source"], [])
        lines.append(f"| {model['file']} | `{model['name']}` | {len(group)} | {counts(group)} |")
    return lines


def files(rows: list[Json]) -> list[str]:
    """A line a file, where it has several models."""
    lines = ["", "## Files", "", f"| file | models | cells | {' | '.join(OUTCOMES)} |"]
    lines += [f"|---|---:|---:|{'---:|' * len(OUTCOMES)}"]
    for file, group in sorted(grouped(rows, "model_file").items()):
        lines.append(f"| {file} | {len({row['source'] for row in group})} | {len(group)} | {counts(group)} |")
    return lines


def reasons(rows: list[Json]) -> list[str]:
    """The wrong ones first, then by how often each reason comes."""
    found: dict[tuple[str, str], list[Json]] = defaultdict(list)
    for row in rows:
        if row["outcome"] != "passed":
            found[row["outcome"], row["reason"]].append(row)
    order = {"wrong": 0, "crashed": 1, "refused": 2}
    lines = ["", "## Reasons"]
    for outcome, reason in sorted(found, key=lambda key: (order[key[0]], -len(found[key]), key)):
        group = found[outcome, reason]
        lines += ["", f"### {outcome}: {reason} ({len(group)})", ""]
        for row in various(group):
            lines += [f"- `{row['command']}`", f"  {plain(row['detail'])}"]
    return lines


def various(group: list[Json]) -> list[Json]:
    """A few rows, of as many different models as there are."""
    firsts = {row["source"]: row for row in reversed(group)}
    return [*reversed(firsts.values()), *(row for row in group if row not in firsts.values())][:EXAMPLES]


def diffs(rows: list[Json]) -> list[str]:
    """How many lines of the host's methods an insertion changes."""
    passed = [row for row in rows if row["outcome"] == "passed"]
    measures = {
        "all methods": [row["lines"] for row in passed],
        "but `__init__`": [row["lines"] - row["init"] for row in passed],
        "removed lines": [row["removed"] for row in passed],
    }
    lines = ["", "## Lines changed in the methods of the host", "", "| | 0 | 1 | 2 | 3 | 4 | 5+ | most |"]
    lines.append("|---|" + "---:|" * 7)
    for name, values in measures.items():
        found = Counter(min(value, 5) for value in values)
        lines.append(f"| {name} | {' | '.join(str(found[size]) for size in range(6))} | {max(values, default=0)} |")
    return lines


def widths(rows: list[Json]) -> list[str]:
    """How the channel count is written at the sites that passed."""
    lines = ["", "## Widths", "", "| layout | passed | name or attribute | literal | symbolic |", "|---|---:|---:|---:|---:|"]
    passed = [row for row in rows if row["outcome"] == "passed"]
    groups = {name or "unknown": group for name, group in sorted(grouped(passed, "layout").items())}
    groups["maps and tokens"] = [row for row in passed if row["layout"] in ("NCHW", "NHWC", "NLC")]
    for name, group in groups.items():
        symbolic = sum(row["width"] in ("name", "attribute") for row in group)
        numbers = f"{len(group)} | {symbolic} | {len(group) - symbolic}"
        lines.append(f"| {name} | {numbers} | {share(symbolic, len(group))} |")
    return lines


def times(rows: list[Json]) -> list[str]:
    total: Counter[str] = Counter()
    number: Counter[str] = Counter()
    for row in rows:
        total.update(row["seconds"])
        number.update(row["seconds"].keys())
    lines = ["", "## Seconds", "", "| stage | times | mean | in all |", "|---|---:|---:|---:|"]
    for stage in sorted(total, key=lambda stage: -total[stage]):
        lines.append(f"| {stage} | {number[stage]} | {total[stage] / number[stage]:.2f} | {total[stage]:.0f} |")
    lines.append(f"| all | {len(rows)} | {total.total() / max(1, len(rows)):.2f} | {total.total():.0f} |")
    cpu = [row["cpu"] for row in rows if "cpu" in row]
    return lines + ([f"| all, of CPU time | {len(cpu)} | {sum(cpu) / len(cpu):.2f} | {sum(cpu):.0f} |"] if cpu else [])


def left_out(plan: Json) -> list[str]:
    lines = ["", "## Left out"]
    for model in plan["left_out"]:
        lines += ["", f"- `{model['name']}` ({model['file']}): {plain(model['reason'])}"]
    for cell in plan["hidden"]:
        lines += ["", f"- `{cell['source']}` {cell['host']}.{cell['site']}: another class of the model has that name"]
    return lines if len(lines) > 2 else [*lines, "", "Nothing."]


def grouped(rows: Iterable[Json], key: str) -> dict[str, list[Json]]:
    found: dict[str, list[Json]] = defaultdict(list)
    for row in rows:
        found[row[key]].append(row)
    return found


def counts(rows: list[Json]) -> str:
    return " | ".join(str(sum(row["outcome"] == outcome for row in rows)) for outcome in OUTCOMES)


def share(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f} %" if whole else ""


def interval(part: int, whole: int) -> tuple[float, float]:
    """The 95 % interval of a share, by E. B. Wilson, "Probable inference, the law of succession, and statistical inference"."""
    if not whole:
        return 0.0, 1.0
    z, p = 1.96, part / whole
    middle, half = p + z * z / (2 * whole), z * math.sqrt(p * (1 - p) / whole + z * z / (4 * whole * whole))
    return (middle - half) / (1 + z * z / whole), (middle + half) / (1 + z * z / whole)


def plain(text: str) -> str:
    """One line that Markdown shows as it is."""
    return " ".join(text.split())[:300].replace("|", "¦").replace("<", "‹").replace("*", "∗")
