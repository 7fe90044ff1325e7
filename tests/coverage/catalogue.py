"""Inserts every module of the catalogue after the stem, in the middle and before the head of seven backbones.

    python tests/coverage/catalogue.py [--only swin] [--module coord] [--again] [--table-only]

Each variant is made and proved by the contract in one warm child process a backbone. Rows go to rows/catalogue.jsonl as they
come, and those already there are not run again; the table is catalogue.md.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))
from backbones import ROWS, read_rows  # noqa: E402
from cells import LIMITS, Bench  # noqa: E402
from rich.console import Console  # noqa: E402

from codegen import catalogue, pipeline, verdicts  # noqa: E402
from codegen.errors import CodegenError  # noqa: E402
from codegen.pipeline import Stopwatch  # noqa: E402
from codegen.types import Request  # noqa: E402

BACKBONES = {  # after the stem, in the middle, before the head
    "timm:vit_tiny_patch16_224": ("patch_embed", "blocks.5", "norm"),
    "timm:swin_tiny_patch4_window7_224": ("patch_embed", "layers.1", "norm"),
    "timm:resnet18": ("maxpool", "layer2", "layer4"),
    "timm:convnext_atto": ("stem", "stages.1", "stages.3"),
    "timm:mobilenetv3_small_050": ("bn1", "blocks.2", "blocks"),
    "timm:mixer_s32_224": ("stem", "blocks.3", "norm"),
    "torchvision:resnet18": ("maxpool", "layer2", "layer4"),
}
PLACES = ("stem", "middle", "head")
Json = dict[str, Any]


def rows(source: str, chosen: argparse.Namespace, known: dict[str, Json]) -> Iterator[Json]:
    """A row for every module and place of a backbone."""
    bench = Bench(Request(source, operation="after", dry_run=True, limits=LIMITS))
    try:
        for place, site in zip(PLACES, BACKBONES[source], strict=True):
            for entry in catalogue.entries():
                key = f"{source} --module {entry.name} --after {site}"
                if chosen.module in ("", entry.name) and (chosen.again or key not in known):
                    yield {"key": key, "source": source, "place": place, "module": entry.name, **made(bench, site, entry.name)}
    finally:
        bench.stop()


def made(bench: Bench, site: str, module: str) -> Json:
    request = Request(**{**vars(bench.request), "site": site, "module": module})
    watch = Stopwatch()
    try:
        child, subject = bench.ready()
        report = pipeline.insert(child, subject, request, watch)
        verdicts.demand(report)
    except CodegenError as error:
        refused = error.name in ("module-does-not-fit", "unknown-width")
        return {"outcome": "refused" if refused else "failed", "reason": error.name, "detail": error.message[:300]}
    return {"outcome": "passed", "reason": "", "detail": "", "seconds": round(sum(watch.seconds.values()), 2)}


def table(known: dict[str, Json]) -> str:
    """Markdown: a line a module, a column a backbone, three letters a cell: stem, middle, head."""
    short = {"passed": "p", "refused": "r", "failed": "F"}
    cells = {(row["module"], row["source"], row["place"]): short[row["outcome"]] for row in known.values()}
    counts = Counter(row["outcome"] for row in known.values())
    names = [source.partition(":")[2] if "timm" in source else source for source in BACKBONES]
    lines = ["# The catalogue on seven backbones", "", "Every module after the stem, in the middle and before the head: p, the"]
    lines += ["contract passed; r, refused by name (the module does not fit the layout there); F, anything else; -, not run."]
    lines += ["Made by `python tests/coverage/catalogue.py`.", ""]
    lines += [", ".join(f"{counts[outcome]} {outcome}" for outcome in short) + ".", ""]
    lines += [f"| module | {' | '.join(names)} |", f"|---|{'---|' * len(names)}"]
    for entry in catalogue.entries():
        found = ["".join(cells.get((entry.name, source, place), "-") for place in PLACES) for source in BACKBONES]
        lines.append(f"| `{entry.name}` | {' | '.join(found)} |")
    lines += ["", "## Not passed", ""]
    lines += [f"- `{row['key']}`: {row['reason']}: {row['detail']}" for row in known.values() if row["outcome"] != "passed"]
    return "\n".join(lines) + "\n"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", metavar="SUBSTRING", help="backbones whose name contains this")
    parser.add_argument("--module", default="", metavar="NAME", help="this module only")
    parser.add_argument("--again", action="store_true", help="run cells that have a row already")
    parser.add_argument("--table-only", action="store_true", help="run nothing")
    chosen, console = parser.parse_args(), Console(stderr=True)
    path = ROWS / "catalogue.jsonl"
    known = read_rows(path)
    with path.open("a", encoding="utf-8") as file:
        for source in [] if chosen.table_only else [s for s in BACKBONES if chosen.only in s]:
            for row in rows(source, chosen, known):
                known[row["key"]] = row
                print(json.dumps(row), file=file, flush=True)
                console.print(f"{row['outcome']:8} {row['key']}  {row['reason']}", highlight=False, soft_wrap=True)
    Path(__file__).with_suffix(".md").write_text(table(known), encoding="utf-8")
    return int(any(row["outcome"] == "failed" for row in known.values()))


if __name__ == "__main__":
    sys.exit(main())
