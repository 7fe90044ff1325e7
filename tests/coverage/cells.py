"""All cells of one model: each variant made and proved in one warm child process, and judged by the oracle in another.

python tests/coverage/cells.py < job.json    # prints a row for each cell, one JSON line each
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import select
import shlex
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path.insert(0, str(ROOT))
from sizes import sizes  # noqa: E402

from codegen import branch, pipeline, selection, sources, variants, verdicts  # noqa: E402
from codegen.child import Child  # noqa: E402
from codegen.errors import BUG, CodegenError  # noqa: E402
from codegen.limits import Limits  # noqa: E402
from codegen.pipeline import Stopwatch, Subject  # noqa: E402
from codegen.proving import Proving  # noqa: E402
from codegen.traced import TracedModule  # noqa: E402
from codegen.types import Report, Request, Site  # noqa: E402

os.environ["PYTHONPATH"] = str(ROOT)  # of the children: they run this very copy of the code
LIMITS = Limits(seconds=600.0, memory=8 << 30)  # of the child; the time is for one cell
JUDGEMENT = 600  # seconds for one answer of the oracle, which has a limit of its own
CELL = 3 * LIMITS.seconds + JUDGEMENT  # seconds after which a cell is given up in any case
DEAD = ("model-timeout", "model-exited")  # errors after which there is no child any more
Json = dict[str, Any]


def popened(log: Any) -> tuple[Any, Any]:
    """The oracle's process, and the stream of its answers."""
    process = subprocess.Popen([sys.executable, str(HERE / "judge.py")], stdin=-1, stdout=-1, stderr=log)
    return process, process.stdout


CHILD: Callable[[Limits], Child] = Child  # what starts a child of codegen
ORACLE: Callable[[Any], tuple[Any, Any]] = popened


class Judge:
    """The oracle's process for one model: see judge.py. It prepares the original while the child traces its copy."""

    def __init__(self, job: Json) -> None:
        self.log = tempfile.TemporaryFile("w+")  # noqa: SIM115 - closed by stop()
        self.process, self.answers = ORACLE(self.log)
        model = {"namespace": job["namespace"], "whole": any(cell.get("sites") for cell in job["cells"])}
        model |= {"short": job.get("each", False), "sites": [cell["site"] for cell in job["cells"]]}
        model |= {key: job["model"][key] for key in ("original", "shape", "parameters")}
        self._ask(model)

    def _ask(self, question: Json) -> None:
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.write(json.dumps(question).encode() + b"\n")
            self.process.stdin.flush()

    @functools.cached_property
    def about(self) -> Json:
        """What it says of the original: `option`, `shape`, `routes`, `called`; or `error`."""
        return self._answer()

    def judge(self, question: Json) -> Json:
        if "error" in self.about:
            return {"error": self.about["error"]}
        self._ask(question)
        return self._answer()

    def _answer(self) -> Json:
        ready = select.select([self.answers], [], [], JUDGEMENT)[0]
        line = self.answers.readline() if ready else b""
        if line:
            return dict(json.loads(line))
        self.log.seek(0)
        return {"error": f"no answer of the oracle's process: {' '.join(self.log.read().split())[-300:]}"}

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()
        self.log.close()


class Bench:
    """A warm child with the model's trace in it; a new one is made where it died.

    each: the model is traced for the site of each cell, as the command does: for a few cells, that takes less.
    """

    def __init__(self, request: Request, *, each: bool = False) -> None:
        self.request, self.each = request, each
        self.source = sources.resolve(request.source)
        self.child: Child | None = None
        self.subject: Subject | None = None
        self.error: CodegenError | None = None  # the model cannot be traced: so it is for every cell
        self.traces: list[float] = []  # seconds of each

    def ready(self, request: Request | None = None) -> tuple[Child, Subject]:
        """Raises the error of the trace, each time anew."""
        if self.error:
            raise self.error
        if self.child and self.subject and not self.each:
            self.child.deadline = time.monotonic() + LIMITS.seconds
            return self.child, self.subject
        start = time.perf_counter()
        if not self.child:
            self.child = CHILD(LIMITS)
        self.child.deadline = time.monotonic() + LIMITS.seconds
        try:
            self.subject = pipeline.measure(self.child, self.source, request if self.each and request else self.request)
        except CodegenError as error:
            self.error = error
            raise
        finally:
            self.traces.append(time.perf_counter() - start)
        return self.child, self.subject

    def stop(self) -> None:
        if self.child:
            self.child.stop()
        self.child = None


