"""heads: layers of torch.nn as text, each taking what the one before returns."""

from __future__ import annotations

import pytest

from codegen import heads
from codegen.errors import CodegenError
from codegen.types import HostClass, Layout, Request, Site, TracedModule, Width


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
