"""Tries every named fault, and what takes minutes: kills, writers at the same time, a disk that fails, fuzz, a large file.

    python tests/faults/table.py [--seconds 20]

The table is faults.md; whatever does not hold is in it, and ends the run with exit code 1.
"""

# ruff: noqa: E501 - the rows of tables

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from faults import HEAD, NET, STATIC, Fault, Shared, children, disk, fuzz, modules, outputs, problems, sites, sources  # noqa: E402

PARTS = (
    ("source files (2)", sources.FAULTS),
    ("hosts and sites (3)", sites.FAULTS),
    ("modules, arguments, recipes (4)", modules.FAULTS),
    ("the model's process (5)", children.FAULTS),
    ("outputs (6)", outputs.FAULTS),
)
CLASS = """class C{}(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.a = nn.Conv2d(dim, dim, 1)
        self.b = nn.Conv2d(dim, dim, 1)

    def forward(self, x):
        y = self.a(x)
        if x.sum() > 0:
            y = y + 1
        else:
            y = y - 1
        z = self.b(y) * 2 + x
        z = [a + b for a, b in zip(z, y)]
        w = {{'a': z, 'b': y}}
        return w['a'][0] + w['b']


"""
LINES = (500, 50_000)


@dataclass
class Section:
    """Lines of the table, and what does not hold."""

    lines: list[str]
    wrong: list[str]


@contextmanager
def folder() -> Iterator[Path]:
    made = Path(tempfile.mkdtemp())
    try:
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)


def tried(fault: Fault) -> list[str]:
    with folder() as made:
        for name in ("here", "temporary"):
            (made / name).mkdir()
        return problems(fault, made / "here", made / "temporary")


def named() -> Section:
    """Every named fault."""
    rows = ["| named faults | tried | passed | tracebacks | files lost or changed | executed |", "|---|---:|---:|---:|---:|---:|"]
    wrong: list[str] = []
    total: Counter[str] = Counter()
    for part, faults in PARTS:
        count: Counter[str] = Counter()
        shared = Shared()
        with shared.used():
            for fault in faults:
                found = tried(fault)
                count += Counter(tried=1, passed=not found)
                for word in ("traceback", "changed or left", "executed"):
                    count[word] += any(problem.startswith(word) for problem in found)
                wrong += [f"{fault.name}: {problem}" for problem in found]
        rows.append(f"| {part} | {_cells(count)} |")
        total += count
    return Section([*rows, f"| all | {_cells(total)} |"], wrong)


def _cells(count: Counter[str]) -> str:
    return " | ".join(str(count[word]) for word in ("tried", "passed", "traceback", "changed or left", "executed"))


def kills(moments: int = 250) -> Section:
    """SIGKILL while a file is written, and at any moment of a command."""
    rows = ["| SIGKILL | moments | of them with a file half written | torn files | temporary files left beside |", "|---|---:|---:|---:|---:|"]
    torn = 0
    for what, sweep in (("inside the write", disk.killed_inside), ("any moment of a command", disk.killed_anywhere)):
        with folder() as made:
            found = sweep(made, moments)
        torn += found.torn
        rows.append(f"| {what} | {found.moments} | {found.inside} | {found.torn} | {found.left} |")
    return Section(rows, [f"{torn} torn files"] if torn else [])


def writers(rounds: int = 10, count: int = 64) -> Section:
    """Commands at the same time on one output."""
    rows = [f"| {count} writers on one output | rounds | complete | wrote it, in each round |", "|---|---:|---:|---|"]
    wrong: list[str] = []
    for force, times in ((True, rounds), (False, 3)):
        made, good = [], 0
        for _ in range(times):
            with folder() as here:
                wrote, found = disk.writers(here, count, force=force)
            made.append(wrote)
            good += not found
            wrong += found
        wrong += [] if force or {*made} == {1} else [f"without --force {made} wrote the output"]
        rows.append(f"| {'with --force' if force else 'without it'} | {times} | {good} | {', '.join(map(str, sorted({*made})))} |")
    return Section(rows, wrong)


