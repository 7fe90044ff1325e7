"""heads: layers of torch.nn as text, each taking what the one before returns."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import Run
from torch import nn

from codegen import heads, pools
from codegen.errors import CodegenError
from codegen.traced import HostClass, Layout, TracedModule, Width
from codegen.types import Component, Request, Site


def made(layers: str, width: str = "self.dim", kind: str = "NC") -> str:
    host, module = HostClass("Net", "net.py", 1, ("",)), TracedModule("fc", "Linear", 1)
    site = Site("fc", "", host, module, Layout(kind), Width(width, 8, "name"))
    return heads.component(Request("net.py", "replace", "fc", "head", layers=layers), site).construct


@pytest.mark.parametrize(
    ("layers", "text"),
    [
        ("Linear(10)", "nn.Linear(self.dim, 10)"),
        (
            "Linear(256), ReLU, Dropout(0.1), Linear(num_classes)",
            "nn.Sequential(nn.Linear(self.dim, 256), nn.ReLU(), nn.Dropout(0.1), nn.Linear(256, num_classes))",
        ),
        ("LayerNorm, Linear(10, bias=False)", "nn.Sequential(nn.LayerNorm(self.dim), nn.Linear(self.dim, 10, bias=False))"),
        ("Linear(out_features=4), Softmax", "nn.Sequential(nn.Linear(self.dim, out_features=4), nn.Softmax(dim=-1))"),
        ("Linear(4), Softmax(dim=1)", "nn.Sequential(nn.Linear(self.dim, 4), nn.Softmax(dim=1))"),
        ("Conv2d(32, 1), BatchNorm2d, GELU()", "nn.Sequential(nn.Conv2d(self.dim, 32, 1), nn.BatchNorm2d(32), nn.GELU())"),
    ],
)
def test_widths_follow_each_other(layers: str, text: str) -> None:
    assert made(layers) == text


@pytest.mark.parametrize(
    ("layers", "text"),
    [
        ("AdaptiveAvgPool2d(1), Flatten, Linear(10)", "nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(self.dim, 10)"),
        ("AdaptiveMaxPool2d(2), Flatten, Linear(10)", "nn.AdaptiveMaxPool2d(2), nn.Flatten(), nn.Linear(self.dim * 4, 10)"),
        (
            "AdaptiveAvgPool2d((1, 3)), ReLU, Flatten(), Linear(8), Linear(2)",
            "nn.AdaptiveAvgPool2d((1, 3)), nn.ReLU(), nn.Flatten(), nn.Linear(self.dim * 3, 8), nn.Linear(8, 2)",
        ),
        ("Conv2d(7, 1), AdaptiveAvgPool2d(1), Flatten", "nn.Conv2d(self.dim, 7, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten()"),
        ("Conv2d(7, 1), Flatten", "nn.Conv2d(self.dim, 7, 1), nn.Flatten()"),
    ],
)
def test_a_map_is_made_flat(layers: str, text: str) -> None:
    assert made(layers, kind="NCHW") == f"nn.Sequential({text})"


def test_a_vector_is_flat_and_a_sum_keeps_its_brackets() -> None:
    assert made("Flatten, Linear(3)") == "nn.Sequential(nn.Flatten(), nn.Linear(self.dim, 3))"
    assert "nn.Linear(width * 2 * 4, 3)" in made("AdaptiveAvgPool2d(2), Flatten, Linear(3)", "width * 2", "NCHW")
    assert "nn.Linear((a + b) * 4, 3)" in made("AdaptiveAvgPool2d(2), Flatten, Linear(3)", "a + b", "NCHW")


@pytest.mark.parametrize(
    "layers",
    [
        "Flatten, Linear(3)",
        "AdaptiveAvgPool2d(1), Conv2d(8, 1), MaxPool2d(2), Flatten, LayerNorm",
        "AdaptiveAvgPool2d(n), Flatten, Linear(3)",
        "AdaptiveAvgPool2d, Flatten, Linear(3)",
        "AdaptiveAvgPool2d((None, 1)), Flatten, Linear(3)",
    ],
)
def test_a_map_of_any_size_has_no_width_when_flat(layers: str) -> None:
    with pytest.raises(CodegenError, match="behind Flatten depends on the size of the map"):
        made(layers, kind="NCHW")


@pytest.mark.parametrize("layers", ["", "((", "Linear", "1", "nn.Linear(3)", "[Linear(3)]"])
def test_what_is_no_list_of_layers(layers: str) -> None:
    with pytest.raises(CodegenError) as refused:
        made(layers)
    assert refused.value.name == "bad-layers"


def test_a_layer_that_torch_has_not() -> None:
    with pytest.raises(CodegenError, match="torch.nn has no class Foo"):
        made("Foo(3)")


def test_the_width_that_goes_out() -> None:
    assert heads.outgoing("Linear(256), ReLU, Linear(10), Softmax") == "10" and heads.outgoing("Dropout(0.5)") == ""


def test_a_width_that_is_not_known() -> None:
    with pytest.raises(CodegenError, match="is not known"):
        made("Linear(3)", "")


POOL = HostClass("Net", "net.py", 1, ("",))


def pooled(layers: str, returned: tuple[int, ...], kind: str = "NCHW") -> Component:
    module = TracedModule("pool", "AdaptiveAvgPool2d", 1, (2, 8, 7, 7), returned)
    site = Site("pool", "", POOL, module, Layout(kind), Width("dim", 8, "name"))
    return heads.component(Request("net.py", "replace", "pool", "gem", layers=layers), site)


@pytest.mark.parametrize(
    ("pool", "text"),
    [
        ("avg", "nn.AdaptiveAvgPool2d(1)"),
        ("max", "nn.AdaptiveMaxPool2d(1)"),
        ("avgmax", "AvgMaxPool2d()"),
        ("gem", "GeM()"),
    ],
)
def test_a_pool_returns_what_the_old_one_did(pool: str, text: str) -> None:
    layers = pools.LAYERS[pool]
    assert pooled(layers, (2, 8, 1, 1)).construct == text
    assert pooled(layers, (2, 8)).construct == f"nn.Sequential({text}, nn.Flatten())"
    assert ("class " in pooled(layers, (2, 8)).code) == (pool in ("avgmax", "gem"))


@pytest.mark.parametrize(("returned", "kind"), [((2, 8, 7, 7), "NCHW"), ((2, 4), "NCHW"), ((2, 8), "NHWC"), ((2, 8, 1), "NCL")])
def test_what_is_no_pool_over_all_positions(returned: tuple[int, ...], kind: str) -> None:
    with pytest.raises(CodegenError, match="no pool over all positions"):
        pooled("GeM", returned, kind)


def test_a_pool_of_ours_in_front_of_a_classifier() -> None:
    text = "nn.Sequential(GeM(p=4), nn.Flatten(), nn.Linear(self.dim, 10))"
    assert made("GeM(p=4), Flatten, Linear(10)", kind="NCHW") == text


def test_ours_are_generalised_and_half_and_half() -> None:
    names: dict[str, Any] = {"nn": nn, "torch": torch}
    exec(pools.code(["GeM", "AvgMaxPool2d"], factory=True), names)  # noqa: S102 - the text is ours
    x = torch.rand(2, 3, 5, 4)
    mean, largest = x.mean((2, 3), keepdim=True), x.amax((2, 3), keepdim=True)
    assert torch.allclose(names["GeM"](p=1)(x), mean, atol=1e-5)
    assert torch.allclose(names["GeM"](p=200)(x.double()), largest.double(), rtol=0.02)
    assert torch.allclose(names["GeM"](p=3)(x), (x**3).mean((2, 3), keepdim=True) ** (1 / 3), atol=1e-5)
    assert torch.allclose(names["AvgMaxPool2d"]()(x), (mean + largest) / 2)
    assert names["GeM"](dtype=torch.bfloat16).p.dtype is torch.bfloat16


MODEL = """
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self, width=16, num_classes=5):
        super().__init__()
        self.conv = nn.Conv2d(3, width, 3, padding=1)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(width, num_classes)

    def forward(self, x):
        x = self.conv(x).relu()
        x = self.pool(x).flatten(1)
        return self.fc(x)
