"""Runs `codegen insert` over real backbones, compares each variant with the oracle, and writes a table of it.

    python tests/coverage/shown_on.py [--only timm:resnet18] [--quick] [--jobs 2] [--again]

Rows go to a JSON Lines file as they come; those already there are not run again.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
SECONDS = 1200  # for one command
OUTCOMES = ("passed", "refused", "wrong", "crashed")
Row = dict[str, Any]

# The stem, the middle and the end of each source: name of the site, layout before it, layout after it.
SOURCES: dict[str, str] = {
    "timm:vit_tiny_patch16_224": "patch_embed NCHW NLC, blocks NLC NLC, norm NLC NLC",
    "timm:deit_tiny_patch16_224": "patch_embed NCHW NLC, blocks NLC NLC, head NC NC",
    "timm:resnet18": "conv1 NCHW NCHW, layer2 NCHW NCHW, layer4 NCHW NCHW",
    "timm:resnet50": "maxpool NCHW NCHW, layer3 NCHW NCHW, fc NC NC",
    "timm:convnext_atto": "stem NCHW NCHW, stages NCHW NCHW, norm_pre NCHW NCHW",
    "timm:swin_tiny_patch4_window7_224": "patch_embed NCHW NHWC, layers NHWC NHWC, norm NHWC NHWC",
    "timm:efficientnet_b0": "conv_stem NCHW NCHW, blocks NCHW NCHW, bn2 NCHW NCHW",
    "timm:regnetx_002": "stem NCHW NCHW, s2 NCHW NCHW, head NCHW NC",
    "timm:mobilenetv3_small_050": "conv_stem NCHW NCHW, blocks NCHW NCHW, conv_head NCHW NCHW",
    "timm:mixer_s32_224": "stem NCHW NLC, blocks NLC NLC, norm NLC NLC",
    "timm:eva02_tiny_patch14_224": "patch_embed NCHW NLC, norm_pre NLC NLC, fc_norm NC NC",
    "torchvision:resnet18": "conv1 NCHW NCHW, layer2 NCHW NCHW, layer4 NCHW NCHW",
    "torchvision:vit_b_16": "conv_proj NCHW NCHW, encoder NLC NLC, heads NC NC",
    "torchvision:swin_t": "features NCHW NHWC, norm NHWC NHWC, permute NHWC NCHW",
    "torchvision:mobilenet_v2": "features.0 NCHW NCHW, features NCHW NCHW, classifier NC NC",
    "torchvision:densenet121": "features.conv0 NCHW NCHW, features NCHW NCHW, classifier NC NC",
    "tests/cases/plain_vit/model.py": "patch_embed NCHW NLC, pos_drop NLC NLC, norm NLC NLC",
    "tests/cases/lenet/model.py": "conv1 NCHW NCHW, conv2 NCHW NCHW, fc2 NC NC",
    "tests/cases/resnet/model.py": "conv1 NCHW NCHW, layer2 NCHW NCHW, layer4 NCHW NCHW",
    "tests/cases/unet/model.py": "in_conv NCHW NCHW, down4 NCHW NCHW, out_conv NCHW NCHW",
}
MAPS = "tests/cases/my_attn.py:MyAttn"
CHANNELS_LAST = "tests/cases/my_token_mixer.py:TokenScale"
MODULES = {  # by layout: a catalogue module, a user's class
    "NCHW": ("se", MAPS),
    "NHWC": ("se", CHANNELS_LAST),
    "NLC": ("se", CHANNELS_LAST),
    "NC": ("adapter", CHANNELS_LAST),
}


@dataclass(frozen=True)
class Cell:
    """One command of the matrix."""

    source: str
    place: str  # "stem", "middle" or "end"
    site: str
    module: str
    operation: str
    identity: bool

    def __str__(self) -> str:
        name = self.module.rpartition(":")[2]
        return f"{self.source} --module {name} --{self.operation} {self.site}{' --identity' if self.identity else ''}"


def cells(quick: bool) -> Iterator[Cell]:
    operations = ("after",) if quick else ("after", "before")
    for source, sites in SOURCES.items():
        for place, text in zip(("stem", "middle", "end"), sites.split(", "), strict=True):
            site, *layouts = text.split()
            before, after = (MODULES[layout] for layout in layouts)
            for operation, identity in itertools.product(operations, (False,) if quick else (False, True)):
                modules = after if operation == "after" else before
                for module in modules[:1] if quick else modules:
                    yield Cell(source, place, site, module, operation, identity)


def run(cell: Cell, threads: int) -> Row:
    """The row of a cell: made by `codegen insert` in one process, judged by the oracle in another."""
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        variant = Path(folder) / "variant.py"
        verdict, report = insert(cell, variant, threads)
        made = time.perf_counter() - start
        if not verdict:
            verdict = judge(cell, variant, report, threads)
    for path in (folder, str(ROOT), sys.prefix):
        verdict["detail"] = verdict["detail"].replace(path + os.sep, "")
    about: Row = {
        "key": str(cell),
        "source": cell.source,
        "place": cell.place,
        "site": cell.site,
        "module": cell.module,
    }
    about |= {"operation": cell.operation, "identity": cell.identity}
    seconds = {"insert": round(made, 1), "all": round(time.perf_counter() - start, 1)}
    return about | verdict | {"build": report.get("build"), "input": report.get("input"), "seconds": seconds}


def insert(cell: Cell, variant: Path, threads: int) -> tuple[Row, Row]:
    """The verdict, {} where there is a variant to judge, and what the command reported."""
    options = ["--module", cell.module, f"--{cell.operation}", cell.site, "-o", str(variant), "--json"]
    options += ["--identity"] if cell.identity else []
    done = process(["-m", "codegen", "insert", cell.source, *options], threads)
    try:
        report: Row = json.loads(done.stdout)
    except ValueError:
        return judged("crashed", f"exit {done.returncode}", last_line(done.stderr)), {}
    if "error" in report:
        error = report["error"]
        return judged("refused", error["name"], error["message"]), report
    if done.returncode or not variant.exists():
        return judged("crashed", f"exit {done.returncode}", last_line(done.stderr) or "no file was written"), report
    return {}, report


def judge(cell: Cell, variant: Path, report: Row, threads: int) -> Row:
    """What the oracle says of the variant, against the library's own model or the research file itself."""
    library, _, name = cell.source.partition(":")
    bases = {
        "timm": ("timm", f"create_model({name!r}, pretrained=False)"),
        "torchvision": ("torchvision.models", f"{name}(weights=None)"),
    }
    module, build = bases.get(library, (str(ROOT / cell.source), report["build"]))
    try:
        shape = [int(size) for size in report["input"].split("x")]
    except ValueError:
        return judged("crashed", "input", f"not one tensor: {report['input']}")
    job: Row = {"base_module": module, "base_build": build, "variant_module": str(variant)}
    job |= {"variant_build": report["build"], "attribute": report["attribute"], "site": cell.site}
    job |= {"operation": cell.operation, "input_shape": [2, *shape[1:]]}
    done = process([str(HERE.parent / "oracle.py"), json.dumps(job)], threads)
    try:
        differences = json.loads(done.stdout.strip().splitlines()[-1])
    except (ValueError, IndexError):
        return judged("wrong", "cannot be compared", last_line(done.stderr))
    if differences:
        return judged("wrong", "differs", "; ".join(differences[:6]))
    return judged("passed")


