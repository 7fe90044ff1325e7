"""`codegen bench`: base and variants in one run; what is said of a ratio; what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from conftest import Run

import codegen
from codegen.comparing import SAME, Bench, Measured, Way
from codegen.errors import CodegenError
from codegen.types import Report

NET = """import torch.nn as nn


class Net(nn.Module):
    def __init__(self, dim=8):
        super().__init__()
        self.stem = nn.Conv2d(3, dim, 3, padding=1)
        self.head = nn.Linear(dim, 10)

    def forward(self, x):
        return self.head(self.stem(x).mean((2, 3)))
"""
WAY = ["device", "compiled", "train", "batch", "runs", "threads"]
KEYS = ["source", "input", *WAY, "memory_batch", "base", "control", "variants", "notes"]
MODEL = ["file", "build", "parameters", "flops", "memory", "seconds", "ratio", "reasons"]


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Report:
    """net.py and generated/net_se.py in the working directory, made without a run."""
    monkeypatch.chdir(tmp_path)
    Path("net.py").write_text(NET)
    return codegen.insert("net.py", module="se", after="stem", static=True, input="1x3x16x16")


def bench(ratio: tuple[float, float, float] | None, control: tuple[float, float, float] | None) -> str:
    base = Measured("", "Net()", 1, 1, 1, (1.0, 1.0, 1.0), (1.0, 1.0, 1.0))
    variant = Measured("a.py", "Net()", 1, 1, 1, ratio, ratio)
    return Bench("net.py", "", Way(), 1, 2, base, control, (variant,)).verdict(variant)


def test_a_difference_is_one_that_lies_outside_what_chance_makes() -> None:
    quiet = (0.99, 1.0, 1.01)
    assert bench((0.98, 1.02, 1.05), quiet) == SAME
    assert bench((1.02, 1.04, 1.06), quiet) == "4.0 % slower" and bench((0.9, 0.95, 0.98), quiet) == "5.0 % faster"
    assert bench((1.02, 1.04, 1.06), (0.9, 1.0, 1.2)) == SAME  # a second base is as far away
    assert bench((2.0, 3.0, 4.0), quiet) == "takes 3.0 times as long"
    assert bench((1.02, 1.04, 1.06), None) == "4.0 % slower" and bench(None, quiet) == ""


@pytest.mark.slow
def test_what_is_printed(made: Report, codegen: Run, tmp_path: Path) -> None:
    found = codegen("bench", made.output, "--runs", "3", "--threads", "1", "--train", "--batch", "2", "--json", cwd=tmp_path)
    assert found.returncode == 0, found.stderr
    (one,) = json.loads(found.stdout)["benches"]
    assert [*one] == KEYS and [*one["base"]] == MODEL and [*one["variants"][0]] == [*MODEL, "verdict"]
    assert one["base"]["flops"] == 2 * (256 * 8 * 27 + 8 * 10)
    assert one["variants"][0]["parameters"] - one["base"]["parameters"] == 2 * 8 * 4 + 4 + 8
    found = codegen("bench", made.output, "--runs", "3", cwd=tmp_path)
    assert b"base: Net()" in found.stdout and b"the base again" in found.stdout and found.returncode == 0


def test_what_is_refused(made: Report) -> None:
    def name(*files: str, **options: object) -> str:
        with pytest.raises(CodegenError) as caught:
            codegen.bench(*files, **options)  # type: ignore[arg-type]
        assert caught.value.hint
        return caught.value.name

    assert name() == name(made.output, device="tpu") == name(made.output, runs=0) == "usage"
    assert name("net.py") == "no-recipe" and name("nowhere.py") == "unreadable-source"
    assert name(made.output, input="1x5x3x3") == "cannot-run"
