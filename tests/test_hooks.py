"""`--hook`: a forward hook of the site runs the module. In each operation, scripted, and in one of several edits."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from conftest import Run
from small_host import make_site

from codegen import construct

FILE = """\
import torch
from torch import nn


class Scaled(nn.Conv2d):
    def forward(self, x, scale=1.0):
        return super().forward(x) * scale


class Net(nn.Module):
    def __init__(self, width=16):
        super().__init__()
        self.stem = nn.Conv2d(3, width, 4, 4)
        self.body = nn.Conv2d(width, width, 3, padding=1)
        self.neck = Scaled(width, width, 1)

    def forward(self, x):
        return self.neck(torch.relu(self.body(torch.relu(self.stem(x)))), 0.5)
"""
SCRIPTED = FILE.replace("Scaled(width", "nn.Conv2d(width").replace(", 0.5)", ")")  # torch.jit knows no super()


def test_a_site_of_one_argument_gives_a_hook_that_scripts() -> None:
    site = make_site(single=True)
    line, text = construct.hooked(site, ["se"], "before", "")
    assert line == "self.register_forward_pre_hook(run_se)"
    assert "args: tuple[torch.Tensor]) -> torch.Tensor:" in text and "return site.se(args[0])\n" in text
    several = replace(site, module=replace(site.module, single=False))
    assert "return site.se(args[0]), *args[1:]\n" in construct.hooked(several, ["se"], "before", "")[1]


@pytest.mark.slow
@pytest.mark.parametrize("operation", ["--before body", "--after body", "--combine gate --beside body"])
def test_it_scripts(codegen: Run, tmp_path: Path, operation: str) -> None:
    (tmp_path / "net.py").write_text(SCRIPTED, encoding="utf-8")
    words = ("--input", "1x3x32x32", "--module", "se", *operation.split(), "--hook", "--check", "script", "--json")
    done = codegen("insert", "net.py", *words, "-o", "out.py", cwd=tmp_path)
    assert done.returncode == 0, done.stdout
    checks = {check["name"]: check["status"] for check in json.loads(done.stdout)["checks"]}
    assert checks["script"] == "passed"


@pytest.mark.slow
def test_further_arguments_of_the_site_stay(codegen: Run, tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text(FILE, encoding="utf-8")
    words = ("--input", "1x3x32x32", "--module", "se", "--before", "neck", "--hook", "-o", "out.py")
    assert codegen("insert", "net.py", *words, cwd=tmp_path).returncode == 0
    assert "return site.se(args[0]), *args[1:]\n" in (tmp_path / "out.py").read_text(encoding="utf-8")


@pytest.mark.slow
def test_each_of_several_edits_says_whether_it_is_a_hook(codegen: Run, tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text(FILE, encoding="utf-8")
    edits = ("before body: se --hook", "after stem: eca", "beside body: eca --hook --combine gate")
    words = [word for edit in edits for word in ("--edit", edit)]
    done = codegen("insert", "net.py", "--input", "1x3x32x32", *words, "-o", "out.py", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    text = (tmp_path / "out.py").read_text(encoding="utf-8")
    assert "self.body.register_forward_pre_hook(run_se)" in text and "self.body.register_forward_hook(run_eca2)" in text
    assert "self.eca(self.stem(x))" in text and "run_eca(" not in text
    assert codegen("verify", "out.py", cwd=tmp_path).returncode == 0
    refused = codegen("insert", "net.py", "--hook", *words, cwd=tmp_path)
    assert refused.returncode == 2 and b'"after SITE: M --hook ..."' in refused.stderr