def injection() -> Section:
    """Every call of the writing path with every error; a write that fails behind every 256 bytes."""
    rows = ["| fault injection | runs | the call was reached | torn files, tracebacks, files left |", "|---|---:|---:|---:|"]
    wrong: list[str] = []
    for call in disk.CALLS:
        runs = reached = bad = 0
        for error in disk.ERRORS:
            for place in disk.PLACES:
                number = 0
                while True:
                    number += 1
                    with folder() as here:
                        hit, found = disk.injected(here, call, number, error, place)
                    runs, reached, bad = runs + 1, reached + hit, bad + bool(found)
                    wrong += [f"{call} {os.strerror(error)} {place} {number}: {problem}" for problem in found]
                    if not hit:
                        break
        rows.append(f"| {call} | {runs} | {reached} | {bad} |")
    return Section(rows, wrong)


def fuzzed(seconds: float) -> Section:
    """So many seconds of each kind."""
    rows = ["| fuzz | examples | worked | refused, by the commonest errors | longest | wrong |", "|---|---:|---:|---|---:|---:|"]
    wrong: list[str] = []
    for kind in fuzz.KINDS:
        count = fuzz.fuzzed(kind, seconds)
        refused = ", ".join(f"{name} {number}" for name, number in Counter(count.refused).most_common(4))
        rows.append(f"| {kind} | {count.tried} | {count.worked} | {refused} | {count.longest:.1f} s | {len(count.problems)} |")
        wrong += count.problems
    return Section(rows, wrong)


def large() -> Section:
    """insert --static of a file of 50,000 lines beside one of 500, each in a process of its own."""
    rows = ["| insert --static of a file of | seconds | peak memory |", "|---|---:|---:|"]
    code = "import resource, sys; sys.argv[0] = 'codegen'\nfrom codegen.__main__ import start\ntry: start()\n"
    code += "finally: print('PEAK', resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024, file=sys.stderr)"
    wrong, figures = [], []
    for lines in LINES:
        with folder() as here:
            classes = "".join(CLASS.format(n) for n in range((lines - NET.count("\n")) // CLASS.count("\n") + 1))
            (here / "net.py").write_text(NET.replace(HEAD, HEAD + "\n\n" + classes, 1))
            start = time.monotonic()
            words = [sys.executable, "-c", code, *STATIC]
            done = subprocess.run(words, cwd=here, capture_output=True, text=True, check=False)
            seconds = time.monotonic() - start
            peak = re.search(r"PEAK (\d+)", done.stderr)
            wrong += [] if done.returncode == 0 and peak else [f"{lines} lines: {done.stderr[-300:]}"]
            figures.append((seconds, int(peak[1]) if peak else 0))
            rows.append(f"| {(here / 'net.py').read_text().count(chr(10)):,} lines | {seconds:.1f} | {figures[-1][1]} MB |")
    (fast, small), (slow, big) = figures
    return Section([*rows, f"| times as much | {slow / fast:.1f} | {big / small:.1f} |"], wrong)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=20, help="of each kind of fuzz")
    parser.add_argument("--table", type=Path, default=HERE / "faults.md", metavar="FILE")
    chosen = parser.parse_args()
    made = []
    for part in (large, kills, injection, writers, named, lambda: fuzzed(chosen.seconds)):
        start = time.monotonic()
        made.append(part())
        print(f"{time.monotonic() - start:.0f} s", *made[-1].lines, *made[-1].wrong, sep="\n", flush=True)
    made = [made[4], *made[:4], made[5]]
    lines = ["# Faults", "", "What was tried to break codegen, and what came of it. Made by `python tests/faults/table.py`; each named fault is a test,"]
    lines += ["too (`pytest -m 'slow or not slow' tests/test_faults.py`). A file is torn where it is neither the old nor the new one."]
    for section in made:
        lines += ["", *section.lines]
    wrong = [problem for section in made for problem in section.wrong]
    lines += ["", f"**Does not hold: {len(wrong)}.**", *(f"- {problem}" for problem in wrong)]
    chosen.table.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
