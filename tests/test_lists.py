"""Layers of torch's in lists of torch's: which calls of the list's owner are edited, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import Run

FILE = """\
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self, dim=16):
        super().__init__()
        self.stem = nn.Conv2d(3, dim, 4, 4)
        self.convs = nn.ModuleList([nn.Conv2d(dim, dim, 3, padding=1), nn.BatchNorm2d(dim), nn.ReLU()])
        self.stages = nn.ModuleDict({"low": nn.Sequential(nn.Conv2d(dim, dim, 1), nn.GELU())})
        self.body = nn.Sequential(nn.Sequential(nn.Conv2d(dim, dim, 1), nn.GELU()), nn.ReLU())

    def forward(self, x):
        x = self.stem(x)
        if torch.jit.is_scripting():
            for conv in self.convs:
                x = conv(x)
            return x
        for conv in self.convs:
            x = conv(x)
        for name in self.stages:
            x = self.stages[name](x)
        return self.body(x)
"""


@pytest.fixture
def net(tmp_path: Path) -> Path:
    (tmp_path / "net.py").write_text(FILE, encoding="utf-8")
    return tmp_path


@pytest.mark.slow
def test_the_loops_that_no_run_reaches_are_edited_too(codegen: Run, net: Path) -> None:
    done = codegen("insert", "net.py", "--input", "1x3x32x32", "--module", "se", "--after", "convs.1", "-o", "out.py", cwd=net)
    assert done.returncode == 0, done.stderr.decode()
    text = (net / "out.py").read_text(encoding="utf-8")
    assert text.count("if conv is self.convs[1]:") == 2 and "self.se = SqueezeExcite(dim)" in text


@pytest.mark.slow
@pytest.mark.parametrize(
    ("site", "line"),
    [
        ("stages.low.0", 'self.stages["low"].se = SqueezeExcite('),  # its run is one of several in a loop
        ("convs.*", "self.se3 = SqueezeExcite("),  # an edit of each
    ],
)
def test_what_one_edit_of_the_loop_does_not_reach_is_reached_otherwise(codegen: Run, net: Path, site: str, line: str) -> None:
    done = codegen("insert", "net.py", "--input", "1x3x32x32", "--module", "se", "--after", site, "-o", "out.py", cwd=net)
    assert done.returncode == 0, done.stderr.decode()
    assert line in (net / "out.py").read_text(encoding="utf-8")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("site", "message"),
    [
        ("--beside=body.0.0", "an element of body.0, which body runs"),
    ],
)
def test_what_no_edit_reaches_is_refused_with_the_reason(codegen: Run, net: Path, site: str, message: str) -> None:
    done = codegen("insert", "net.py", "--input", "1x3x32x32", "--module", "se", site, cwd=net)
    assert done.returncode == 2 and message in done.stderr.decode(), done.stderr.decode()


@pytest.mark.slow
def test_a_layer_of_a_list_that_another_list_runs(codegen: Run, net: Path) -> None:
    done = codegen("insert", "net.py", "--input", "1x3x32x32", "--module", "se", "--after", "body.0.0", "-o", "out.py", cwd=net)
    assert done.returncode == 0, done.stderr.decode()
    text = (net / "out.py").read_text(encoding="utf-8")
    assert "self.body[0].se = SqueezeExcite(dim)\n        place_se(self.body[0])\n" in text and "right behind `0`" in text


BY_INDEX = """\
from torch import nn
from torch.utils.checkpoint import checkpoint


class Net(nn.Module):
    def __init__(self, dim=16):
        super().__init__()
        self.convs = nn.ModuleList([nn.Conv2d(dim if i else 3, dim, 3, padding=1) for i in range(3)])

    def forward(self, x):
        x = self.convs[0](x)
        x = checkpoint(self.convs[1], x, use_reentrant=False)
        return self.convs[2](x)
"""


@pytest.mark.slow
def test_elements_that_are_run_by_their_positions(codegen: Run, tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text(BY_INDEX, encoding="utf-8")
    command = ("insert", "net.py", "--input", "1x3x32x32", "--module", "se", "--beside", "convs.1:", "-o", "out.py")
    done = codegen(*command, cwd=tmp_path)
    assert done.returncode == 0, done.stderr.decode()
    text = (tmp_path / "out.py").read_text(encoding="utf-8")
    assert "x = checkpoint(self.convs[1], x, use_reentrant=False) + self.se(x)\n" in text
    assert "return self.convs[2](x) + self.se2(x)\n" in text
