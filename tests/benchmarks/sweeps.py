"""What a sweep costs, against its floor and a cold run, in one run and in turn: machines are noisy.

    python tests/benchmarks/sweeps.py [--cells 48] [--rounds 3] [--many 1000] [--only single] [--table FILE]

The floor is what no proof can do without: exec of the variant's file, its small build, forward and backward. CPU seconds are
of the worker and its child together; parallel workers are compared by the clock, on cores that nothing else should use.
"""

from __future__ import annotations

import argparse
import compileall
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from test_executors import cluster  # noqa: E402 - a scheduler and workers, as the tests start them

from codegen import commandlines  # noqa: E402
from codegen.child import Child  # noqa: E402
from codegen.sweeps import engine, executors  # noqa: E402
from codegen.sweeps.executors import Chosen  # noqa: E402
from codegen.sweeps.rows import Cell, Row, Settings  # noqa: E402

ROOT = Path(__file__).resolve().parent.parent.parent
SOURCE = "timm:vit_tiny_patch16_224"
MODULES = ("se", "eca", "cbam", "gc", "adapter", "scale")
SITES = ("blocks.0", "blocks.1", "blocks.*.attn", "blocks.*.mlp", "patch_embed", "norm", "blocks.*.norm1", "blocks.*.norm2")
TICKS = os.sysconf("SC_CLK_TCK")
COLUMNS = ("what", "compared with", "measured", "ratio: median (lowest to highest)", "goal")
FLOOR = """
import json, sys, time, types
import torch
import timm.models
from codegen.worker import models, registry
torch.set_num_threads(1)
for line in sys.stdin:
    asked = json.loads(line)
    before, plan = registry.snapshot("timm"), asked["plan"]
    start = time.process_time()
    module = types.ModuleType("variant")
    module.__file__ = "variant.py"
    sys.modules["variant"] = module
    exec(compile(asked["variant"], "variant.py", "exec"), vars(module))
    with models.overriding(getattr(module, "VisionTransformer"), plan["small"]):
        model = models.build(module, plan["build"])
    args, kwargs = models.make_input(module, plan["small_input"], "cpu", 2)
    model.train()(*args, **kwargs).square().mean().backward()
    print(time.process_time() - start, flush=True)
    registry.forget(before)
"""


@dataclass(frozen=True)
class Line:
    """One line of the table: what was measured of both in each round, and whether the ratio's goal is a least or a most."""

    what: str
    against: str
    ours: list[float]
    theirs: list[float]
    goal: float
    least: bool
    unit: str = "CPU s a variant"

    def cells(self) -> tuple[str, ...]:
        """In the order of COLUMNS."""
        ratios = sorted(one / other for one, other in zip(self.ours, self.theirs, strict=True))
        ratio = statistics.median(ratios)
        met = ratio >= self.goal if self.least else ratio <= self.goal
        measured = f"{statistics.median(self.ours):.4g} / {statistics.median(self.theirs):.4g} {self.unit}"
        goal = f"{'at least' if self.least else 'at most'} {self.goal:.3g}: {'met' if met else 'missed'}"
        return self.what, self.against, measured, f"{ratio:.3f} ({ratios[0]:.3f} to {ratios[-1]:.3f})", goal


def grid(count: int) -> list[Cell]:
    """So many cells: every module at every site, again and again."""
    lines = [["--module", module, "--after", site] for module in MODULES for site in SITES]
    requests = [commandlines.parsed("insert", [SOURCE, *line], {})[0] for line in lines]
    return [Cell(number, str(number), requests[number % len(requests)]) for number in range(count)]


def cpu(process: int) -> float:
    """CPU seconds of a process and of those that it waited for."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / TICKS


def memory(process: int) -> float:
    """Megabytes in RAM."""
    return int(Path(f"/proc/{process}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def spent() -> float:
    """CPU seconds of this worker and its child."""
    child = engine.HERE.maker.child if hasattr(engine.HERE, "maker") else None
    return time.process_time() + (cpu(child.process.pid) if child else 0.0)


def made(cells: list[Cell], settings: Settings) -> float:
    """CPU seconds a variant, of a warm worker. A row that did not pass ends the benchmark: what stops early is fast."""
    before = spent()
    rows = [each for each in engine.work(cells, settings) if isinstance(each, Row)]
    taken = (spent() - before) / len(cells)
    if wrong := next((row for row in rows if row.status != "passed"), None):
        sys.exit(f"{wrong.command}: {wrong.error} {wrong.message}")
    return taken


@contextmanager
def floor(cells: list[Cell]) -> Iterator[Callable[[], float]]:
    """What gives the floor's CPU seconds a variant, of the very texts that are proved."""
    asked: list[dict[str, object]] = []
    ask = Child.ask

    def noting(self: Child, verb: str, request: dict[str, object]) -> object:
        asked.extend([request] if verb == "prove" else [])
        return ask(self, verb, request)

    Child.ask = noting  # type: ignore[method-assign]
    made(cells, Settings(Path()))
    Child.ask = ask  # type: ignore[method-assign]
    lines = [json.dumps({name: each[name] for name in ("variant", "plan")}) for each in asked]
    command = [sys.executable, "-c", FLOOR]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin and process.stdout

        def once() -> float:
            total = 0.0
            for line in lines:
                process.stdin.write(line + "\n")  # type: ignore[union-attr]
                process.stdin.flush()  # type: ignore[union-attr]
                total += float(process.stdout.readline())  # type: ignore[union-attr]
            return total / len(lines)

        once()
        yield once
        process.stdin.close()


