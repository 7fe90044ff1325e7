"""Where the cells are made: a stand-in, one after another in a warm child process."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from codegen import emit, records, variants, warm
from codegen.errors import CONTRACT, CodegenError
from codegen.sweeps.rows import Base, Cell, Row, Settings


@dataclass(frozen=True)
class Chosen:
    """Where."""

    name: str = "local"
    workers: int = 2
    scheduler: str = ""


def run(cells: Sequence[Cell], settings: Settings, chosen: Chosen, done: Callable[[Row | Base], None]) -> None:
    """Make all cells; `done` hears of each row as it ends."""
    worker, based = warm.Warm(), set[str]()
    try:
        for cell in cells:
            worker.serve(warm.family(cell.request.source))
            done(_row(cell, worker))
            if cell.request.source not in based:
                based.add(cell.request.source)
                done(Base(cell.request.source, "", {}))
    finally:
        worker.stop()


def _row(cell: Cell, worker: warm.Warm) -> Row:
    request, begun = cell.request, time.perf_counter()
    plain: dict[str, Any] = {name: getattr(request, name) for name in ("source", "operation", "site", "module")}
    plain |= {"key": cell.key, "number": cell.number, "arguments": cell.arguments}
    plain["command"] = emit.command(request, request.source)
    try:
        report = variants.run([request], worker.start)
    except CodegenError as error:
        status = "failed" if error.exit_code == CONTRACT else "refused"
        said: dict[str, Any] = {"error": error.name, "message": error.message, "hint": error.hint}
        return Row(**plain, **said, status=status, seconds=time.perf_counter() - begun)
    assert report.variant
    record = records.report_json(report) | {"text": report.variant.text, "encoding": report.variant.encoding}
    counts: dict[str, Any] = {"parameters": report.parameters, "new_parameters": report.new_parameters, "drift": report.drift}
    diff = "\n".join(records.unified(report.variant.base, report.variant.text, "variant.py"))
    return Row(**plain, **counts, status="passed", diff=diff, record=record, seconds=time.perf_counter() - begun)
