"""Certifies every module of the catalogue in every layout, and writes the table certificates.md.

    python tests/coverage/certificates.py [--width 64]

The equations are not asked again here: tests/test_equations.py compares every module with them in each layout that it takes.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent))
from rich.console import Console  # noqa: E402

from codegen import catalogue, certifying  # noqa: E402
from codegen.certifying import Certificate  # noqa: E402
from codegen.types import Limits, Request  # noqa: E402

LAYOUTS = [certifying.named(layout) for layout in certifying.LAYOUTS]
MARKS = {"passed": "+", "failed": "F", "skipped": "o"}
WORDS = {"takes": "+", "differs": "d", "refuses": "."}
LIMITS = Limits(seconds=600.0, memory=8 << 30)


def table(found: dict[str, Certificate], width: int) -> Iterator[str]:
    """Markdown: a line a module, a column a layout and a check, then every word on what is not passed."""
    first = next(iter(found.values()))
    checks = [check.name for check in first.checks]
    marks = Counter(check.status for each in found.values() for fitting in each.layouts for check in fitting.checks)
    cells = Counter(fitting.status for each in found.values() for fitting in each.layouts)
    yield from ["# Certificates of the catalogue", ""]
    yield f"`codegen certify` of {len(found)} modules at {width} channels, in six layouts each. Layouts: + the module takes"
    yield "it, . it is refused by name, d it runs but computes something else there. Checks, of all layouts that it takes: +"
    yield "passed, F failed in one, o not made. Equations, identity, initialisation: `pytest -m '' tests/test_equations.py`."
    yield from ["Made by `python tests/coverage/certificates.py`.", ""]
    yield f"Modules in layouts: {cells['takes']} taken, {cells['refuses']} refused by name, {cells['differs']} differ."
    yield f"Checks there: {marks['passed']} passed, {marks['failed']} failed, {marks['skipped']} not made."
    columns = [*LAYOUTS, *checks]
    yield from ["", f"| module | parameters | {' | '.join(columns)} |", f"|---|---:|{':-:|' * len(columns)}"]
    for name, each in found.items():
        letters = [*(WORDS[fitting.status] for fitting in each.layouts), *(MARKS[check.status] for check in each.checks)]
        yield f"| `{name}` | {each.parameters:,} | {' | '.join(letters)} |"
    for status, title in (("failed", "Failed"), ("skipped", "Not made")):
        yield from ["", f"## {title}", ""]
        lines = [f"- `{n}` {c.name}: {c.detail}" for n, each in found.items() for c in each.checks if c.status == status]
        yield from lines or ["Nothing."]
    yield from ["", "## Refused", ""]
    fittings = [(name, fitting) for name, each in found.items() for fitting in each.layouts if fitting.detail]
    refused = [(f.detail.partition(": ")[2], certifying.named(f.layout), name) for name, f in fittings]
    for why in dict.fromkeys(reason for reason, *_ in refused):
        names = dict.fromkeys(f"`{name}` {layout}" for reason, layout, name in refused if reason == why)
        yield f"- {why}: {', '.join(names)}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--width", type=int, default=64, metavar="CHANNELS")
    width, console, found = parser.parse_args().width, Console(stderr=True), {}
    for entry in catalogue.entries():
        found[entry.name] = certifying.run(Request("", module=entry.name, limits=LIMITS), width)
        console.print(f"{'failed' if found[entry.name].failed else 'passed'} {entry.name}", highlight=False)
    Path(__file__).with_suffix(".md").write_text("\n".join(table(found, width)) + "\n", encoding="utf-8")
    return int(any(each.failed for each in found.values()))


if __name__ == "__main__":
    sys.exit(main())
