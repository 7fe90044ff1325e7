"""Inserts at every child of every backbone and of every class of blocks in it, and compares each variant with the oracle.

    python tests/coverage/backbones.py timm|torchvision [--only swin] [--limit 3] [--reason NAME] [--again] [--table-only]

Rows go to rows/LIBRARY.jsonl as they come; those already there are not run again. The plan (which models, which cells) is
made once: remove rows/LIBRARY.plan.json to have it made anew. The table is LIBRARY.md. A run works on a copy of the code as
it is at the start: it may be edited meanwhile. Models run in forks of one process that has imported everything (forks.py).

    python tests/coverage/backbones.py timm --all --sample 1371 --quick [--jobs 2]

Four places of every registered model, in an order drawn at random, those of over 200 million parameters last: a run that is
stopped is a sample. Each model is traced for the site of each cell and judged with at most two blocks of each stage and at a
quarter of its width, where its constructor takes that (shorter.py). With --quick one cell of a model gets the whole contract,
and the oracle on all paths; the others get the contract of sweeps, and the oracle on four paths. Where that finds a fault,
the cell gets the whole contract as well, and the oracle beside the whole model: what counts is what the command would have
written. The table tells how many.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import queue
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from tables import table

HERE = Path(__file__).resolve().parent
ROWS = HERE / "rows"
LARGE = 200_000_000  # parameters
COLOURS = {"passed": "green", "refused": "yellow"}
Json = dict[str, Any]


def planned(library: str, every: bool, operation: str) -> Json:
    """The plan, made where there is none yet. Every cell gets its key, which is its command without the module."""
    file = ROWS / f"{library}{'.all' if every else ''}.plan.json"
    if not file.exists():
        command = [sys.executable, str(HERE / "plan.py"), library, *(["--all"] if every else [])]
        file.write_text(subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout, encoding="utf-8")
    plan: Json = json.loads(file.read_text(encoding="utf-8"))
    for model in plan["models"]:
        for cell in model["cells"]:
            host = f" --class {cell['host']}" if cell["host"] else ""
            cell["key"] = f"{model['source']}{host} --{operation} {cell['site']}"
    return plan


def read_rows(path: Path) -> dict[str, Json]:
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return {row["key"]: row for row in map(json.loads, lines)}  # a later row of a cell takes the place of the earlier


def jobs(plan: Json, rows: dict[str, Json], chosen: argparse.Namespace) -> Iterator[Json]:
    """The cells to run, model by model, the small models first; of a sample as it is drawn."""
    models = sorted(plan["models"], key=lambda m: m.get("parameters") or 0)
    if chosen.sample:  # in the order in which they are drawn: a run that is stopped is a sample too
        models = random.Random(0).sample(models, min(chosen.sample, len(models)))
    for model in models:
        cells = [cell for cell in model["cells"] if chosen.only in cell["key"]]
        cells = [cell for cell in cells if not any(part in cell["key"] for part in chosen.skip)]
        if chosen.reason:
            cells = [cell for cell in cells if rows.get(cell["key"], {}).get("reason") in chosen.reason]
        elif not chosen.again:
            cells = [cell for cell in cells if cell["key"] not in rows]
        for cell in cells if chosen.quick else ():  # one of each model with the whole contract
            cell["contract"] = "whole" if cell is model["cells"][len(model["name"]) % len(model["cells"])] else "quick"
        if cells := cells[: chosen.limit or None]:
            job = {"library": plan["library"], "namespace": plan["namespace"], "variants": str(chosen.variants or "")}
            job |= {"operation": chosen.operation, "identity": chosen.identity, "each": chosen.all}
            yield job | {"model": {key: value for key, value in model.items() if key != "cells"}, "cells": cells}


def snapshot(folder: str) -> Path:
    """A copy of all code that a run uses."""
    leave = shutil.ignore_patterns("cases", "rows", "__pycache__", "*.md", "*.jsonl")
    for part in ("codegen", "templates", "tests"):
        shutil.copytree(HERE.parent.parent / part, Path(folder, part), ignore=leave)
    return Path(folder, "tests", "coverage", "forks.py")


class Server:
    """A process that has imported everything and forks for each job: see forks.py. Started anew where it has ended."""

    def __init__(self, script: Path, library: str) -> None:
        self.command = [sys.executable, str(script), library]
        self.environment = {**os.environ, "PYTHONPATH": str(script.parent.parent.parent)}  # the copy's own code
        self.process: subprocess.Popen[str] | None = None

    def lines(self, job: Json) -> Iterator[Json]:
        """The rows of a job as they come, then `ended`, the status of its process."""
        if self.process is None or self.process.poll() is not None:
            pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "env": self.environment}
            self.process = subprocess.Popen(self.command, text=True, **pipes)  # type: ignore[call-overload]
        process = self.process
        assert process and process.stdin and process.stdout
        process.stdin.write(json.dumps(job) + "\n")
        process.stdin.flush()
        for line in process.stdout:
            yield (row := json.loads(line))
            if "ended" in row:
                return
        yield {"ended": process.wait()}

    def stop(self) -> None:
        if self.process:
            self.process.terminate()


def run(job: Json, server: Server, stop: threading.Event) -> Iterator[Json]:
    """The rows of a job, from a process of its own; where it dies, the cell that it died of gets a row too."""
    left = {cell["key"]: cell for cell in job["cells"]}
    while left and not stop.is_set():
        status = 0
        for row in server.lines({**job, "cells": list(left.values())}):
            if "ended" in row:
                status = row["ended"]
            else:
                del left[row["key"]]
                yield row
        if left and not stop.is_set():
            cell = left.pop(next(iter(left)))
            about = {"library": job["library"], "source": job["model"]["source"], "model_file": job["model"]["file"]}
            yield about | cell | {"command": f"codegen insert --module se {cell['key']}", "seconds": {}} | {
                "outcome": "crashed", "reason": "process ended", "detail": f"the process ended with status {status}",
            }  # fmt: skip


def run_all(todo: list[Json], count: int, progress: Progress) -> Iterator[Json]:
    """The rows of all jobs as they come, `count` models at a time."""
    rows: queue.Queue[Json | None] = queue.Queue()
    stop = threading.Event()
    bar = progress.add_task("backbones", total=sum(len(job["cells"]) for job in todo))
    idle: queue.Queue[Server] = queue.Queue()
    alone = threading.Lock()  # of two large models at once, the machine may not hold all copies

    def work(job: Json) -> None:
        server = idle.get()
        try:
            with alone if job["model"]["parameters"] > LARGE else contextlib.nullcontext():
                for row in run(job, server, stop):
                    rows.put(row)
        finally:
            idle.put(server)
            rows.put(None)

    pool, copy = ThreadPoolExecutor(count), tempfile.TemporaryDirectory()
    script = snapshot(copy.name)
    servers = [Server(script, todo[0]["library"]) for _ in range(count if todo else 0)]
    try:
        for server in servers:
            idle.put(server)
        for job in sorted(todo, key=lambda job: job["model"]["parameters"] > LARGE):  # the large ones last
            pool.submit(work, job)
        for _ in todo:
            while row := rows.get():
                yield row
                progress.advance(bar)
    finally:
        stop.set()
        pool.shutdown(wait=False, cancel_futures=True)
        for server in servers:
            server.stop()
        copy.cleanup()


def followed(todo: list[Json], count: int, path: Path, rows: dict[str, Json]) -> None:
    """Runs the jobs; the rows go to the end of a file and into `rows` as they come, and each is told."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    console = Console(stderr=True)
    with path.open("a", encoding="utf-8") as file, Progress(*columns, TimeRemainingColumn(), console=console) as progress:
        for row in run_all(todo, count, progress):
            rows[row["key"]] = row
            file.write(json.dumps(row) + "\n")
            file.flush()
            text = f"[{COLOURS.get(row['outcome'], 'red')}]{row['outcome']:8}[/] {escape(row['key'])}  {row['reason']}"
            progress.console.print(text, highlight=False, soft_wrap=True)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("library", choices=["timm", "torchvision"])
    parser.add_argument("--all", action="store_true", help="four places of every model, not all of the smallest of each file")
    parser.add_argument("--sample", type=int, default=0, metavar="N", help="only N models, drawn at random and always the same")
    parser.add_argument("--operation", choices=["after", "before", "beside"], default="after", help="what is made at each site")
    parser.add_argument("--quick", action="store_true", help="the whole contract, and all paths, for one cell of a model only")
    parser.add_argument("--identity", action="store_true", help="adapters that start as the identity")
    parser.add_argument("--only", default="", metavar="SUBSTRING", help="cells whose command contains this")
    parser.add_argument("--skip", action="append", default=[], metavar="SUBSTRING", help="not those that contain this")
    parser.add_argument("--limit", type=int, default=0, metavar="N", help="at most so many cells of a model")
    parser.add_argument("--reason", action="append", metavar="NAME", help="run those again that have this reason now")
    parser.add_argument("--again", action="store_true", help="run cells that have a row already")
    parser.add_argument("--jobs", type=int, default=2, metavar="N", help="models that run at the same time")
    parser.add_argument("--variants", type=Path, metavar="FOLDER", help="keep the variants there")
    parser.add_argument("--table-only", action="store_true", help="run nothing")
    return parser.parse_args()


def main() -> int:
    chosen = arguments()
    ROWS.mkdir(exist_ok=True)
    special = [word for word, on in (("all", chosen.all), ("identity", chosen.identity)) if on]
    special += [chosen.operation] if chosen.operation != "after" else []
    name = ".".join([chosen.library, *special])
    plan, path = planned(chosen.library, chosen.all, chosen.operation), ROWS / f"{name}.jsonl"
    rows = read_rows(path)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # and all that was started ends, too
    todo = [] if chosen.table_only else list(jobs(plan, rows, chosen))
    followed(todo, chosen.jobs, path, rows)
    options = [*["--all"] * chosen.all, *["--identity"] * chosen.identity]
    options += ["--sample", str(chosen.sample)] if chosen.sample else []
    options += ["--quick"] * chosen.quick
    options += ["--operation", chosen.operation] if chosen.operation != "after" else []
    text = table(plan, rows, f"python tests/coverage/backbones.py {' '.join([chosen.library, *options])}")
    (HERE / f"{name}.md").write_text(text, encoding="utf-8")
    return int(any(row["outcome"] in ("wrong", "crashed") for row in rows.values()))


if __name__ == "__main__":
    sys.exit(main())
