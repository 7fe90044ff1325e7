"""The catalogue's plain parts: they come out as torch's own layers, in every kind; what makes no sense is refused by name."""

from __future__ import annotations

import linecache
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import Run
from test_equations import CHANNELS, SCOPE, layout, of, sample
from torch import Tensor, nn
from torch.nn import functional as F

from codegen import catalogue
from codegen.errors import CodegenError
from codegen.traced import Width
from codegen.types import Component

pytestmark = pytest.mark.filterwarnings("ignore:.*torch.jit.script:FutureWarning")

ACTIVATIONS = {
    "relu": F.relu,
    "relu6": F.relu6,
    "leaky_relu": F.leaky_relu,
    "elu": F.elu,
    "gelu": F.gelu,
    "silu": F.silu,
    "mish": F.mish,
    "hardswish": F.hardswish,
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
}


def part(name: str, kind: str, settings: dict[str, str] | None = None, **options: Any) -> Component:
    width = Width("channels", options.pop("channels", CHANNELS), "name")
    return catalogue.component(name, layout(kind), width, settings or {}, **{"identity": False, "factory": "", **options})


def made(component: Component) -> Any:
    scope: dict[str, Any] = {**SCOPE, "__name__": "made"}
    text = "\n".join([*component.imports, component.code])
    name = f"made_{hash(text)}.py"
    linecache.cache[name] = (len(text), None, text.splitlines(keepends=True), name)  # torch.jit.script reads the source
    exec(compile(text, name, "exec"), scope)
    return eval(component.construct, scope).eval()


@pytest.mark.parametrize(
    ("name", "kind", "settings", "construct"),
    [
        ("act", "NCHW", {}, "nn.ReLU()"),
        ("act", "NLC", {"kind": "gelu"}, "nn.GELU()"),
        ("dropout", "NC", {"p": "0.3"}, "nn.Dropout(0.3)"),
        ("identity", "NXXC", {}, "nn.Identity()"),
        ("norm", "NCHW", {}, "nn.BatchNorm2d(channels, **dd)"),
        ("norm", "NCL", {}, "nn.BatchNorm1d(channels, **dd)"),
        ("norm", "NLC", {}, "nn.LayerNorm(channels, **dd)"),
        ("norm", "NC", {"kind": "batch"}, "nn.BatchNorm1d(channels, **dd)"),
        ("norm", "NCHW", {"kind": "'layer'"}, "LayerNorm2d(channels, **dd)"),
        ("norm", "NCDHW", {"kind": "group", "groups": "8"}, "nn.GroupNorm(8, channels, **dd)"),
        ("linear", "NCHW", {}, "nn.Conv2d(channels, channels, kernel_size=1, **dd)"),
        ("linear", "NHWC", {"bias": "False"}, "nn.Linear(channels, channels, bias=False, **dd)"),
        ("dwconv", "NCHW", {}, "nn.Conv2d(channels, channels, 3, padding=1, groups=channels, **dd)"),
        ("dwconv", "NLC", {}, "DepthwiseConv(channels, grid_size=grid_size, **dd)"),
        ("conv_bn_act", "NCHW", {}, "ConvBnAct(channels, **dd)"),
    ],
)
def test_how_they_are_made(name: str, kind: str, settings: dict[str, str], construct: str) -> None:
    component = part(name, kind, settings, factory="**dd")
    assert component.construct == construct
    assert (component.code == "") == construct.startswith("nn.")
    assert component.class_name == construct.partition("(")[0].removeprefix("nn.")
    assert component.stateful == (name not in ("act", "dropout", "identity"))


def test_the_width_stands_as_it_is_in_the_host() -> None:
    width = Width("planes * self.expansion", 256, "name")
    component = catalogue.component("norm", layout("NCHW"), width, {}, identity=False, factory="device=device, dtype=dtype")
    assert component.construct == "nn.BatchNorm2d(planes * self.expansion, device=device, dtype=dtype)"


@pytest.mark.parametrize("kind", list(ACTIVATIONS))
def test_activations_are_torchs(kind: str) -> None:
    assert torch.equal(made(part("act", "NCHW", {"kind": kind}))(sample("NCHW")), ACTIVATIONS[kind](sample("NCHW")))
    if f"act={kind}" not in refusal("conv_bn_act", "NCHW", {"act": kind}):
        module, x = made(part("conv_bn_act", "NCHW", {"act": kind})), sample("NCHW")
        torch.testing.assert_close(module(x), ACTIVATIONS[kind](module.bn(F.conv2d(x, module.conv.weight, padding=1))))


def normal(kind: str, module: nn.Module, x: Tensor) -> Tensor:
    """The norm of a map (N, C, H, W), by torch's functions."""
    weight, bias = module.weight, getattr(module, "bias", None)
    if kind == "batch":
        return F.batch_norm(x, module.running_mean, module.running_var, weight, bias)  # type: ignore[arg-type]
    if kind == "group":
        return F.group_norm(x, 8, weight, bias)  # type: ignore[arg-type]
    x = x.permute(0, 2, 3, 1)
    if kind == "layer":
        return F.layer_norm(x, (CHANNELS,), weight, bias).permute(0, 3, 1, 2)  # type: ignore[arg-type]
    return F.rms_norm(x, (CHANNELS,), weight).permute(0, 3, 1, 2)  # type: ignore[arg-type]


