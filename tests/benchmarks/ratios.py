"""CPU time of codegen's commands as ratios to familiar ones, taken in turn in one run: machines are noisy.

    python tests/benchmarks/ratios.py [--rounds 5] [--only static] [--table tests/benchmarks/ratios.md]

Codegen's bytecode is compiled beforehand, as that of an installed package is, and each command runs once for the others'.
"""

from __future__ import annotations

import argparse
import compileall
import itertools
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from rich.console import Console
from rich.progress import track
from rich.table import Table

from codegen import recipes

ROOT = Path(__file__).resolve().parent.parent.parent
COLUMNS = ("command", "compared with", "CPU seconds", "ratio: median (lowest to highest)", "goal", "stages, by the clock")


@dataclass(frozen=True)
class Pair:
    """Two commands by their short names, and the ratio of their CPU times that the first must not pass."""

    what: str
    ours: str
    theirs: str
    goal: float


@dataclass(frozen=True)
class Run:
    """What a command took: CPU seconds, its children's included, and the seconds of its stages where it tells them."""

    cpu: float
    stages: dict[str, float]


PAIRS = (
    Pair("insert --static, timm's vision_transformer.py", "static", "black", 0.12),
    Pair("codegen --help", "help", "torch", 0.15),
    Pair("codegen modules", "modules", "torch", 0.15),
    Pair("check of 50 variants", "check", "torch", 1.0),
    Pair("sites timm:vit_tiny_patch16_224", "sites", "timm", 1.2),
    Pair("insert timm:vit_tiny_patch16_224", "insert", "timm", 1.5),
    Pair("insert tests/cases/plain_vit/model.py", "plain", "torch", 1.5),
    Pair("build of the four variants of generated/", "build", "singles", 0.75),
)
THEIRS = {"black": "black on the file", "torch": "import torch", "timm": "import timm"}
THEIRS |= {"singles": "the same four, each by itself"}
# the command that stands behind it, for one recipe after the other
SINGLES = """
import pathlib, subprocess, sys
from codegen import recipes
for recipe in recipes.read(pathlib.Path(sys.argv[-1])).recipes:
    subprocess.run([*sys.argv[1:], recipe.name], check=True)
"""


def commands(folder: Path) -> dict[str, list[str]]:
    """The command lines by their short names."""
    python, codegen = [sys.executable, "-c"], [sys.executable, "-m", "codegen"]
    timm = (find_spec("timm") or sys.exit("timm is not installed")).submodule_search_locations[0]
    vit = str(Path(timm, "models", "vision_transformer.py"))
    out = ["--module", "se", "--after", "patch_embed", "--force", "--json", "-o", str(folder / "variant.py")]
    return {
        "static": [*codegen, "insert", vit, "--static", *out],
        "black": [sys.executable, "-m", "black", "-q", "--check", "--no-cache", vit],
        "help": [*codegen, "--help"],
        "modules": [*codegen, "modules"],
        "check": [*codegen, "check", "--config", str(fifty(folder))],
        "sites": [*codegen, "sites", "timm:vit_tiny_patch16_224", "--json"],
        "insert": [*codegen, "insert", "timm:vit_tiny_patch16_224", *out],
        "plain": [*codegen, "insert", str(ROOT / "tests/cases/plain_vit/model.py"), *out],
        "build": [*codegen, "build", "--force", "--config", str(own(folder))],
        "singles": [*python, SINGLES, *codegen, "build", "--force", "--config", str(own(folder))],
        "torch": [*python, "import torch"],
        "timm": [*python, "import timm"],
    }