"""


@pytest.mark.slow
@pytest.mark.parametrize("pool", [*pools.LAYERS])
def test_another_pool_in_a_plain_model(codegen: Run, tmp_path: Path, pool: str) -> None:
    (tmp_path / "net.py").write_text(MODEL)
    words = ["net.py", "--site", "pool", "--pool", pool, "--input", "1x3x16x16"]
    done = codegen("head", *words, cwd=tmp_path)
    assert done.returncode == 0, done.stderr.decode()
    text = (tmp_path / "generated" / f"net_{pool}.py").read_text()
    assert "self.pool = " in text.partition("self.fc = ")[2]
    assert codegen("verify", f"generated/net_{pool}.py", cwd=tmp_path).returncode == 0


@pytest.mark.slow
@pytest.mark.parametrize(("source", "site"), [("timm:resnet18", "global_pool"), ("torchvision:resnet18", "avgpool")])
def test_another_pool_in_models_of_libraries(codegen: Run, tmp_path: Path, source: str, site: str) -> None:
    done = codegen("head", source, "--site", site, "--pool", "gem", "-o", "made.py", cwd=tmp_path)
    assert done.returncode == 0, done.stderr.decode()
    flat = "nn.Sequential(GeM(**dd), nn.Flatten())" if source.startswith("timm") else "GeM()"
    assert f"self.{site} = {flat}" in (tmp_path / "made.py").read_text()


@pytest.mark.slow
@pytest.mark.parametrize(
    "words",
    [
        ["--site", "conv", "--pool", "max"],
        ["--site", "@pool", "--pool", "max"],
        ["--site", "pool", "--pool", "most"],
        ["--site", "pool"],
        ["--site", "pool", "--pool", "gem", "--layers", "Linear(3)"],
        ["--site", "pool", "--pool", "gem", "--extra", "aux"],
    ],
)
def test_a_pool_is_refused_by_name(codegen: Run, tmp_path: Path, words: list[str]) -> None:
    source = MODEL.replace("self.pool(x).flatten(1)", "x.mean([2, 3])") if "@pool" in words else MODEL
    (tmp_path / "net.py").write_text(source)
    done = codegen("head", "net.py", *words, "--input", "1x3x16x16", cwd=tmp_path)
    assert done.returncode == 2 and b"error[" in done.stderr, done.stderr.decode()
