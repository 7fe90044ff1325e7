"""Beside a layer of a class that inherits torch's nn.Sequential.forward, and in elements of such classes."""

from __future__ import annotations

import textwrap
from dataclasses import replace
from pathlib import Path

import pytest
from conftest import Run
from small_host import held

from codegen import elements, rewrite, syntax
from codegen.construct import Named
from codegen.errors import CodegenError
from codegen.inlining import Running
from codegen.ops import insert, ordered
from codegen.traced import Call, Chosen, HostClass, Layout, Span, Trace, TracedModule, Width
from codegen.types import Component, Request, Site

CLASS = """\
class Stack(nn.Sequential):
    def __init__(self, dim):
        super().__init__(nn.Conv2d(dim, dim, 1), nn.ReLU())

    def fuse(self):
        return self
"""
HOST = HostClass("Stack", "net.py", 1, ("stem",), indexed=True)
LAYER = TracedModule("stem.1", "ReLU", 1, (2, 8, 4, 4), (2, 8, 4, 4))
SITE = Site("1", "1", HOST, LAYER, Layout("NCHW"), Width("dim", 8, "name"), ordered=True)
SE = held("se")


def made(site: Site = SITE, combine: str = "add", running: Running = ("self.se(x)",), named: Named = SE) -> str:
    """The forward that the class gets."""
    code = syntax.Code(CLASS, "net.py")
    cls = syntax.find_class(code, "Stack")
    assert cls is not None
    text = rewrite.apply(CLASS, ordered.plan(insert.Place(code, cls, site, named, running, False, combine)))
    head, foot = CLASS.split("\n    def fuse")
    assert text.startswith(head) and text.endswith(f"\n    def fuse{foot}")
    return textwrap.dedent(text[len(head) : -len(foot) - len("\n    def fuse")]).strip("\n")


def test_the_layer_runs_with_the_module_beside_it_and_all_others_as_ever() -> None:
    assert made() == textwrap.dedent("""\
        def forward(self, x):
            for module in self:
                if module is self[1]:
                    x = module(x) + self.se(x)
                elif module is not self.se:
                    x = module(x)
            return x""")


def test_a_layer_that_changes_what_it_gets_runs_behind_the_module() -> None:
    in_place = replace(SITE, module=replace(LAYER, in_place=True))
    assert "x = self.se(x.clone()) + module(x)" in made(in_place)
    assert "x = self.se(x.clone(), module(x))" in made(in_place, "gate")


def test_objects_that_lack_the_layer_run_as_they_did() -> None:
    lines = made(replace(SITE, everywhere=False)).split("\n")
    assert lines[1:3] == ["    for name, module in self._modules.items():", '        if name == "1":']
    assert lines[4] == '        elif name != "se":'


def test_some_objects_only_hold_a_class_that_joins() -> None:
    chosen = replace(SITE, chosen=Chosen(("stem.1",), "stem.1"))
    assert "x = self.se(x, module(x))" in made(chosen)


def test_two_modules_on_what_the_layer_gets() -> None:
    named = tuple((name, Component(name, name.upper(), "M(dim)")) for name in ("se", "eca"))
    text = made(running=("self.se(x) + self.eca(x)",), named=named)
    assert "x = module(x) + (self.se(x) + self.eca(x))" in text or "x = module(x) + self.se(x) + self.eca(x)" in text
    assert "elif module not in (self.se, self.eca):" in text


def test_beside_all_layers() -> None:
    whole = replace(SITE, attribute="", whole=True, chosen=Chosen(("stem",), "stem"))
    assert made(whole) == textwrap.dedent("""\
        def forward(self, x):
            x_in = x
            for module in self:
                if module is not self.se:
                    x = module(x)
            return self.se(x_in, x)""")


def test_a_layer_that_returns_more_than_a_tensor_is_refused() -> None:
    with pytest.raises(CodegenError, match="returns a tuple"):
        made(replace(SITE, module=replace(LAYER, output_kind="tuple")))


TORCHS = Call("stem.1", "stem", "torch/nn/modules/container.py", "Sequential.forward", Span(1, 0, 1, 1), True, "forward", 1)


def trace(*calls: Call) -> Trace:
    modules = (TracedModule("", "Net", 1), replace(LAYER, name="stem"), LAYER)
    return Trace("Net()", "1x3x8x8", (HostClass("Net", "net.py", 9, ("",)), HOST), modules, calls, ("forward",))


def test_who_runs_the_layers() -> None:
    own = replace(TORCHS, file="net.py", method="Stack.pairs")
    assert elements.ordered(trace(TORCHS), SITE)
    assert not elements.ordered(trace(TORCHS, own), SITE)
    assert not elements.ordered(trace(), SITE)


def test_elements_that_nn_sequential_runs_take_one_more_layer() -> None:
    meant = [replace(LAYER, name="stem")]
    assert elements.takes_layer(trace(TORCHS), Request("net.py", "before"), meant)
    assert not elements.takes_layer(trace(TORCHS), Request("net.py", "beside"), meant)
    assert not elements.takes_layer(trace(), Request("net.py", "before"), meant)


FILE = """\
import torch
from torch import nn


class Stack(nn.Sequential):
    def __init__(self, dim):
        super().__init__(nn.Conv2d(dim, dim, 1), nn.BatchNorm2d(dim), nn.ReLU())


class Net(nn.Module):
    def __init__(self, width=16):
        super().__init__()
        self.stem = nn.Conv2d(3, width, 4, 4)
        self.stages = nn.ModuleList([Stack(width) for _ in range(3)])

    def forward(self, x):
        x = self.stem(x)
        for stage in self.stages:
            x = stage(x)
        return x
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("place", "line"),
    [
        ("--before stages.1 --check script", "        place_se(self.stages[1])\n"),
        ("--beside stages.1", "        return self.se(x_in, x)\n"),
        ("--beside stages.*.1 --check script", "                x = module(x) + self.se(x)\n"),
        ("--combine gate --beside stages.1.1", "                x = self.se(x, module(x))\n"),
    ],
)
def test_it_is_proved_and_taken_out_again(codegen: Run, tmp_path: Path, place: str, line: str) -> None:
    (tmp_path / "net.py").write_text(FILE, encoding="utf-8")
    done = codegen("insert", "net.py", "--input", "1x3x32x32", "--module", "se", *place.split(), "-o", "out.py", cwd=tmp_path)
    assert done.returncode == 0 and (b"passed   script" in done.stdout) == ("script" in place), done.stderr
    assert line in (tmp_path / "out.py").read_text(encoding="utf-8")
    assert codegen("remove", "out.py", "--name", "se", "-o", "back.py", cwd=tmp_path).returncode == 0
    assert (tmp_path / "back.py").read_text(encoding="utf-8") == FILE


@pytest.mark.slow
def test_objects_that_lack_the_layer_hold_a_place_at_their_end(codegen: Run, tmp_path: Path) -> None:
    text = FILE.replace("(self, dim):", "(self, dim, act=True):")
    text = text.replace(", nn.ReLU())", ")\n        if act:\n            self.append(nn.ReLU())")
    text = text.replace("Stack(width) for _ in range(3)", "Stack(width, act=i > 0) for i in range(3)")
    (tmp_path / "net.py").write_text(text, encoding="utf-8")
    command = ("insert", "net.py", "--input", "1x3x32x32", "--module", "se", "--after", "stages.1.2", "-o", "out.py")
    done = codegen(*command, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert '        if "2" in self._modules:\n            place_se(self)\n' in (tmp_path / "out.py").read_text(encoding="utf-8")