def rows(job: Json) -> Iterator[Json]:
    """A row for each cell of the job: `library`, `namespace`, `model`, `cells`, and `variants`, a folder that keeps them.

    A cell's own `operation` and `identity` come before those of the job, which the model is traced for.
    """
    model = job["model"]
    given = {"build": model["build"], "input": model["input"], "dry_run": True, "limits": LIMITS}
    bench = Bench(Request(model["source"], **given, **how(job)), each=job.get("each", False))
    oracle = Judge(job)
    signal.signal(signal.SIGALRM, too_long)
    try:
        for cell in job["cells"]:
            signal.alarm(int(CELL))
            row = {"key": cell["key"], "library": job["library"], "source": model["source"], "model_file": model["file"]}
            made, before = Making(bench, oracle, cell, job["variants"]), spent(bench, oracle)
            found = made.row()
            yield row | cell | found | {"cpu": round(spent(bench, oracle) - before, 2)}
            signal.alarm(0)
            if made.outcome.get("reason") in (*DEAD, "TimeoutError"):
                bench.stop()
    finally:
        bench.stop()
        oracle.stop()


def spent(bench: Bench, oracle: Judge) -> float:
    """CPU seconds of this process, its child and the oracle up to now."""
    processes = [os.getpid(), oracle.process.pid, *([bench.child.process.pid] if bench.child else [])]
    total = 0.0
    for process in processes:
        with contextlib.suppress(OSError):
            told = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
            total += sum(map(int, told[11:15])) / os.sysconf("SC_CLK_TCK")  # its own, and of those it waited for
    return total


def how(told: Json) -> Json:
    """The words of a request for the operation of a job or a cell."""
    words = {"operation": told["operation"], "identity": told["identity"]}
    return words | {"combine": ("gate" if told["identity"] else "add") if told["operation"] == "beside" else ""}


def too_long(*_: object) -> NoReturn:
    raise TimeoutError(f"the cell took more than {CELL:g} s")


