"""Every operation over all backbones, as a random sample: each variant proved, and compared with the oracle bit by bit.

    python tests/coverage/operations.py [--draws 1] [--seed 0] [--only swin] [--kind before] [--again] [--table-only]

Of the smallest model of every file of timm and torchvision, in an order drawn at random, N cells of each kind are drawn: a
child with --before, --beside and --identity; elements of a list (`blocks.3`, `blocks.-1`, `blocks.::2`, `stages.*.blocks.0`)
and children of chosen elements (`blocks.3.attn`) with one of the operations. What is drawn depends on the seed and the model
only, so a run that is stopped, or goes on with more draws, is a sample too. Rows go to rows/operations.jsonl; the table is
operations.md.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))
from backbones import ROWS, followed, planned, read_rows  # noqa: E402
from tables import OUTCOMES, interval, plain, share  # noqa: E402

HERE = Path(__file__).resolve().parent
LIBRARIES = ("timm", "torchvision")
CHILDREN = {"before": ("before", False), "beside": ("beside", False), "identity": ("after", True)}  # operation, --identity
KINDS = {
    "before": "`--before` a child",
    "beside": "`--beside` a child",
    "identity": "`--after` a child, `--identity`",
    "elements": "elements of a list",
    "inside": "children of chosen elements",
}
OPERATIONS = (("after", False), ("before", False), ("beside", False), ("after", True))  # of elements
Json = dict[str, Any]


def drawn(model: Json, kind: str, draws: int, seed: int) -> Iterator[Json]:
    """The cells of a kind that are drawn of a model, each once; none where the model has nothing of that kind."""
    chance = random.Random(f"{seed} {model['source']} {kind}")
    if kind in CHILDREN:
        operation, identity = CHILDREN[kind]
        cells = [cell for cell in model["cells"] if not cell["list"]]
        for cell in chance.sample(cells, min(draws, len(cells))):
            yield cell | {"operation": operation, "identity": identity}
        return
    lists = [found for found in model["lists"] if len(found["elements"]) > 1 and (kind == "elements" or found["inside"])]
    for _ in range(draws if lists else 0):
        pattern = chance.choice(sorted({starred(found["name"]) for found in lists}))
        alike = [found for found in lists if starred(found["name"]) == pattern]
        short = [found for found in model["lists"] if len(found["elements"]) == 1 and starred(found["name"]) == pattern]
        site, sites = selected(chance, alike, pattern, short)
        if kind == "inside":
            child = chance.choice(alike[0]["inside"])
            holders = [found for found in alike if found["name"] in {name.rpartition(".")[0] for name in sites}]
            common = [name for name in holders[0]["inside"] if all(name in found["inside"] for found in holders)]
            if child not in common:  # lists that are alike by their names may hold other classes
                child = chance.choice(common)
            site, sites = f"{site}.{child}", [f"{name}.{child}" for name in sites]
        operation, identity = chance.choice(OPERATIONS)
        yield {"site": site, "sites": sites, "host": "", "file": "", "operation": operation, "identity": identity}


def starred(name: str) -> str:
    """`stages.2.blocks` -> `stages.*.blocks`"""
    return re.sub(r"(^|\.)\d+(?=\.|$)", r"\1*", name)


def selected(chance: random.Random, alike: list[Json], pattern: str, short: list[Json]) -> tuple[str, list[str]]:
    """Some elements of one list or of all that are alike: as a site's name says them, and one by one.

    short: lists of one element, which are not drawn, and which the name of all lists means too.
    """
    every = len(alike) > 1 and chance.random() < 0.3
    some = alike if every else [chance.choice(alike)]
    path = pattern if every else some[0]["name"]
    count = min(len(found["elements"]) for found in some)
    if not all(name.isdigit() for found in some for name in found["elements"]):
        name = chance.choice(some[0]["elements"])
        some = [found for found in some if name in found["elements"]]
        return f"{path}.{name}", [f"{found['name']}.{name}" for found in some]
    ways = {"index": str(chance.randrange(count)), "last": "-1", "all": "*", "second": "::2"}
    ways["two"] = ",".join(map(str, sorted(chance.sample(range(count), 2))))
    way = chance.choice([*ways])
    some = [*some, *short] if every else some
    names = [f"{found['name']}.{name}" for found in some for name in positions(way, ways[way], found["elements"])]
    return f"{path}.{ways[way]}", names


def positions(way: str, text: str, elements: list[str]) -> list[str]:
    if way in ("index", "two"):
        numbers = [int(number) for number in text.split(",")]
        return [elements[number] for number in numbers] if max(numbers) < len(elements) else []
    return {"last": elements[-1:], "all": elements, "second": elements[::2]}[way]


def jobs(plans: list[Json], rows: dict[str, Json], chosen: argparse.Namespace) -> tuple[list[Json], list[Json]]:
    """(the jobs to run, all cells that are drawn): --beside has a job of its own in each model, for it is traced otherwise."""
    models = [(plan, model) for plan in plans for model in plan["models"]]
    random.Random(chosen.seed).shuffle(models)
    todo, cells = [], []
    for plan, model in models:
        parts: dict[bool, list[Json]] = defaultdict(list)
        for kind in KINDS:
            for cell in drawn(model, kind, chosen.draws, chosen.seed):
                host = f" --class {cell['host']}" if cell["host"] else ""
                key = f"{model['source']}{host}{' --identity' * cell['identity']} --{cell['operation']} {cell['site']}"
                if key in {known["key"] for known in cells}:
                    continue  # drawn twice
                cells.append(cell | {"key": key, "kind": kind, "source": model["source"]})
                wanted = chosen.only in key and chosen.kind in ("", kind)
                if wanted and (chosen.again or key not in rows or rows[key]["reason"] in (chosen.reason or ())):
                    parts[cell["operation"] == "beside"].append(cells[-1])
        about = {key: value for key, value in model.items() if key not in ("cells", "lists")}
        for beside, some in sorted(parts.items()):
            job = {"library": plan["library"], "namespace": plan["namespace"], "variants": "", "model": about}
            todo.append(job | {"operation": "beside" if beside else "after", "identity": False, "cells": some})
    return todo, cells


def reason(row: Json) -> str:
    """The reason of a row; apart where no module of the catalogue could ever stand there."""
    if row["reason"] == "module-does-not-fit" and row["operation"] == "beside" and " turns (" in row["detail"]:
        return "shape-changes"
    return str(row["reason"])


NEVER = ("site-never-called", "shape-changes")  # there is nothing to insert at, or nothing that fits


ABOUT = [
    "A random sample: of the smallest model of each file of timm and torchvision cells are drawn by a seed, in an order of",
    "models that is drawn too. Each variant is proved by the contract and compared bit by bit with the oracle",
    "(`tests/oracle.py`); the module is `se`, and an adapter for vectors and with `--identity`.",
    "Never called: no public path runs the site. Changes shape: beside a site that does so no module of the catalogue can",
    "stand. The share is that of all others, with its 95 % interval (Wilson).",
]


def table(cells: list[Json], rows: dict[str, Json], command: str) -> str:
    done = [row | {"kind": cell["kind"]} for cell in cells if (row := rows.get(cell["key"]))]
    ran, models = len({row["source"] for row in done}), len({cell["source"] for cell in cells})
    amount = f"{len(done)} of {len(cells)} cells, {ran} of {models} models; made by `{command}`."
    lines = ["# Every operation, over all backbones", "", *ABOUT[:3], amount, "", *ABOUT[3:], ""]
    lines += [f"| | cells | {' | '.join(OUTCOMES)} | never called | changes shape | share passed of the others | 95 % |"]
    lines += [f"|---|---:|{'---:|' * len(OUTCOMES)}---:|---:|---:|---:|"]
    groups = {"all": done} | {text: [row for row in done if row["kind"] == kind] for kind, text in KINDS.items()}
    for operation, identity in OPERATIONS:
        some = [row for row in done if row["kind"] not in CHILDREN]
        some = [row for row in some if (row["operation"], row["identity"]) == (operation, identity)]
        groups[f"of the last two: `--{operation}`{', `--identity`' * identity}"] = some
    groups |= {library: [row for row in done if row["library"] == library] for library in LIBRARIES}
    lines += [line(name, group) for name, group in groups.items()]
    return "\n".join([*lines, *listed(done)]) + "\n"


def line(name: str, group: list[Json]) -> str:
    counts = [sum(row["outcome"] == outcome for row in group) for outcome in OUTCOMES]
    apart = [sum(reason(row) == word for row in group) for word in NEVER]
    whole = len(group) - sum(apart)
    low, high = interval(counts[0], whole)
    numbers = " | ".join(map(str, [len(group), *counts, *apart]))
    return f"| {name} | {numbers} | {share(counts[0], whole)} | {100 * low:.0f} to {100 * high:.0f} % |"


def listed(done: list[Json]) -> list[str]:
    """All that did not pass, by reason."""
    found: dict[tuple[str, str], list[Json]] = defaultdict(list)
    for row in done:
        if row["outcome"] != "passed":
            found[row["outcome"], reason(row)].append(row)
    lines = ["", "## Not passed"]
    for outcome, word in sorted(found, key=lambda key: (key[0] == "refused", -len(found[key]), key)):
        lines += ["", f"### {outcome}: {word} ({len(found[outcome, word])})", ""]
        for row in sorted(found[outcome, word], key=lambda row: row["key"]):
            lines += [f"- `{row['command']}`", f"  {plain(row['detail'])}"]
    return lines if found else [*lines, "", "Nothing."]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--draws", type=int, default=1, metavar="N", help="so many cells of each kind and model")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", default="", metavar="SUBSTRING", help="cells whose command contains this")
    parser.add_argument("--kind", choices=["", *KINDS], default="", help="cells of this kind")
    parser.add_argument("--reason", action="append", metavar="NAME", help="run those again that have this reason now")
    parser.add_argument("--again", action="store_true", help="run cells that have a row already")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--table-only", action="store_true", help="run nothing")
    chosen = parser.parse_args()
    ROWS.mkdir(exist_ok=True)
    path = ROWS / "operations.jsonl"
    rows = read_rows(path)
    todo, cells = jobs([planned(library, False, "after") for library in LIBRARIES], rows, chosen)
    if not chosen.table_only:
        followed(todo, chosen.jobs, path, rows)
    command = f"python tests/coverage/operations.py --draws {chosen.draws} --seed {chosen.seed}"
    (HERE / "operations.md").write_text(table(cells, rows, command), encoding="utf-8")
    print(json.dumps({outcome: sum(row["outcome"] == outcome for row in rows.values()) for outcome in OUTCOMES}))
    return int(any(row["outcome"] in ("wrong", "crashed") for row in rows.values()))


if __name__ == "__main__":
    sys.exit(main())
