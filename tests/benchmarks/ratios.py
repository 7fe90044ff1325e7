"""CPU time of codegen's commands as ratios to familiar ones, taken in turn in one run: machines are noisy.

    python tests/benchmarks/ratios.py [--rounds 5]
"""

from __future__ import annotations

import argparse
import resource
import statistics
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

from rich.console import Console
from rich.table import Table

PAIRS = {  # what is measured -> the command, what it is compared with
    "insert --static on timm's vision_transformer.py": ("static", "black"),
    "codegen --help": ("help", "torch"),
    "codegen modules": ("modules", "torch"),
    "insert, verified, on timm's ViT-Tiny": ("insert", "timm"),
}


def commands(folder: Path) -> dict[str, list[str]]:
    """The command lines by their short names."""
    python, codegen = [sys.executable, "-c"], [sys.executable, "-m", "codegen"]
    source = Path((find_spec("timm") or sys.exit("timm is not installed")).submodule_search_locations[0])
    vit = str(source / "models" / "vision_transformer.py")
    out = ["--module", "se", "--after", "patch_embed", "--force", "--json", "-o", str(folder / "variant.py")]
    return {
        "static": [*codegen, "insert", vit, "--static", *out],
        "black": [sys.executable, "-m", "black", "-q", "--check", "--no-cache", vit],
        "help": [*codegen, "--help"],
        "modules": [*codegen, "modules"],
        "insert": [*codegen, "insert", "timm:vit_tiny_patch16_224", *out],
        "torch": [*python, "import torch"],
        "timm": [*python, "import timm"],
    }


def cpu_seconds(command: list[str]) -> float:
    """User and system time of a command and its children."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, capture_output=True, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    table = Table("what", "compared with", "median seconds", "ratio, median (lowest to highest)", box=None)
    with tempfile.TemporaryDirectory() as folder:
        known = commands(Path(folder))
        for label, (ours, theirs) in PAIRS.items():
            pairs = [(cpu_seconds(known[ours]), cpu_seconds(known[theirs])) for _ in range(rounds)]
            ratios = sorted(mine / other for mine, other in pairs)
            spread = f"{statistics.median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})"
            seconds = statistics.median(mine for mine, _ in pairs)
            table.add_row(label, theirs if theirs == "black" else f"import {theirs}", f"{seconds:.2f}", spread)
    Console(width=140).print(table)


if __name__ == "__main__":
    main()
