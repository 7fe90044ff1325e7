"""One of several results: `--output-index` and `--output-key` say which tensor of a tuple, a dict or a dataclass is meant."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from conftest import Run

from codegen.worker.tracer import first_tensor, preferring, tracing

NET = '''
from dataclasses import dataclass

import torch
from torch import nn


@dataclass
class Features:
    low: torch.Tensor
    high: torch.Tensor


class Encoder(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.stem = nn.Conv2d(3, width, 3, 2, 1)
        self.stage = nn.Conv2d(width, 2 * width, 3, 2, 1)

    def forward(self, x):
        low = self.stem(x)
        return Features(low=low, high=self.stage(low))


class Net(nn.Module):
    def __init__(self, width=8):
        super().__init__()
        self.encoder = Encoder(width)
        self.second = Encoder(width)
        self.head = nn.Linear(5 * width, 4)

    def forward(self, x):
        found = self.encoder(x)
        again = self.second(x).high
        parts = [found.low, found.high, again]
        return self.head(torch.cat([part.mean((2, 3)) for part in parts], dim=1))
'''
HOW = ("--input", "1x3x16x16", "-o", "out.py")


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (("--after", "encoder"), "        found.low = self.se(found.low)\n"),
        (("--after", "encoder", "--output-key", "high"), "        found.high = self.se(found.high)\n"),
        (("--after", "second", "--output-key", "high"), "        again = self.se(again)\n"),
    ],
)
@pytest.mark.slow
def test_the_field_of_a_dataclass(tmp_path: Path, codegen: Run, words: tuple[str, ...], line: str) -> None:
    (tmp_path / "net.py").write_text(NET, encoding="utf-8")
    done = codegen("insert", "net.py", "--module", "se", *words, *HOW, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert line in (tmp_path / "out.py").read_text(encoding="utf-8")


@pytest.mark.slow
def test_verify_and_undo_know_which_result_is_meant(tmp_path: Path, codegen: Run) -> None:
    (tmp_path / "net.py").write_text(NET, encoding="utf-8")
    words = ("--after", "encoder", "--output-key", "high")
    assert codegen("insert", "net.py", "--module", "se", *words, *HOW, cwd=tmp_path).returncode == 0
    assert codegen("verify", "out.py", cwd=tmp_path).returncode == 0
    assert codegen("remove", "out.py", "--name", "se", "-o", "back.py", cwd=tmp_path).returncode == 0
    assert (tmp_path / "back.py").read_text(encoding="utf-8") == NET


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (("--after", "encoder", "--output-key", "middle"), b"error[unknown-element]: encoder returns a dataclass"),
        (("--after", "head", "--output-index", "1"), b"error[unknown-element]: head returns a tensor"),
        (("--before", "head", "--output-index", "1"), b"error[usage]"),
        (("--after", "head", "--output-index", "1", "--output-key", "a"), b"error[usage]"),
    ],
)
@pytest.mark.slow
def test_what_is_not_there(tmp_path: Path, codegen: Run, words: tuple[str, ...], error: bytes) -> None:
    (tmp_path / "net.py").write_text(NET, encoding="utf-8")
    done = codegen("insert", "net.py", "--module", "se", *words, *HOW, cwd=tmp_path)
    assert done.returncode == 2 and error in done.stderr and b"hint: " in done.stderr


UNUSED = NET.replace("Features(low=low, high=self.stage(low))", "low * 2, self.stage(low)")
UNUSED = UNUSED.replace("found.low, found.high, again", "found[1]").replace("(x).high", "(x)[1]").replace("5 * w", "2 * w")


@pytest.mark.slow
def test_a_result_that_the_model_goes_on_without(tmp_path: Path, codegen: Run) -> None:
    (tmp_path / "net.py").write_text(UNUSED, encoding="utf-8")
    words = ["insert", "net.py", "--module", "se", "--after", "encoder", *HOW]
    done = codegen(*words, "--output-index", "0", cwd=tmp_path)
    assert done.returncode == 3 and b"gets no gradient" in done.stderr and b"--output-index names another" in done.stderr
    again = codegen("insert", "net.py", "--module", "se", "--after", "encoder", "--output-index", "1", *HOW, cwd=tmp_path)
    assert again.returncode == 0, again.stderr


def test_the_preferred_result() -> None:
    x, y, count = torch.zeros(1), torch.zeros(2), torch.zeros(3, dtype=torch.int64)
    assert first_tensor((count, x, y))[0] == "1"
    assert first_tensor((count, x, y), "2")[0] == "2"
    assert first_tensor((count, x, y), "0")[0] == "1"  # no floating one
    assert first_tensor({"a": x, "b": y}, "b")[0] == "b"
    assert first_tensor({"a": x, "b": y}, "c")[0] == "a"


def test_it_is_preferred_while_it_is_asked_for() -> None:
    class Pair(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            return x, 2 * x

    model = torch.nn.Sequential(Pair())
    found = []
    for element in ("1", ""):
        with preferring(element), tracing(model) as recording:
            model(torch.zeros(1))
        found.append(recording.events[0].output_index)
    assert found == ["1", "0"]
