"""The rows of a store as a file: CSV, JSON Lines, Parquet or Markdown, by its suffix."""

from __future__ import annotations

import csv
import importlib
import importlib.util
import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from codegen import emit
from codegen.errors import CodegenError
from codegen.sweeps.rows import Row
from codegen.sweeps.store import Contents

Value = str | int | float | None
TEXTS = ("source", "module", "arguments", "operation", "site", "status", "error", "message", "hint", "output", "command")
COSTS = ("flops", "memory", "latency")
SHOWN = ("source", "module", "arguments", "operation", "site", "status", "parameters_added", "parameters_ratio", "drift")


def columns(row: Row) -> dict[str, Value]:
    """A row as plain columns. Of each cost: the base's, the variant's, their difference and their ratio."""
    found: dict[str, Value] = {"number": row.number, **{name: getattr(row, name) for name in TEXTS}}
    found |= _parameters(row)
    found["drift"] = row.drift
    for cost in COSTS:
        found |= _pair(cost, getattr(row.costs, cost))
    low, median, high = row.costs.ratio or (None, None, None)
    found |= {"latency_ratio_low": low, "latency_ratio": median, "latency_ratio_high": high}  # of paired runs
    return {**found, "export": row.costs.export, "seconds": row.seconds, "key": row.key}


def _parameters(row: Row) -> dict[str, Value]:
    """Of a replaced module what is known is how many it had: of the whole model only the difference."""
    if row.parameters is None or row.new_parameters is None:
        return _pair("parameters", None)
    if row.operation == "replace":
        return _pair("parameters", None) | {"parameters_added": row.new_parameters - row.parameters}
    return _pair("parameters", (row.parameters, row.parameters + row.new_parameters))


def _pair(name: str, pair: tuple[float, float] | None) -> dict[str, Value]:
    base, variant = pair or (None, None)
    known = base is not None and variant is not None
    added = variant - base if base is not None and variant is not None else None
    ratio = variant / base if known and base and variant is not None else None
    return {f"base_{name}": base, name: variant, f"{name}_added": added, f"{name}_ratio": ratio}


def demand_known(path: Path) -> None:
    """Refuse, before anything is made, a suffix that means nothing, and a format whose package is missing."""
    if path.suffix not in FORMATS:
        what = f"--export {path.name}: the suffix is none of {', '.join(FORMATS)}"
        raise CodegenError("usage", what, "for example --export rows.csv")
    if path.suffix == ".parquet" and importlib.util.find_spec("pyarrow") is None:
        raise CodegenError("missing-package", "--export to .parquet needs pyarrow", "pip install pyarrow, or export to .csv")


def write(contents: Contents, path: Path) -> None:
    """Write all rows. Raises what `demand_known` and `emit.write` raise."""
    demand_known(path)
    emit.write(path, FORMATS[path.suffix]([columns(row) for row in contents.rows]))


def _csv(rows: list[dict[str, Value]]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, [*_empty()], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def _jsonl(rows: list[dict[str, Value]]) -> bytes:
    return "".join(f"{json.dumps(row, ensure_ascii=False)}\n" for row in rows).encode()


def _parquet(rows: list[dict[str, Value]]) -> bytes:
    pyarrow: Any = importlib.import_module("pyarrow")
    parquet: Any = importlib.import_module("pyarrow.parquet")
    kinds = {name: _kind(name) for name in _empty()}
    types = {str: pyarrow.string(), int: pyarrow.int64(), float: pyarrow.float64()}
    schema = pyarrow.schema([(name, types[kind]) for name, kind in kinds.items()])
    sink = pyarrow.BufferOutputStream()
    parquet.write_table(pyarrow.Table.from_pylist(rows, schema=schema), sink)
    return bytes(sink.getvalue())


def _kind(name: str) -> type:
    if name in (*TEXTS, "export", "key"):
        return str
    whole = name in ("number",) or any(part in name for part in ("parameters", "flops", "memory")) and "ratio" not in name
    return int if whole else float


def _markdown(rows: list[dict[str, Value]]) -> bytes:
    """A table for people: what was made where, what became of it and what it costs. Columns without a value are left out."""
    ratios = tuple(f"{cost}_ratio" for cost in COSTS)
    shown = [name for name in (*SHOWN, *ratios, "export") if any(row[name] not in (None, "") for row in rows)]
    lines = [f"| {' | '.join(name.replace('_', ' ') for name in shown)} |", f"|{'---|' * len(shown)}"]
    lines += [f"| {' | '.join(_cell(name, row) for name in shown)} |" for row in rows]
    return "".join(f"{line}\n" for line in lines).encode()


def _cell(name: str, row: dict[str, Value]) -> str:
    value = row[name]
    if name == "status" and row["error"]:
        value = f"{value}: {row['error']}"
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.3f}" if name.endswith("ratio") else f"{value:.2g}"
    text = f"{value:,}" if isinstance(value, int) else value
    return f"`{text}`" if name in ("module", "site") and "|" not in text else text.replace("|", "\\|")


def _empty() -> Iterator[str]:
    """The names of all columns."""
    nothing = Row("", 0, source="", operation="", site="", module="", arguments="", command="", status="")
    return iter(columns(nothing))


FORMATS: dict[str, Callable[[list[dict[str, Any]]], bytes]] = {
    ".csv": _csv,
    ".jsonl": _jsonl,
    ".parquet": _parquet,
    ".md": _markdown,
}
