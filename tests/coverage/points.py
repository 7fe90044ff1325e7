"""Inserts at every place between modules that has a name, in the smallest model of every file, and asks the oracle.

    python tests/coverage/points.py timm|torchvision [--only vit] [--again] [--table-only]

Which places a model has is what `codegen sites` finds; what is inserted there is compared bit by bit with the original, in
which a function of the oracle's own catches the sum, or binds the name that is pooled anew. Rows go to
rows/LIBRARY.points.jsonl; the table is LIBRARY.points.md.
"""

from __future__ import annotations

import argparse
import ast
import json
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))
from backbones import ROWS, planned, read_rows  # noqa: E402
from cells import LIMITS, Bench, Judge, Making  # noqa: E402
from rich.console import Console  # noqa: E402

from codegen import selection  # noqa: E402
from codegen.errors import CodegenError  # noqa: E402
from codegen.traced import (
    Call,
    Trace,  # noqa: E402
)
from codegen.types import Request  # noqa: E402

HERE = Path(__file__).resolve().parent
OUTCOMES = ("passed", "refused", "wrong", "crashed")
Json = dict[str, Any]


def places(source: str, trace: Trace) -> Iterator[Json]:
    """A cell for each place of each class."""
    seen = set()
    for host in (h for h in trace.hosts if not h.inherited):
        names = {f"{owner}.{m.name.rpartition('.')[2]}".lstrip(".") for owner in host.instances for m in trace.modules}
        for module in trace.modules:
            owner, _, name = module.name.rpartition(".")
            if module.name not in names or owner not in host.instances or not selection.is_point(name):
                continue
            call = next((c for c in trace.calls if c.module == module.name), None)
            if call and (host.name, name) not in seen:
                seen.add((host.name, name))
                site = {"site": name, "host": "" if host.instances == ("",) else host.name, "class": host.name}
                operation = "before" if name.startswith("@pool") else "after"
                child = name.strip(selection.SIGN).partition(selection.SIGN)[0] if selection.is_call(name) else ""
                where = {"file": call.file, "method": call.method, "child": child, **located(call, operation)}
                key = f"{source} --class {host.name} --{operation} {name}"
                yield site | {"key": key, "operation": operation, "file": host.file, "point": where}


def located(call: Call, operation: str) -> Json:
    """Where the oracle finds it: the sum, or the statement that reads the name which is pooled."""
    span = call.span
    position = (span.line, span.column, span.end_line, span.end_column)
    if operation == "after":
        return {"position": position}
    tree = ast.parse(Path(call.file).read_text(encoding="utf-8"))
    at = (node for node in ast.walk(tree) if isinstance(node, ast.Name) and node.lineno == span.line)
    name = next((n.id for n in at if (n.lineno, n.col_offset, n.end_lineno, n.end_col_offset) == position), "")
    if not name:
        return {"position": position}
    around = [s for s in ast.walk(tree) if isinstance(s, ast.stmt) and s.lineno <= span.line <= (s.end_lineno or 0)]
    statement = max(around, key=lambda s: s.lineno)
    return {"position": (statement.lineno, 0, statement.end_lineno, 0), "name": name}


def rows(plan: Json, model: Json, known: dict[str, Json], again: bool) -> Iterator[Json]:
    job = {"library": plan["library"], "namespace": plan["namespace"], "model": model}
    bench = Bench(Request(model["source"], build=model["build"], input=model["input"], dry_run=True, limits=LIMITS))
    judge = Judge(job)
    about = {"library": plan["library"], "source": model["source"], "model_file": model["file"]}
    try:
        subject = bench.ready()[1]
        for cell in places(model["source"], subject.trace):
            if again or cell["key"] not in known:
                bench.request = Request(**{**vars(bench.request), "operation": cell["operation"]})
                yield about | cell | Making(bench, judge, {**cell, "list": False}, "").row()
    except CodegenError as error:
        yield about | {"key": model["source"], "outcome": "refused", "reason": error.name, "detail": error.message}
    finally:
        bench.stop()
        judge.stop()


def table(library: str, found: dict[str, Json], models: int) -> str:
    cells = [row for row in found.values() if "site" in row]
    lines = [f"# Places between modules in {library}", "", "`codegen insert --module se` at every sum of maps or tokens,"]
    lines += ["position embedding and pooling that `codegen sites` names, for all objects of the class; compared with the"]
    lines += ["oracle."]
    lines += [f"Made by `python tests/coverage/points.py {library}`.", ""]
    lines += [f"| | cells | {' | '.join(OUTCOMES)} |", f"|---|---:|{'---:|' * len(OUTCOMES)}"]
    for kind in ("", *("@residual", "@position", "@pool"), "one call of several"):
        of_kind = [r for r in cells if r["site"].startswith(kind) or " " in kind and selection.is_call(r["site"])]
        counts = Counter(row["outcome"] for row in of_kind)
        lines.append(f"| {kind or 'all'} | {len(of_kind)} | {' | '.join(str(counts[o]) for o in OUTCOMES)} |")
    lines += ["", f"Models: {len({row['source'] for row in found.values()})} of {models}.", "", "## Not passed", ""]
    lines += [
        f"- `{row['key']}`: {row['outcome']}, {row['reason']}: {row['detail'][:300]}"
        for row in found.values()
        if row["outcome"] != "passed"
    ]
    return "\n".join(lines) + "\n"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("library", choices=["timm", "torchvision"])
    parser.add_argument("--only", default="", metavar="SUBSTRING", help="models whose name contains this")
    parser.add_argument("--again", action="store_true", help="run cells that have a row already")
    parser.add_argument("--table-only", action="store_true", help="run nothing")
    chosen, console = parser.parse_args(), Console(stderr=True)
    plan, path = planned(chosen.library, False, "after"), ROWS / f"{chosen.library}.points.jsonl"
    known = read_rows(path)
    models = sorted(plan["models"], key=lambda m: m.get("parameters") or 0)
    with path.open("a", encoding="utf-8") as file, tempfile.TemporaryDirectory():
        for model in [] if chosen.table_only else [m for m in models if chosen.only in m["source"]]:
            for row in rows(plan, model, known, chosen.again):
                known[row["key"]] = row
                print(json.dumps(row), file=file, flush=True)
                console.print(f"{row['outcome']:8} {row['key']}  {row['reason']}", highlight=False, soft_wrap=True)
    (HERE / f"{chosen.library}.points.md").write_text(table(chosen.library, known, len(models)), encoding="utf-8")
    return int(any(row["outcome"] in ("wrong", "crashed") for row in known.values()))


if __name__ == "__main__":
    sys.exit(main())
