"""`codegen head --pool catavgmax`: twice the channels behind a pool, and the linear layers there made anew for them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
import torch
from conftest import Run, environment
from torch import nn

from codegen import heads, pools
from codegen.traced import HostClass, Layout, TracedModule, Width
from codegen.types import Request, Site
from codegen.worker import pooled
from codegen.worker.observing import observed


class Net(nn.Module):
    """A pool, and behind it the layers of each case."""

    def __init__(self, **behind: nn.Module) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.behind = nn.ModuleDict(behind)

    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        x = self.pool(self.conv(x))
        given = {True: x, False: x.flatten(1)}
        chain, results = given[False], []
        for name, module in self.behind.items():
            if name.startswith("chain"):
                chain = module(chain)
            else:
                results.append(module(given[isinstance(module, nn.Conv2d)]))
        return [*results, chain]


@pytest.mark.parametrize(
    ("behind", "found"),
    [
        ({"chain": nn.Linear(8, 5)}, ["chain"]),
        ({"chain1": nn.Dropout(), "chain2": nn.Linear(8, 16), "chain3": nn.Linear(16, 5)}, ["chain2"]),
        ({"a": nn.Linear(8, 5), "b": nn.Linear(8, 2), "c": nn.Conv2d(8, 3, 1)}, ["a", "b", "c"]),
        ({"chain1": nn.Linear(8, 8), "chain2": nn.Linear(8, 5)}, ["chain1"]),
        ({"chain1": nn.BatchNorm1d(8), "chain2": nn.Linear(8, 5)}, ["chain1"]),
        ({"chain1": nn.ReLU()}, []),
        ({}, []),
    ],
)
def test_what_takes_what_the_pool_gives(behind: dict[str, nn.Module], found: list[str]) -> None:
    net = Net(**behind).eval()
    events = observed(net, ((torch.zeros(2, 3, 6, 6),), {}), training=False)
    assert pooled.behind(net, events, "pool") == [f"behind.{name}" for name in found]


@pytest.mark.parametrize(
    ("module", "linear"),
    [
        (nn.Conv2d(8, 3, 1), True),
        (nn.Conv2d(8, 3, 1, padding=1), False),
        (nn.Conv2d(8, 8, 1, groups=2), False),
        (nn.Conv2d(8, 3, 3), False),
        (nn.LayerNorm(8), False),
    ],
)
def test_a_convolution_that_is_linear(module: nn.Module, linear: bool) -> None:
    assert pooled.is_linear(module) is linear


def test_it_is_the_average_and_behind_it_the_maximum() -> None:
    names: dict[str, Any] = {"nn": nn, "torch": torch}
    exec(pools.code(["CatAvgMaxPool2d"], factory=False), names)  # noqa: S102 - the text is ours
    x = torch.randn(2, 3, 5, 4)
    wanted = torch.cat([x.mean((2, 3)), x.amax((2, 3))], 1)
    assert torch.equal(names["CatAvgMaxPool2d"]()(x).flatten(1), wanted)
    timm = pytest.importorskip("timm.layers")
    assert torch.allclose(timm.SelectAdaptivePool2d(pool_type="catavgmax", flatten=True)(x), wanted)


def test_in_front_of_a_classifier_it_doubles_the_width() -> None:
    module = TracedModule("head", "Head", 1)
    site = Site("head", "", HostClass("Net", "net.py", 1, ("",)), module, Layout("NCHW"), Width("a + b", 8, "name"))
    request = Request("net.py", "replace", "head", "head", layers="CatAvgMaxPool2d, Flatten, Linear(10)")
    wanted = "nn.Sequential(CatAvgMaxPool2d(), nn.Flatten(), nn.Linear((a + b) * 2, 10))"
    assert heads.component(request, site).construct == wanted


MODEL = """
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self, width=16, num_classes=5):
        super().__init__()
        self.conv = nn.Conv2d(3, width, 3, padding=1)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(width, num_classes, bias=False)

    def forward(self, x):
        x = self.conv(x).relu()
        x = self.pool(x).flatten(1)
        return self.fc(x)
