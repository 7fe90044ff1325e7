"""The table of the width expressions: how many are symbolic, and what they give in other models of the class."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from importlib.metadata import version
from typing import Any

Json = dict[str, Any]
COLUMNS = (
    "file",
    "model",
    "widths",
    "symbolic",
    "other models",
    "compared",
    "at another width",
    "right",
    "wrong",
    "literal and wrong",
)


def table(rows: Iterable[Json], models: Iterable[Json]) -> tuple[str, int]:
    """(Markdown, how many comparisons came out wrong)."""
    files, others = {}, defaultdict(list)
    for row in rows:
        if "sites" in row:
            files[row["file"]] = row
        else:
            others[row["file"]].append(row)
    lines = [
        "# Widths",
        "",
        "The width expression at both sides of every child of timm's models that runs on a feature map or tokens, found from",
        f"the smallest model of each file of timm {version('timm')}, then evaluated at the end of the constructor of other",
        "registered models of the same class and compared with the channels that a forward shows there. A literal is no",
        "expression: it is compared too, and where it is wrong the module has to be made again for another size.",
        "Made by `tests/coverage/widths.py`.",
        "",
        f"| {' | '.join(COLUMNS)} |",
        f"|---|---|{'---:|' * (len(COLUMNS) - 2)}",
    ]
    counted = {file: counts(row, others[file]) for file, row in sorted(files.items())}
    for file, numbers in counted.items():
        lines.append(f"| {file} | {files[file]['model']} | {' | '.join(map(str, numbers))} |")
    total = [sum(numbers) for numbers in zip(*counted.values(), strict=True)] if counted else [0] * (len(COLUMNS) - 2)
    lines.append(f"| all | {len(files)} | {' | '.join(map(str, total))} |")
    share = f"{100 * total[1] / total[0]:.1f} %" if total[0] else "none"
    wrong = f"{total[6]} of {total[3]} comparisons of expressions"
    lines += ["", f"Symbolic: {share} of {total[0]} widths. Wrong: {wrong}."]
    for title, found in sections(files, others, models):
        lines += ["", f"## {title}", "", *(found or ["None."])]
    return "\n".join(lines) + "\n", total[6]


def symbolic(site: Json) -> bool:
    return site["kind"] in ("name", "attribute")


def widths(row: Json) -> Iterator[Json]:
    """The sites of a file that have one width."""
    yield from (site for site in row["sites"] if site["kind"] != "several")


def compared(others: Iterable[Json]) -> Iterator[tuple[Json, Json]]:
    """(row of a model, result of a site) wherever a forward of the other model showed a width."""
    for row in others:
        yield from ((row, result) for result in row.get("results", ()) if result["expected"])


def is_right(result: Json) -> bool:
    return bool(result["expected"] == [result["value"]])


def counts(row: Json, others: list[Json]) -> list[int]:
    """The cells behind file and model."""
    every = [result for _, result in compared(others)]
    found = [result for result in every if symbolic(result)]
    right = sum(map(is_right, found))
    return [
        len(list(widths(row))),
        sum(map(symbolic, row["sites"])),
        sum("results" in other for other in others),
        len(found),
        sum(result["expected"] != [result["at"]] for result in found),
        right,
        len(found) - right,
        sum(not symbolic(result) and not is_right(result) for result in every),
    ]


def sections(
    files: dict[str, Json], others: dict[str, list[Json]], models: Iterable[Json]
) -> Iterator[tuple[str, list[str]]]:
    """Everything that a person has to look at: (title, lines)."""
    results = [(row, result) for file in sorted(files) for row, result in compared(others[file])]
    wrong = [(row, result) for row, result in results if not is_right(result)]
    yield "Wrong expressions", [line(row, result) for row, result in wrong if symbolic(result)]
    yield "Literals that are wrong elsewhere", [line(row, result) for row, result in wrong if not symbolic(result)]
    bare = [(row, site) for _, row in sorted(files.items()) for site in widths(row) if not symbolic(site)]
    lines = [f"- `{row['model']}` {place(site)}: {site['expr'] or 'no width'}" for row, site in bare]
    yield "Widths without an expression", lines
    mixed = [(row, site) for _, row in sorted(files.items()) for site in row["sites"] if site["kind"] == "several"]
    yield "Refused: one module at several widths", [f"- `{row['model']}` {place(site)}" for row, site in mixed]
    apart = [(row, result) for file in sorted(files) for row in others[file] for result in row.get("results", ())]
    yield "Not compared", [f"- `{row['model']}` {place(site)}: {site['note']}" for row, site in apart if site["note"]]
    failed = [row for file in sorted(files) for row in [files[file], *others[file]] if row.get("error")]
    yield "Not measured", [f"- `{row['model']}`: {row['error']}" for row in failed]
    yield "Not built", [f"- `{row['model']}`: {row['error']}" for row in models if row.get("error")]


def place(site: Json) -> str:
    return f"{'after' if site['outgoing'] else 'before'} `{site['site']}` ({site['layout']})"


def line(row: Json, result: Json) -> str:
    measured = " and ".join(map(str, result["expected"]))
    return f"- `{row['model']}` {place(result)}: `{result['expr']}` is {result['value']}, measured {measured}"