class Making:
    """One cell on its way from the request to the row."""

    def __init__(self, bench: Bench, oracle: Judge, cell: Json, variants: str) -> None:
        self.bench, self.oracle, self.cell, self.variants = bench, oracle, cell, variants
        self.watch = Stopwatch()
        self.request = replace(bench.request, site=cell["site"], host=cell["host"], module="se")
        self.request = replace(self.request, **how(cell)) if "operation" in cell else self.request
        self.facts: Json = {}
        self.outcome: Json = {}

    def row(self) -> Json:
        before = len(self.bench.traces)
        try:
            self.outcome = self._made()
        except CodegenError as error:
            crashed = error.name in ("internal-error", *DEAD) or error.exit_code == BUG
            self.outcome = outcome("crashed" if crashed else "refused", error.name, error.message)
        except Exception as error:  # noqa: BLE001 - a bug of codegen: it is what the run looks for
            last = traceback.extract_tb(error.__traceback__)[-1]
            place = f"{Path(last.filename).name}:{last.lineno}"
            self.outcome = outcome("crashed", type(error).__name__, f"{' '.join(str(error).split())} ({place})")
        seconds = dict(self.watch.seconds)
        if before < len(self.bench.traces):
            seconds["trace"] = sum(self.bench.traces[before:])
        rounded = {stage: round(value, 2) for stage, value in seconds.items()}
        return {"command": command(self.request), **self.facts, **self.outcome, "seconds": rounded}

    def _made(self) -> Json:
        child, subject = self.bench.ready(self.request)
        self._look(subject)
        if self.request.host:
            subject = Subject(subject.source, subject.trace)  # as `pipeline.measure` does with --class
        quick = self.cell.get("contract") == "quick"
        judged = self._proved(child, subject, quick=quick)
        if judged["outcome"] == "wrong" and quick:  # the command would not have written what only the quick one lets pass
            self.cell["contract"] = "whole"
            judged = self._proved(child, subject, quick=False)
        return judged

    def _proved(self, child: Child, subject: Subject, *, quick: bool) -> Json:
        proving = Proving(quick=quick, drift=not self.bench.each)
        try:
            report = pipeline.insert(child, subject, self.request, self.watch, proving)
        except CodegenError as error:
            if not error.sites:
                raise
            report = self._split()
        self._measure(report)
        verdicts.demand(report)
        with self.watch.stage("oracle"):
            judged = self._judged(report, exact=False)
            if judged["outcome"] == "wrong" and self.facts["short"] and not quick:  # it may name a block that was left out
                judged = self._judged(report, exact=True)
        return judged

    def _split(self) -> Report:
        """The variant of a name that means sites which no one edit serves, as the command makes it: with an edit of each."""
        report = variants.run([self.request])
        for stage, seconds in report.seconds:
            self.watch.seconds[stage] = self.watch.seconds.get(stage, 0.0) + seconds
        self.facts["edits"] = [step.request.site for step in report.steps]
        return report

    def _look(self, subject: Subject) -> None:
        """What the trace says of the site; a vector gets an adapter."""
        about = self.oracle.about
        self.facts["judged"] = {key: about[key] for key in ("option", "shape", "cut") if key in about}
        sites = list(traced(subject, self.cell))
        ran = {call.module for call in subject.trace.calls}
        self.facts["called"] = any(module.name in about.get("called", ran) for module in sites)
        if self.cell["site"].endswith(".-1") and "called" in about:
            self.facts["called"] = self._numbered(self.cell["site"]) in about["called"]
        side = "after" if self.request.operation == "after" else "before"
        layout = next((found.kind for module in sites if (found := getattr(module, side)).kind), "")
        if not layout:
            return
        self.facts["layout"] = layout
        if layout == "NC" or self.request.identity:
            self.request = replace(self.request, module="adapter")

    def _measure(self, report: Report) -> None:
        assert report.site and report.variant
        width = report.site.width
        self.facts |= {"layout": report.site.layout.kind, "width": width.kind, "expr": width.expr}
        inside = [method for method, _ in report.call_sites if method.startswith(f"{report.variant.host}.")]
        self.facts |= {"call_sites": len(inside), "drift": report.drift, **sizes(report.variant)}

    def _judged(self, report: Report, *, exact: bool) -> Json:
        assert report.variant
        variant = report.variant
        stem = "".join(character if character.isalnum() else "_" for character in self.cell["key"])
        with tempfile.TemporaryDirectory() as folder:
            path = Path(self.variants or folder, f"{stem}.py")
            path.write_bytes(variant.text.encode(variant.encoding))
            question = {"variant": str(path), "build": variant.build, "modules": self._modules(report)}
            question |= {"some": self.cell.get("contract") == "quick", "exact": exact}
            place = {key: self.cell[key] for key in ("site", "host", "file", "point", "sites") if key in self.cell}
            place["site"] = place["site"] if place.get("sites") else self._numbered(place["site"])
            if exact and self.cell["site"].endswith(".-1"):  # of the model itself
                assert report.site
                place["site"] = report.site.module.name
            answer = self.oracle.judge(question | place)
        if "error" in answer:
            return outcome("crashed", "oracle", answer["error"])
        differences = answer["differences"]
        self.facts |= {key: answer[key] for key in ("routes", "short") if key in answer}
        return outcome("wrong", kind(differences[0]), "; ".join(differences)) if differences else outcome("passed")

    def _modules(self, report: Report) -> list[tuple[str, list[str], bool, str]]:
        """(attribute, the modules in which, or beside which, it stands, whether beside the list that holds them, operation): no
        modules of one edit, whose place says it.
        """
        sites = self.cell.get("sites", [])
        if not report.steps:
            assert report.variant
            return [(report.variant.attribute, sites, False, operation(self.request, report.site))]
        known = [module.name for module in self.bench.subject.trace.modules] if self.bench.subject else []
        made = []
        for step in report.steps:
            assert step.variant and step.site
            own = [name for name in selection.select(known, step.request.site) if not sites or name in sites]
            own = own or [step.site.module.name]
            made.append((step.variant.attribute, own, step.site.parted, operation(self.request, step.site)))
        return made

    def _numbered(self, site: str) -> str:
        """`blocks.-1` -> `blocks.5`, in the model that the oracle runs, which may have fewer blocks."""
        owner, _, last = site.rpartition(".")
        if last != "-1":
            return site
        found = [name.rpartition(".") for name in self.oracle.about["called"]]
        numbers = [int(number) for holder, _, number in found if holder == owner and number.isdigit()]
        return f"{owner}.{max(numbers)}" if numbers else site


