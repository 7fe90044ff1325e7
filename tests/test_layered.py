"""When the module becomes a layer of an nn.Sequential of torch's, and when the code that runs the list is edited as ever."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from conftest import Run
from torch import nn

from codegen import elements, ordering
from codegen.elements import Edited
from codegen.traced import Call, Chosen, HostClass, Layout, Span, Trace, TracedModule, Width
from codegen.types import Request, Site

HOST = HostClass("Net", "net.py", 1, ("",))
SPAN = Span(1, 0, 1, 1)


def module(name: str, kind: str = "Sequential") -> TracedModule:
    return TracedModule(name, kind, 1)


MODULES = (
    module("", "Net"),
    module("stem"),
    module("stem.0", "Conv2d"),
    module("stem.1", "BatchNorm2d"),
    module("stages"),
    module("stages.0"),
    module("stages.0.0"),
    module("stages.0.0.0", "Conv2d"),
    module("stages.1"),
    module("stages.1.0"),
    module("stages.1.0.0", "Conv2d"),
    module("mixed", "ModuleList"),
    module("mixed.0"),
    module("mixed.1", "Conv2d"),
)
RUN = Call("stages", "", "net.py", "Net.forward", SPAN, True, "forward", 1)
INNER = Call("stages.0", "stages", "container.py", "Sequential.forward", SPAN, True, "forward", 1)
TRACE = Trace("Net()", "1x3x8x8", (HOST,), MODULES, (RUN, INNER), ("forward",))


def layer(*names: str, trace: Trace = TRACE, operation: str = "after") -> str | None:
    meant = [m for m in trace.modules if m.name in names]
    return elements.layer(trace, Request("net.py", operation), meant)


def test_several_elements_of_one_list() -> None:
    assert layer("stages.0", "stages.1") == ""
    assert layer("stages.0", "stages.1", operation="before") == ""
    assert layer("stages.0", "stages.1", operation="beside") is None
    assert layer("mixed.0", "mixed.1") is None  # one of them is no list


def test_one_element_is_parted_from_the_others_where_the_model_runs_the_list() -> None:
    assert layer("stages.0") is None


def test_a_part_of_a_list_is_parted_where_nothing_else_serves() -> None:
    site = Site("stages.1", "stages.1", HOST, MODULES[8], Layout("NCHW"), Width("8", 8, "literal"))
    part = Call("stages.1", "", "net.py", "Net.forward", SPAN, False, "forward", 1)  # self.stages[1:](x), or checkpoint(...)
    assert elements.is_parted(TRACE, site, Edited.USUAL)
    trace = replace(TRACE, calls=(part,))
    assert not elements.is_parted(trace, site, Edited.USUAL) and elements.is_parted(trace, site, Edited.PART)
    assert not elements.is_parted(replace(TRACE, calls=(replace(part, direct=True),)), site, Edited.PART)


def test_one_element_of_a_list_that_another_list_runs() -> None:
    assert layer("stages.0.0") == ""


def test_one_element_of_a_list_that_a_feature_extractor_takes_apart() -> None:
    apart = replace(TRACE, taps=("stages.0", "stages.1"))
    assert layer("stages.0", trace=apart) == ""
    assert layer("stem.1", trace=apart) == "1"  # a layer beside it
    assert layer("mixed.1", trace=apart) is None  # its list is run by a loop
    assert layer("stages.0", trace=replace(apart, hooked=True)) is None
    assert layer("stages.0.0.0", trace=apart) is None


def test_a_list_that_returns_more_than_a_tensor_takes_no_further_layer() -> None:
    pairs = tuple(replace(m, output_kind="tuple") if m.name == "stages.1" else m for m in MODULES)
    assert layer("stages.0", "stages.1", trace=replace(TRACE, modules=pairs)) is None


def test_an_empty_list_has_no_layer_to_stand_behind() -> None:
    empty = tuple(m for m in MODULES if not m.name.startswith("stages.1."))
    assert layer("stages.0", "stages.1", trace=replace(TRACE, modules=empty)) is None


def test_lists_whose_first_layers_have_unlike_names() -> None:
    width, names = Width("8", 8, "literal"), ("stages", "stages.0", "stages.0.conv", "stages.1", "stages.1.0")
    site = Site("stages.*", "", HOST, MODULES[2], Layout("NCHW"), width, chosen=Chosen(("stages.0", "stages.1"), "stages.*"))
    _, text = ordering.first_layer(replace(site, names=names), ["se"])
    made: dict[str, Any] = {"nn": nn}
    exec(text, made)
    for first in ("conv", "0"):
        host = nn.Module()
        for name in (first, "norm", "se"):
            host.add_module(name, nn.Identity())
        made["place_se"](host)
        assert list(host._modules) == ["se", first, "norm"]
    with_one = replace(site, names=names, chosen=Chosen(("stages.0",), "stages.0"))
    assert ordering.first_layer(with_one, ["se"])[0] == "place_se(self)"


FILE = """\
from torch import nn


