"""Checks the width expressions found in timm's smallest models against the other registered models of the same class.

    python tests/coverage/widths.py [--only swin] [--limit 8] [--seconds 120] [--again] [--table-only]

Rows go to rows/widths.jsonl as they come; those already there are not made again. The models by class and size stand in
rows/widths.models.jsonl, a row a model: remove it to have them looked at anew. The table is widths.md.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from width_table import table

from codegen import pipeline, sources
from codegen.child import Child
from codegen.errors import CodegenError
from codegen.limits import Limits
from codegen.traced import Trace
from codegen.types import Request

HERE = Path(__file__).resolve().parent
ROWS, MODELS = HERE / "rows" / "widths.jsonl", HERE / "rows" / "widths.models.jsonl"
LAYOUTS = ("NCHW", "NHWC", "NLC")
NO_WIDTH: dict[str, Any] = {"expr": "", "kind": "none", "at": 0}
TRACE_SECONDS = 900.0
Json = dict[str, Any]


def read(path: Path, key: str) -> dict[str, Json]:
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return {row[key]: row for row in map(json.loads, lines)}  # a later row takes the place of an earlier one


def append(path: Path, row: Json) -> None:
    path.parent.mkdir(exist_ok=True)
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(row) + "\n")


def model_files() -> list[str]:
    """The files in which timm registers models, from its source alone: no model is imported here."""
    folder = sources.module_path("timm.models")
    assert folder is not None, "timm is not installed"
    known = ((path.stem, path.read_text(encoding="utf-8")) for path in sorted(folder.parent.glob("[a-z]*.py")))
    return [stem for stem, text in known if "\n@register_model\n" in text]


def asked(arguments: list[str], job: Json | None = None) -> Iterator[Json]:
    """The answers of width_of.py, as they come."""
    command = [sys.executable, str(HERE / "width_of.py"), *arguments]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None and process.stdout is not None
        with process.stdin:
            process.stdin.write(json.dumps(job))
        yield from map(json.loads, process.stdout)


def surveyed(file: str, known: dict[str, Json]) -> list[Json]:
    """The file's models with their class and size, smallest first; those that cannot be built are left out."""
    if not any(row["file"] == file for row in known.values()):
        for answer in asked(["survey", file]):
            known[answer["model"]] = {"file": file, **answer}
            append(MODELS, known[answer["model"]])
    found = [row for row in known.values() if row["file"] == file and "class" in row]
    return sorted(found, key=lambda row: (row["parameters"], row["model"]))


def measured(file: str, model: Json) -> Json:
    """The row of a file: every width that was found at the children of its smallest model."""
    about = {"key": file, "file": file, "model": model["model"], "class": model["class"]}
    request = Request(f"timm:{model['model']}", "after")  # no site: the widths of all are searched
    try:
        with Child(Limits(TRACE_SECONDS)) as child:
            trace = pipeline.measure(child, sources.resolve(request.source), request).trace
    except CodegenError as error:
        return {**about, "sites": [], "error": f"{error.name}: {error.message}"}
    return {**about, "sites": list(sites(trace)), "error": ""}


def sites(trace: Trace) -> Iterator[Json]:
    """Both sides of every child of the model that a forward runs on a feature map or tokens."""
    for module in trace.modules:
        child = bool(module.name) and "." not in module.name and "@" not in module.name  # a place between modules is none
        for outgoing in (True, False) if child and module.output_shape else ():
            layout = (module.after if outgoing else module.before).kind
            width = module.width_after if outgoing else module.width_before
            if layout in LAYOUTS:
                found = {"expr": width.expr, "kind": width.kind, "at": width.value} if width else NO_WIDTH
                if ("after" if outgoing else "before") in module.mixed:  # no expression is written there
                    found = {"expr": "", "kind": "several", "at": 0}
                yield {"site": module.name, "outgoing": outgoing, "layout": layout, "runner": module.runner, **found}


def others(row: Json, known: dict[str, Json], limit: int) -> list[str]:
    """Other models of the class, one of each size, spread over the sizes."""
    alike = [m for m in known.values() if m.get("class") == row["class"] and m["model"] != row["model"]]
    by_size = {m["parameters"]: m["model"] for m in sorted(alike, key=lambda m: m["model"], reverse=True)}
    names = [by_size[size] for size in sorted(by_size)]
    step = (len(names) - 1) / max(1, limit - 1)
    return names if len(names) <= limit or not limit else [names[round(index * step)] for index in range(limit)]


def checked(row: Json, names: list[str], seconds: float) -> Iterator[Json]:
    """A row for every other model: what the expressions give there, and what is right."""
    job = {"models": names, "sites": [site for site in row["sites"] if site["expr"]], "seconds": seconds}
    for answer in asked(["check"], job) if names and job["sites"] else ():
        yield {"key": f"{row['file']} {answer['model']}", "file": row["file"], "of": row["model"], **answer}


def run(chosen: argparse.Namespace, progress: Progress) -> None:
    """Every file: look at its models, trace the smallest, check the others."""
    rows = {} if chosen.again else read(ROWS, "key")
    known = read(MODELS, "model")
    files = [file for file in model_files() if chosen.only in file]
    files = [chosen.only] if chosen.only in files else files
    for file in progress.track(files, description="models"):
        surveyed(file, known)  # all of them first: a class may have models in several files
    for file in progress.track(files, description="widths"):
        models = surveyed(file, known)
        if models and file not in rows:
            rows[file] = measured(file, models[0])
            append(ROWS, rows[file])
        todo = others(rows[file], known, chosen.limit) if models else []
        if todo := [name for name in todo if f"{file} {name}" not in rows]:
            for other in checked(rows[file], todo, chosen.seconds):
                append(ROWS, other)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", metavar="NAME", help="this file, or those whose name contains this")
    parser.add_argument("--limit", type=int, default=0, help="other models of a class; default: one of every size")
    parser.add_argument("--seconds", type=float, default=120, help="for one of them")
    parser.add_argument("--again", action="store_true", help="make rows that are there already")
    parser.add_argument("--table-only", action="store_true")
    parser.add_argument("--table", type=Path, default=HERE / "widths.md", metavar="FILE")
    chosen = parser.parse_args()
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    if not chosen.table_only:
        with Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True)) as progress:
            run(chosen, progress)
    page, wrong = table(read(ROWS, "key").values(), read(MODELS, "model").values())
    chosen.table.write_text(page, encoding="utf-8")
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
