"""Certifies every module of the catalogue in every layout, and writes the table certificates.md.

    python tests/coverage/certificates.py [NAME ...] [--width 64]

The equations are not asked again here: tests/test_equations.py compares every module with them in each layout that it takes.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent))
from rich.console import Console  # noqa: E402

from codegen import catalogue, certifying  # noqa: E402
from codegen.certifying import Certificate  # noqa: E402
from codegen.limits import Limits  # noqa: E402
from codegen.types import Request  # noqa: E402

LAYOUTS = [certifying.named(layout) for layout in certifying.LAYOUTS]
MARKS = {"passed": "+", "failed": "F", "skipped": "o"}
WORDS = {"takes": "+", "differs": "d", "refuses": "."}
LIMITS = Limits(seconds=600.0, memory=8 << 30)


TITLES = {"Failed": "failed", "Not made": "skipped", "Refused": "refuses"}


def rows(found: dict[str, Certificate]) -> dict[str, str]:
    """A line of the table for each module."""
    lines = {}
    for name, each in found.items():
        letters = [*(WORDS[fitting.status] for fitting in each.layouts), *(MARKS[check.status] for check in each.checks)]
        lines[name] = f"| `{name}` | {each.parameters:,} | {' | '.join(letters)} |"
    return lines


def words(found: dict[str, Certificate]) -> dict[str, list[str]]:
    """Every word on what is not passed, by title: `name` check: why."""
    said = {
        title: [f"`{n}` {c.name}: {c.detail}" for n, each in found.items() for c in each.checks if c.status == status]
        for title, status in TITLES.items()
    }
    fittings = [(name, fitting) for name, each in found.items() for fitting in each.layouts if fitting.detail]
    refused = [f"`{name}` {certifying.named(f.layout)}: {f.detail.partition(': ')[2]}" for name, f in fittings]
    return {**said, "Refused": list(dict.fromkeys(refused))}


def kept(text: str, others: set[str]) -> tuple[dict[str, str], dict[str, list[str]]]:
    """Rows and words of the committed table, but for those modules that are made anew."""
    old = {name: line for line in text.splitlines() for name in re.findall(r"^\| `(\w+)`", line) if name not in others}
    said: dict[str, list[str]] = {title: [] for title in TITLES}
    for title, lines in re.findall(r"## (.+)\n\n((?:- .+\n)*)", text):
        for line in lines.splitlines():
            why, _, places = line[2:].partition(": `") if title == "Refused" else ("", "", line[2:])
            parts = [f"`{place}: {why}" for place in places.split(", `")] if why else [places]
            said[title] += [part for part in parts if part.split("`")[1] in old]
    return old, said


def table(lines: dict[str, str], said: dict[str, list[str]], checks: list[str], width: int) -> Iterator[str]:
    """Markdown: a line a module, a column a layout and a check, then every word on what is not passed."""
    letters = {name: line.split("|")[3:-1] for name, line in lines.items()}
    cells = Counter(letter.strip() for each in letters.values() for letter in each[: len(LAYOUTS)])
    marks = Counter(letter.strip() for each in letters.values() for letter in each[len(LAYOUTS) :])
    yield from ["# Certificates of the catalogue", ""]
    yield f"`codegen certify` of {len(lines)} modules at {width} channels, in six layouts each. Layouts: + the module takes"
    yield "it, . it is refused by name, d it runs but computes something else there. Checks, of all layouts that it takes: +"
    yield "passed, F failed in one, o not made. Equations, identity, initialisation: `pytest -m '' tests/test_equations.py`."
    yield from ["Made by `python tests/coverage/certificates.py`.", ""]
    yield f"Modules in layouts: {cells['+']} taken, {cells['.']} refused by name, {cells['d']} differ."
    yield f"Checks of modules: {marks['+']} passed in all their layouts, {marks['F']} failed in one, {marks['o']} not made."
    columns = [*LAYOUTS, *checks]
    yield from ["", f"| module | parameters | {' | '.join(columns)} |", f"|---|---:|{':-:|' * len(columns)}"]
    yield from (lines[name] for name in sorted(lines))
    for title in ("Failed", "Not made"):
        yield from ["", f"## {title}", "", *([f"- {line}" for line in sorted(said[title])] or ["Nothing."])]
    yield from ["", "## Refused", ""]
    refused = [line.partition(": ")[::2] for line in sorted(said["Refused"])]
    for why in dict.fromkeys(reason for _, reason in refused):
        yield f"- {why}: {', '.join(place for place, reason in refused if reason == why)}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help="Only these; the others' lines stay. Default: all.")
    parser.add_argument("--width", type=int, default=64, metavar="CHANNELS")
    given, console, found = parser.parse_args(), Console(stderr=True), {}
    for name in given.names or catalogue.names():
        found[name] = certifying.run(Request("", module=name, limits=LIMITS), given.width)
        console.print(f"{'failed' if found[name].failed else 'passed'} {name}", highlight=False)
    path = Path(__file__).with_suffix(".md")
    old, said = kept(path.read_text(encoding="utf-8") if given.names else "", {*found})
    said = {title: [*said[title], *lines] for title, lines in words(found).items()}
    checks = [check.name for check in next(iter(found.values())).checks]
    path.write_text("\n".join(table({**old, **rows(found)}, said, checks, given.width)) + "\n", encoding="utf-8")
    return int(any(each.failed for each in found.values()))


if __name__ == "__main__":
    sys.exit(main())