def fifty(folder: Path) -> Path:
    """Recipes for fifty variants, and the variants: this project's own, again and again."""
    book = recipes.read(ROOT / "pyproject.toml")
    texts = {recipe.name: (ROOT / recipe.output).read_bytes() for recipe in book.recipes}
    tables = tomllib.loads(book.file.read_text(encoding="utf-8"))["tool"]["codegen"]["variants"]
    (folder / "generated").mkdir(exist_ok=True)
    lines = []
    for number, name in zip(range(50), itertools.cycle(texts)):  # noqa: B905 - the names go round
        (folder / "generated" / f"v{number}.py").write_bytes(texts[name])
        lines += [f"[variants.v{number}]", *(f"{key} = {json.dumps(value)}" for key, value in tables[name].items())]
    (folder / "codegen.toml").write_text("\n".join(lines), encoding="utf-8")
    return folder / "codegen.toml"


def own(folder: Path) -> Path:
    """The recipes of this project, in a folder where they can be made."""
    path = folder / "own" / "pyproject.toml"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes((ROOT / "pyproject.toml").read_bytes())
    return path


def run(command: list[str]) -> Run:
    """Run a command and measure it. A failure ends the benchmark: a command that stops early is fast."""
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode and "black" not in command:  # black's exit code says that it would change the file
        sys.exit(f"{' '.join(command)}\n{done.stdout}{done.stderr}")
    stages = json.loads(done.stdout).get("seconds", {}) if "--json" in command else {}
    return Run(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, stages)


def row(pair: Pair, taken: list[tuple[Run, Run]]) -> tuple[str, ...]:
    """The cells of a pair, in the order of COLUMNS."""
    ratios = sorted(ours.cpu / theirs.cpu for ours, theirs in taken)
    ratio = statistics.median(ratios)
    seconds = f"{statistics.median(o.cpu for o, _ in taken):.2f} / {statistics.median(t.cpu for _, t in taken):.2f}"
    verdict = f"{pair.goal:g} {'met' if ratio <= pair.goal else 'missed'}"
    spread = f"{ratio:.3f} ({ratios[0]:.3f} to {ratios[-1]:.3f})"
    return pair.what, THEIRS[pair.theirs], seconds, spread, verdict, shares([ours.stages for ours, _ in taken])


def shares(taken: list[dict[str, float]]) -> str:
    """`trace 61 %, verify 30 %`: the stages' parts of the time, medians over the rounds; "" where there is one stage."""
    medians = {name: statistics.median(stages[name] for stages in taken) for name in taken[0]}
    total = sum(medians.values())
    return ", ".join(f"{name} {100 * part / total:.0f} %" for name, part in medians.items()) if len(medians) > 1 else ""


def markdown(rows: Iterable[tuple[str, ...]], rounds: int) -> str:
    """The table as a page of its own."""
    packages = ", ".join(f"{name} {version(name)}" for name in ("torch", "timm", "black"))
    lines = [
        "# CPU time of codegen's commands",
        "",
        "User and system seconds of a command with its child processes, against those of a familiar one; each pair was run",
        f"in turn {rounds} times. Python {sys.version.split()[0]}, {packages}. Made by `tests/benchmarks/ratios.py`.",
        "",
        f"| {' | '.join(COLUMNS)} |",
        f"|{'---|' * len(COLUMNS)}",
        *(f"| {' | '.join(cells)} |" for cells in rows),
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", default="", metavar="SUBSTRING", help="pairs whose commands' short names contain this")
    parser.add_argument("--table", type=Path, metavar="FILE", help="write the table as Markdown too")
    chosen, console = parser.parse_args(), Console(width=170)
    compileall.compile_dir(ROOT / "codegen", quiet=2)
    pairs = [pair for pair in PAIRS if chosen.only in f"{pair.ours} {pair.theirs}"]
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        known = commands(Path(folder))
        for pair in track(pairs, "pairs", console=Console(stderr=True)):
            taken = [(run(known[pair.ours]), run(known[pair.theirs])) for _ in range(chosen.rounds + 1)]
            rows.append(row(pair, taken[1:]))
    table = Table(*COLUMNS, box=None)
    for cells in rows:
        table.add_row(*cells)
    console.print(table)
    if chosen.table:
        chosen.table.write_text(markdown(rows, chosen.rounds), encoding="utf-8")


if __name__ == "__main__":
    main()