"""


@pytest.mark.slow
def test_a_plain_model_and_back(codegen: Run, tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text(MODEL)
    done = codegen("head", "net.py", "--site", "pool", "--pool", "catavgmax", "--input", "1x3x16x16", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr.decode()
    report = json.loads(done.stdout)
    text = (tmp_path / report["output"]).read_text()
    assert "        self.fc = nn.Linear(width * 2, num_classes, bias=False)\n" in text
    assert report["notes"] == ["fc takes twice the channels: 80 parameters of a base checkpoint do not fit, and are left out"]
    assert codegen("verify", report["output"], cwd=tmp_path).returncode == 0
    back = codegen("remove", report["output"], "--name", "pool", "-o", "back.py", cwd=tmp_path)
    assert back.returncode == 0 and (tmp_path / "back.py").read_text() == MODEL


@pytest.mark.slow
@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("flatten(1)", "view(-1, 16)", "the code may count on the old width behind the pool; --pool avgmax"),
        ("self.fc(x)", "x", "nothing behind pool has weights"),
    ],
)
def test_what_cannot_be_as_wide_is_refused_by_name(codegen: Run, tmp_path: Path, old: str, new: str, words: str) -> None:
    (tmp_path / "net.py").write_text(MODEL.replace(old, new))
    done = codegen("head", "net.py", "--site", "pool", "--pool", "catavgmax", "--input", "1x3x16x16", cwd=tmp_path)
    assert done.returncode == 2 and done.stderr.startswith(b"error[module-does-not-fit]")
    assert words in done.stderr.decode()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("source", "site", "lines"),
    [
        ("timm:resnet18", "global_pool", ['if global_pool == "avg":', "self.head_hidden_size = "]),
        ("timm:densenet121", "global_pool", ['if self.global_pool.pool_type == "avg":']),
        ("timm:mobilenetv3_small_050", "global_pool", ["self.conv_head = nn.Conv2d(num_pooled_chs * 2, "]),
        ("torchvision:resnet18", "avgpool", ["self.fc = nn.Linear(512 * block.expansion * 2, num_classes)"]),
    ],
)
def test_models_of_libraries(codegen: Run, tmp_path: Path, source: str, site: str, lines: list[str]) -> None:
    words = [source, "--site", site, "--pool", "catavgmax", "--check", "script", "-o", "made.py"]
    done = codegen("head", *words, cwd=tmp_path)
    assert done.returncode == 0, done.stderr.decode()
    text = (tmp_path / "made.py").read_text()
    assert [line for line in lines if line not in text] == []


@pytest.mark.slow
def test_a_norm_behind_the_pool_is_refused_by_name(codegen: Run, tmp_path: Path) -> None:
    done = codegen("head", "timm:convnext_atto", "--site", "head.global_pool", "--pool", "catavgmax", cwd=tmp_path)
    assert done.returncode == 2 and b"head.norm (LayerNorm2d) takes what head.global_pool gives" in done.stderr


@pytest.mark.slow
def test_timm_makes_the_variant_with_other_classes_and_pools(codegen: Run, tmp_path: Path) -> None:
    words = ["timm:resnet18", "--site", "global_pool", "--pool", "catavgmax", "-o", "made.py"]
    assert codegen("head", *words, cwd=tmp_path).returncode == 0
    code = """
    import timm, torch, made, warnings
    x = torch.zeros(2, 3, 64, 64)
    make = lambda **options: timm.create_model("resnet18_catavgmax", **options).eval()
    m = make(num_classes=10)
    assert m(x).shape == (2, 10) and m.fc.in_features == m.head_hidden_size == 1024
    assert make(num_classes=0)(x).shape == (2, 1024)
    assert make(num_classes=0, global_pool="")(x).shape == (2, 512, 2, 2)
    assert make(global_pool="max").fc.in_features == 512
    m.reset_classifier(7, "catavgmax")
    assert m(x).shape == (2, 7)
    torch.save(timm.create_model("resnet18").state_dict(), "base.pth")
    for classes in (1000, 10):
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            options = dict(pretrained_cfg_overlay=dict(file="base.pth"), pretrained=True, num_classes=classes)
            assert make(**options).conv1.weight.equal(torch.load("base.pth")["conv1.weight"])
        assert bool([w for w in said if "fc was replaced" in str(w.message)]) == (classes == 1000), classes
    """
    run = [sys.executable, "-c", dedent(code)]
    done = subprocess.run(run, cwd=tmp_path, env=environment(), capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