def traced(subject: Subject, cell: Json) -> Iterator[TracedModule]:
    """The modules that a cell's site names."""
    if cell.get("sites"):
        return (module for module in subject.trace.modules if module.name in cell["sites"])
    hosts = [host for host in subject.trace.hosts if host.name == cell["host"]][:1]
    owners = hosts[0].instances if hosts else ("",)
    names = {f"{owner}.{cell['site']}".lstrip(".") for owner in owners}
    if cell["site"].endswith(".-1"):  # the last that is called
        holder = cell["site"].removesuffix("-1")
        elements = [m.name for m in subject.trace.modules if m.name.startswith(holder) and m.name[len(holder) :].isdigit()]
        names |= {*elements[-1:]}
    return (module for module in subject.trace.modules if module.name in names)


def operation(request: Request, site: Site | None) -> str:
    """The operation in the oracle's words: `beside +` where the variant's own code joins both results, `after 1` where the
    tensor is the second result of the site.
    """
    assert site
    if request.operation == "after" and site.module.output_index not in ("", "0"):
        return f"after {site.module.output_index}" if site.module.output_index.isdigit() else "after"
    return f"{request.operation} {branch.operator(request.combine, site)}".strip()


def outcome(name: str, reason: str = "", detail: str = "") -> Json:
    for path in (str(ROOT), sys.prefix, tempfile.gettempdir()):
        detail = detail.replace(path + "/", "")
    return {"outcome": name, "reason": reason, "detail": detail[:800]}


def kind(difference: str) -> str:
    """A word for what the oracle found first."""
    words = {
        "cannot be built": "variant not built",
        "no new module": "not inserted",
        "weights:": "weights",
        "changes no output": "without effect",
        "the variant: ": "error",
        " times, the inserted": "number of calls",
        "buffer ": "buffers",
    }
    return next((word for text, word in words.items() if text in difference), "output differs")


def command(request: Request) -> str:
    """The command line that makes the cell again."""
    options = {"--class": request.host, "--build": request.build, "--input": request.input, "--module": request.module}
    words = [word for option, value in options.items() if value for word in (option, value)]
    words += ["--identity"] * request.identity + (["--combine", request.combine] if request.combine else [])
    return shlex.join(["codegen", "insert", request.source, *words, f"--{request.operation}", request.site])


def main() -> None:
    answers = sys.stdout
    sys.stdout = sys.stderr
    for row in rows(json.load(sys.stdin)):
        print(json.dumps(row), file=answers, flush=True)


if __name__ == "__main__":
    main()