@pytest.mark.parametrize("where", ["NCHW", "NHWC", "NLC", "NCL", "NCDHW", "NDHWC"])
@pytest.mark.parametrize("kind", ["batch", "layer", "rms", "group"])
def test_norms_are_torchs(kind: str, where: str) -> None:
    settings = {"kind": kind, "groups": "8"}
    if kind in ("batch", "group") and where.endswith("C"):
        assert "channels first" in refusal("norm", where, settings)
        return
    module = made(part("norm", where, settings))
    for tensor in [*module.parameters(), *(b for b in module.buffers() if b.is_floating_point())]:
        tensor.data = torch.rand(tensor.shape, generator=torch.Generator().manual_seed(2)) + 0.5
    x = sample("NCHW")
    wanted = normal(kind, module, x.flatten(2).unsqueeze(2) if where == "NCL" else x)
    found = module(of(where, x))
    if where == "NLC":
        found = found[:, 2:]
        torch.testing.assert_close(found, wanted.flatten(2).transpose(1, 2), rtol=1e-4, atol=1e-5)
    else:
        torch.testing.assert_close(found, of(where, wanted), rtol=1e-4, atol=1e-5)
    assert catalogue.count(catalogue.entry("norm"), CHANNELS, settings) == sum(p.numel() for p in module.parameters())
    if where == "NCHW":
        torch.testing.assert_close(torch.jit.script(module)(x), module(x))


def test_dropblock_of_a_map_smaller_than_a_block() -> None:
    torch.manual_seed(0)
    module, x = made(part("dropblock", "NCHW", {"p": "0.5"})).train(), torch.ones(64, CHANNELS, 2, 3)
    dropped = (module(x) == 0).flatten(2).float().mean(2)  # blocks of 2x2: a third of the map stays, or none, or all
    assert {round(share, 3) for share in dropped.unique().tolist()} == {0.0, 0.667, 1.0}
    assert made(part("dropblock", "NCHW", {"p": "0.99"})).train()(x).isfinite().all()


@pytest.mark.parametrize("name", ["act", "norm", "linear", "dwconv", "conv_bn_act"])
def test_what_changes_the_function_starts_inside_a_gate(name: str) -> None:
    component = part(name, "NCHW", identity=True, factory="**dd")
    assert component.construct.startswith("ZeroGate(") and component.construct.endswith(", **dd)") and component.stateful
    assert {p.device.type for p in made(component).parameters()} == {"meta"}
    assert "p = 0" in part("dropout", "NCHW", {"p": "0.3"}, identity=True).notes[0]


def refusal(name: str, kind: str, settings: dict[str, str], channels: int = CHANNELS) -> str:
    """The message and the hint, "" where it is made."""
    try:
        part(name, kind, settings, channels=channels)
    except CodegenError as error:
        return f"{error.name}: {error.message}; {error.hint}"
    return ""


@pytest.mark.parametrize(
    ("name", "kind", "settings", "said"),
    [
        ("norm", "NHWC", {"kind": "batch"}, "module-does-not-fit: `norm` does not fit NHWC: batch norm wants the ch"),
        ("norm", "NLC", {"kind": "group"}, "module-does-not-fit: `norm` does not fit NLC: group norm wants"),
        ("norm", "NCHW", {"kind": "group", "groups": "5"}, "32 channels do not divide into 5 groups"),
        ("norm", "NCHW", {"kind": "group", "groups": "0"}, "bad-argument: `norm`: groups must be at least 1"),
        ("norm", "NCHW", {"kind": "LayerNorm"}, "kind=LayerNorm is none of auto, batch, layer, rms, group"),
        ("norm", "NCHW", {"kind": "3"}, "kind='3' is not a usable str"),
        ("act", "NCHW", {"kind": "softmax"}, "kind=softmax is none of relu,"),
        ("act", "NCHW", {"kind": "__import__('os')"}, "is none of relu"),
        ("dropout", "NCHW", {"p": "1"}, "below 1"),
        ("dropblock", "NCHW", {"block_size": "0"}, "block_size must be at least 1"),
        ("dropblock", "NCL", {}, "no rows and columns"),
        ("linear", "NCHW", {"bias": "0"}, "not a usable bool"),
        ("dwconv", "NCHW", {"kernel_size": "4"}, "odd"),
        ("dwconv", "NC", {}, "a vector has no positions"),
        ("conv_bn_act", "NCHW", {"act": "tanh"}, "act=tanh is none of relu"),
        ("nonlocal", "NCHW", {}, "did you mean non_local?"),
        ("drop_path", "NCHW", {}, "did you mean droppath?"),
        ("LayerNorm", "NCHW", {}, "did you mean norm?"),
        ("nn.ReLU", "NCHW", {}, "codegen modules lists them"),
        ("gelu", "NCHW", {}, "did you mean act?"),
        ("flatten", "NCHW", {}, "belongs to a head: codegen head SOURCE --site S --layers"),
        ("gap", "NCHW", {}, "codegen head SOURCE --site S --pool avg"),
        ("global_pool", "NCHW", {}, "--pool avg"),
    ],
)
def test_refusals(name: str, kind: str, settings: dict[str, str], said: str) -> None:
    assert said in refusal(name, kind, settings)


@pytest.mark.slow
def test_groups_that_fit_the_model_and_no_narrower_build_of_it(codegen: Run, tmp_path: Path) -> None:
    """The contract's small build would have 8 channels: it is proved on the model's own width."""
    text = "from torch import nn\n\n\nclass Net(nn.Module):\n    def __init__(self, dim=32):\n        super().__init__()\n"
    text += "        self.stem = nn.Conv2d(3, dim, 3)\n\n    def forward(self, x):\n        return self.stem(x)\n"
    (tmp_path / "net.py").write_text(text)
    codegen("insert", "net.py", "--module", "norm", "--arg", "kind=group", "--after", "stem", cwd=tmp_path)
    assert "self.norm = nn.GroupNorm(32, dim)" in (tmp_path / "generated/net_norm.py").read_text()