class Net(nn.Module):
    def __init__(self, width=16):
        super().__init__()
        self.stem = nn.Conv2d(3, width, 4, 4)
        self.stages = nn.ModuleList([nn.Sequential(nn.Conv2d(width, width, 1), nn.ReLU()) for _ in range(2)])

    def forward(self, x):
        x = self.stem(x)
        for stage in self.stages:
            x = LAYERS
        return x
"""
HOW = ("--input", "1x3x32x32", "--module", "se", "--after", "stages.*", "-o", "out.py")


@pytest.mark.slow
@pytest.mark.parametrize("layers", ["stage[1](stage[0](x))", "stage[-1](stage[0](x))"])
def test_code_that_runs_their_layers_by_position_is_refused(codegen: Run, tmp_path: Path, layers: str) -> None:
    (tmp_path / "net.py").write_text(FILE.replace("LAYERS", layers), encoding="utf-8")
    done = codegen("insert", "net.py", *HOW, cwd=tmp_path)
    assert done.returncode == 3 and b"error[contract-failed]" in done.stderr, done.stderr
    assert not (tmp_path / "out.py").exists()


@pytest.mark.slow
def test_it_is_verified_and_taken_out_again(codegen: Run, tmp_path: Path) -> None:
    source = FILE.replace("LAYERS", "stage(x)")
    (tmp_path / "net.py").write_text(source, encoding="utf-8")
    assert codegen("insert", "net.py", *HOW, cwd=tmp_path).returncode == 0
    assert "for stage in self.stages:\n            stage.se = " in (tmp_path / "out.py").read_text(encoding="utf-8")
    assert codegen("verify", "out.py", cwd=tmp_path).returncode == 0
    assert codegen("remove", "out.py", "--name", "se", "-o", "back.py", cwd=tmp_path).returncode == 0
    assert (tmp_path / "back.py").read_text(encoding="utf-8") == source


UNLIKE = """\
from torch import nn


class Narrow(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.first, self.last = nn.Conv2d(width, 2 * width, 1), nn.Conv2d(2 * width, width, 1)

    def forward(self, x):
        return self.last(self.first(x))


class Wide(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.conv, self.act = nn.Conv2d(width, 3 * width, 1), nn.ReLU()

    def forward(self, x):
        return self.act(self.conv(x))


class Net(nn.Module):
    def __init__(self, width=16):
        super().__init__()
        self.stem = nn.Conv2d(3, width, 4, 4)
        self.stages = nn.Sequential(*[nn.Sequential(kind(width)) for kind in (Narrow, Wide)])

    def forward(self, x):
        return self.stages(self.stem(x))
"""


@pytest.mark.slow
def test_elements_of_several_classes_say_their_width_by_their_weights(codegen: Run, tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text(UNLIKE, encoding="utf-8")
    done = codegen("insert", "net.py", *HOW, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    text = (tmp_path / "out.py").read_text(encoding="utf-8")
    assert "            stage.se = SqueezeExcite([*stage.parameters()][-1].shape[0])\n" in text