def judged(outcome: str, reason: str = "", detail: str = "") -> Row:
    return {"outcome": outcome, "reason": reason, "detail": detail}


def process(arguments: list[str], threads: int) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, *arguments]
    environment = os.environ | {"OMP_NUM_THREADS": str(threads), "PYTHONWARNINGS": "ignore"}
    try:
        return subprocess.run(
            command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(command, -1, "", f"not done in {SECONDS} s")


def last_line(text: str) -> str:
    return (text.strip().splitlines() or [""])[-1]


def read_rows(path: Path) -> dict[str, Row]:
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return {row["key"]: row for row in map(json.loads, lines)}  # a later row of a cell takes the place of the earlier


def table(rows: Iterable[Row]) -> str:
    """Markdown: a line a source, then every reason that is not a pass, with the commands that gave it."""
    by_source: dict[str, list[Row]] = defaultdict(list)
    reasons: dict[tuple[str, str, str], list[Row]] = defaultdict(list)
    for row in rows:
        by_source[row["source"]].append(row)
        if row["outcome"] != "passed":
            reasons[(row["outcome"], row["reason"], row["detail"])].append(row)
    lines = [
        "# Shown on",
        "",
        "`codegen insert` on real backbones at their stem, middle and end, each variant compared",
    ]
    lines += ["bit by bit with the oracle (`tests/oracle.py`). Made by `tests/coverage/shown_on.py`.", ""]
    lines += [f"| source | sites | {' | '.join(OUTCOMES)} |", f"|---|---|{'---:|' * len(OUTCOMES)}"]
    for source in [name for name in SOURCES if name in by_source]:
        lines.append(f"| `{source}` | {sites_of(by_source[source])} | {counts(by_source[source])} |")
    lines.append(f"| all | | {counts([row for group in by_source.values() for row in group])} |")
    for outcome, reason, detail in sorted(reasons, key=lambda key: (OUTCOMES.index(key[0]), key)):
        lines += ["", f"**{outcome}: {reason}** {detail[:400].replace('|', '¦')}", ""]
        lines += [f"- `{row['key']}`" for row in reasons[(outcome, reason, detail)]]
    return "\n".join(lines) + "\n"


def sites_of(rows: list[Row]) -> str:
    return ", ".join(f"`{site}`" for site in dict.fromkeys(row["site"] for row in rows))


def counts(rows: list[Row]) -> str:
    return " | ".join(str(sum(row["outcome"] == outcome for row in rows)) for outcome in OUTCOMES)


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--place", default="", choices=["stem", "middle", "end"], help="only the sites at this place")
    parser.add_argument("--only", default="", metavar="SUBSTRING", help="cells whose command contains this")
    parser.add_argument("--quick", action="store_true", help="catalogue module, --after, without --identity")
    parser.add_argument("--again", action="store_true", help="run cells that have a row already")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--rows", type=Path, default=HERE / "shown_on.jsonl", metavar="FILE")
    parser.add_argument("--table", type=Path, default=HERE / "shown_on.md", metavar="FILE")
    return parser.parse_args()


def main() -> int:
    chosen, console = options(), Console(stderr=True)
    rows = read_rows(chosen.rows)
    wanted = [cell for cell in cells(chosen.quick) if chosen.only in str(cell) and chosen.place in ("", cell.place)]
    todo = [cell for cell in wanted if chosen.again or str(cell) not in rows]
    threads = max(1, (os.cpu_count() or 1) // chosen.jobs)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with (
        chosen.rows.open("a", encoding="utf-8") as file,
        ThreadPoolExecutor(chosen.jobs) as pool,
        Progress(*columns, TimeRemainingColumn(), console=console) as progress,
    ):
        bar = progress.add_task("shown on", total=len(todo))
        for future in as_completed([pool.submit(run, cell, threads) for cell in todo]):
            row = future.result()
            rows[row["key"]] = row
            file.write(json.dumps(row) + "\n")
            file.flush()
            style = "green" if row["outcome"] == "passed" else "yellow" if row["outcome"] == "refused" else "red"
            progress.print(f"[{style}]{row['outcome']:8}[/] {row['key']}  {row['reason']}", highlight=False)
            progress.advance(bar)
    order = {str(cell): index for index, cell in enumerate(cells(quick=False))}
    chosen.table.write_text(table(sorted(rows.values(), key=lambda row: order.get(row["key"], -1))), encoding="utf-8")
    results = [rows[str(cell)]["outcome"] for cell in wanted]
    return int(any(outcome in ("wrong", "crashed") for outcome in results))


if __name__ == "__main__":
    sys.exit(main())
