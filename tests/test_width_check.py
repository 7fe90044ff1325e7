"""The check of the width expressions: which other models it takes, what it counts. `tests/coverage/widths.py` runs it."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

COVERAGE = Path(__file__).resolve().parent / "coverage"
ROW = {"key": "net", "file": "net", "model": "net_small", "class": "net.Net", "error": ""}


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Any:
    """script("widths"): a script of tests/coverage as a module."""

    def load(name: str) -> ModuleType:
        monkeypatch.syspath_prepend(str(COVERAGE))
        spec = importlib.util.spec_from_file_location(f"coverage_{name}", COVERAGE / f"{name}.py")
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        monkeypatch.setitem(sys.modules, spec.name, module)
        spec.loader.exec_module(module)
        return module

    return load


def site(name: str, expr: str, kind: str = "name", at: int = 8) -> dict[str, Any]:
    return {"site": name, "outgoing": True, "layout": "NCHW", "expr": expr, "kind": kind, "at": at}


def other(model: str, *results: dict[str, Any]) -> dict[str, Any]:
    return {"key": f"net {model}", "file": "net", "of": "net_small", "model": model, "results": list(results)}


def test_other_models_of_the_class_are_spread_over_the_sizes(script: Any) -> None:
    known = {f"net_{n}": {"model": f"net_{n}", "class": "net.Net", "parameters": n // 2} for n in range(20)}
    known["foreign"] = {"model": "foreign", "class": "net.Other", "parameters": 99}
    known["broken"] = {"model": "broken", "error": "RuntimeError"}
    row = {**ROW, "model": "net_0"}
    others = script("widths").others
    assert others(row, known, 100) == ["net_1", *(f"net_{n}" for n in range(2, 20, 2))]  # one of each size
    assert others(row, known, 3) == ["net_1", "net_8", "net_18"]
    assert others(row, known, 1) == ["net_1"]


def test_the_table_counts_and_names_what_is_wrong(script: Any) -> None:
    stem, head, norm = site("stem", "dim"), site("head", "stride"), site("norm", "8", "literal")
    rows = [
        {**ROW, "sites": [stem, head, norm]},
        other(
            "net_large",
            {**stem, "value": 16, "expected": [16], "note": ""},
            {**head, "value": 32, "expected": [16], "note": ""},
            {**norm, "value": 8, "expected": [16], "note": ""},
        ),
        other("net_tokens", {**stem, "value": 16, "expected": [], "note": "another layout"}),
        {"key": "net net_huge", "file": "net", "of": "net_small", "model": "net_huge", "error": "not done in 9 s"},
    ]
    page, wrong = script("width_table").table(rows, [{"model": "net_odd", "error": "ValueError: no"}])
    assert wrong == 1
    assert "| net | net_small | 3 | 2 | 2 | 2 | 2 | 1 | 1 | 1 |" in page
    assert "Symbolic: 66.7 % of 3 widths. Wrong: 1 of 2 comparisons of expressions." in page
    for line in (
        "- `net_large` after `head` (NCHW): `stride` is 32, measured 16",
        "- `net_large` after `norm` (NCHW): `8` is 8, measured 16",
        "- `net_small` after `norm` (NCHW): 8\n",
        "- `net_tokens` after `stem` (NCHW): another layout",
        "- `net_huge`: not done in 9 s",
        "- `net_odd`: ValueError: no",
    ):
        assert line in page


def test_without_rows_there_is_an_empty_table(script: Any) -> None:
    page, wrong = script("width_table").table([], [])
    assert wrong == 0 and "Symbolic: none of 0 widths." in page