def cold() -> float:
    """CPU seconds of one `codegen insert` in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "codegen", "insert", SOURCE, "--module", "se", "--after", "patch_embed"]
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([*command, "-o", f"{folder}/v.py"], cwd=ROOT, check=True, capture_output=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def rate(cells: list[Cell], chosen: Chosen) -> float:
    """Variants a second, from the second third of the rows on: the workers are warm by then."""
    times: list[float] = []

    def done(each: object) -> None:
        times.extend([time.perf_counter()] if isinstance(each, Row) else [])

    executors.run(cells, Settings(Path()), chosen, done)
    start = len(cells) // 3
    return (len(cells) - 1 - start) / (times[-1] - times[start])


def single(cells: list[Cell], rounds: int) -> Iterator[Line]:
    """One worker, against the floor and against a cold run."""
    quick, fork = Settings(Path()), Settings(Path(), isolate="fork")
    taken: dict[str, list[float]] = {"floor": [], "quick": [], "fork": [], "cold": []}
    made(cells, quick)
    with floor(cells) as once:
        made(cells, fork)
        for _ in range(rounds):
            taken["floor"].append(once())
            taken["quick"].append(made(cells, quick))
            taken["fork"].append(made(cells, fork))
            taken["cold"].append(cold())
    engine.stop_all()
    yield Line("a variant, quick contract", "the floor", taken["quick"], taken["floor"], 46 / 20, False)
    yield Line("a variant, --isolate fork", "the floor", taken["fork"], taken["floor"], 46 / 10, False)
    yield Line("a warm variant", "a cold codegen insert", taken["quick"], taken["cold"], 0.02, False)


def parallel(cells: list[Cell], rounds: int) -> Iterator[Line]:
    """Two workers against one, and dask's against the local ones."""
    taken: dict[str, list[float]] = {"one": [], "two": [], "dask": []}
    with cluster(2) as (address, _):
        for _ in range(rounds):
            taken["one"].append(rate(cells, Chosen(workers=1)))
            taken["two"].append(rate(cells, Chosen(workers=2)))
            taken["dask"].append(rate(cells, Chosen("dask", scheduler=address)))
    yield Line("two workers", "one", taken["two"], taken["one"], 1.85, True, "variants a second")
    yield Line("two workers of dask", "two local ones", taken["dask"], taken["two"], 0.85, True, "variants a second")


def flat(many: int) -> Iterator[Line]:
    """Memory of worker and child after so many variants, against that after a hundred."""
    chunks = [grid(many)[start : start + executors.Local.size] for start in range(0, many, executors.Local.size)]
    for chunk in chunks[: 100 // executors.Local.size]:  # as a worker gets them: rows have the variants' texts
        made(chunk, Settings(Path()))
    process = engine.HERE.maker.child.process.pid
    early = [memory(os.getpid()), memory(process)]
    for chunk in chunks[100 // executors.Local.size :]:
        made(chunk, Settings(Path()))
    late = [memory(os.getpid()), memory(process)]
    same = engine.HERE.maker.child.process.pid == process
    engine.stop_all()
    for name, one, other in zip(("worker", "child" if same else "another child"), late, early, strict=True):
        yield Line(f"RAM of the {name} after {many} variants", "after 100", [one], [other], 1.1, False, "MB")


def markdown(rows: list[tuple[str, ...]], cells: int, rounds: int) -> str:
    """The table as a page of its own."""
    packages = ", ".join(f"{name} {version(name)}" for name in ("torch", "timm", "loky", "distributed"))
    lines = [
        "# What a sweep costs",
        "",
        f"{SOURCE}, {len(MODULES)} modules at {len(SITES)} sites, {cells} variants a round, {rounds} rounds in turn.",
        "The floor is exec, small build, forward and backward of the same files. One variant at 20 a CPU second beside a floor",
        "of 46 a CPU second is a ratio of 2.3, at 10 one of 4.6: ratios hold on machines that are slower or shared.",
        f"Python {sys.version.split()[0]}, {packages}, {os.cpu_count()} cores. Made by `tests/benchmarks/sweeps.py`.",
        "",
        f"| {' | '.join(COLUMNS)} |",
        f"|{'---|' * len(COLUMNS)}",
        *(f"| {' | '.join(row)} |" for row in rows),
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cells", type=int, default=48)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--many", type=int, default=1000, help="variants after which memory is compared")
    parser.add_argument("--only", default="", choices=["", "single", "parallel", "flat"])
    parser.add_argument("--table", type=Path, metavar="FILE", help="write the table as Markdown too")
    chosen, console = parser.parse_args(), Console(width=170)
    compileall.compile_dir(ROOT / "codegen", quiet=2)
    cells = grid(chosen.cells)
    parts = {
        "single": lambda: single(cells, chosen.rounds),
        "parallel": lambda: parallel(grid(3 * chosen.cells), chosen.rounds),
        "flat": lambda: flat(chosen.many),
    }
    rows = [line.cells() for name, part in parts.items() if chosen.only in ("", name) for line in part()]
    table = Table(*COLUMNS, box=None)
    for row in rows:
        table.add_row(*row)
    console.print(table)
    if chosen.table:
        chosen.table.write_text(markdown(rows, chosen.cells, chosen.rounds), encoding="utf-8")


if __name__ == "__main__":
    main()
