"""replacing: another module in the place of a site, by a statement at the end of the model's `__init__`."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import Run
from torch import nn

from codegen import components, construct, expressions, replacing
from codegen.errors import CodegenError
from codegen.syntax import Code, find_class
from codegen.traced import Chosen, HostClass, Layout, TracedModule, Width
from codegen.types import Request, Site
from codegen.worker import settings

NAMES = ("", "stem", "stem.0", "stem.1", "blocks", "blocks.0", "blocks.0.act", "blocks.1", "blocks.1.act", "act")
MODEL = Code("class Net(nn.Module):\n    def __init__(self, block=2):\n        super().__init__()\n        self.stem = 1\n")


def site(pattern: str, names: tuple[str, ...], **traced: Any) -> Site:
    module = TracedModule(names[0], "Conv2d", 1, **traced)
    host = HostClass("Net", "net.py", 1, ("",))
    made = Site(pattern, "", host, module, Layout("NCHW"), Width("codegen_chosen.in_channels", 8, "attribute"))
    return Site(**{**vars(made), "leaving": Width("16", 16, "literal"), "chosen": Chosen(names, pattern), "names": NAMES})


def edited(pattern: str, *names: str, module: str = "torch.nn:GELU") -> str:
    cls = find_class(MODEL, "Net")
    assert cls is not None
    request = Request("net.py", "replace", pattern, module)
    made = replacing.plan(request, site(pattern, names), [(MODEL, cls)], hooked=False)
    return "\n".join(line[8:] for line in made.edits[0].text.splitlines())


@pytest.mark.parametrize(
    ("pattern", "names", "text"),
    [
        ("act", ("act",), "self.act = nn.GELU()"),
        ("stem.1", ("stem.1",), "self.stem[1] = nn.GELU()"),
        ("stem.-1", ("stem.1",), "self.stem[-1] = nn.GELU()"),
        ("stem.0,1", ("stem.0", "stem.1"), "for i in (0, 1):\n    self.stem[i] = nn.GELU()"),
        ("stem.::2", ("stem.0",), "for i in range(len(self.stem))[::2]:\n    self.stem[i] = nn.GELU()"),
        ("stem.*", ("stem.0", "stem.1"), "for i in range(len(self.stem)):\n    self.stem[i] = nn.GELU()"),
        ("a*", ("act",), "self.act = nn.GELU()"),

        ("blocks.0.act", ("blocks.0.act",), "self.blocks[0].act = nn.GELU()"),
        ("blocks.*.act", ("blocks.0.act", "blocks.1.act"), "for block2 in self.blocks:\n    block2.act = nn.GELU()"),
    ],
)
def test_how_the_model_reaches_the_place(pattern: str, names: tuple[str, ...], text: str) -> None:
    assert edited(pattern, *names) == text


def test_widths_are_read_off_the_module_that_stands_there() -> None:
    text = edited("stem.0", "stem.0", module="torch.nn:Linear")
    assert text == "self.stem[0] = nn.Linear(self.stem[0].in_channels, out_features=16)"


def test_the_settings_of_a_convolution() -> None:
    found = dict(settings.of(nn.Conv2d(4, 4, 3, stride=(2, 1), padding=1, bias=False)))
    assert found["kernel_size"] == "3" and found["stride"] == "(2, 1)" and found["bias"] == "False"
    assert settings.of(nn.ReLU()) == ()


def test_the_old_settings_are_kept_where_they_are_unusual_and_not_given() -> None:
    old = site("stem.0", ("stem.0",), settings=(("kernel_size", "3"), ("stride", "2"), ("dilation", "1"), ("eps", "1e-05")))
    request = Request("net.py", "replace", "stem.0", "torch.nn:Conv2d", arguments=(("kernel_size", "5"),))
    made = components.resolve(request, old).construct
    assert made == "nn.Conv2d(codegen_chosen.in_channels, out_channels=16, kernel_size=5, stride=2)"


def test_where_the_old_settings_differ_they_are_read_off_each() -> None:
    pair = [TracedModule("a", "Conv2d", 1, settings=(("stride", s), ("groups", "4"))) for s in "12"]
    assert replacing._common(pair) == (("stride", "codegen_chosen.stride"), ("groups", "4"))


def test_a_width_that_is_needed_and_not_known() -> None:
    unknown = Site("x", "", HostClass("Net", "net.py", 1, ("",)), TracedModule("x", "A", 1), Layout(""), Width("", 0, ""))
    for module in ("se", "torch.nn:Linear"):
        with pytest.raises(CodegenError, match="is not known"):
            components.resolve(Request("net.py", "replace", "x", module), unknown)
    assert components.resolve(Request("net.py", "replace", "x", "torch.nn:ReLU"), unknown).construct == "nn.ReLU()"


def hook() -> Any:
    scope: dict[str, Any] = {"nn": nn, "warnings": warnings}
    exec(construct.rendered("replace_hook", name="hook", old=""), scope)
    return scope["hook"]


@pytest.mark.parametrize(
    ("old", "new", "how"),
    [
        (nn.Linear(4, 4), nn.Linear(4, 6), "left out"),
        (nn.Conv1d(4, 4, 1, bias=False), nn.LayerNorm(4), "left out"),
        (nn.ReLU(), nn.Linear(4, 4), "kept"),
        (nn.Linear(4, 4), nn.Linear(4, 4), "loaded"),
    ],
)
def test_a_base_checkpoint_loads_strictly(old: nn.Module, new: nn.Module, how: str) -> None:
    base, variant = nn.Sequential(nn.Linear(4, 4), old), nn.Sequential(nn.Linear(4, 4), new)
    new.register_load_state_dict_pre_hook(hook())
    before = {key: value.clone() for key, value in new.state_dict().items()}
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        variant.load_state_dict(base.state_dict())
    assert len(said) == (how == "left out")
    assert torch.equal(variant[0].weight, base[0].weight)
    expected = old.state_dict() if how == "loaded" else before
    assert all(torch.equal(value, expected[key]) for key, value in new.state_dict().items())


def test_what_holds_all_of_the_old_one_takes_its_weights() -> None:
    scope: dict[str, Any] = {"nn": nn}
    exec(construct.rendered("replace_hook", name="hook", old='{"weight"}'), scope)
    base, variant = nn.Sequential(nn.Linear(4, 4, bias=False)), nn.Sequential(nn.Linear(4, 4))
    variant[0].register_load_state_dict_pre_hook(scope["hook"])
    bias = variant[0].bias.clone()  # type: ignore[union-attr, operator]
    variant.load_state_dict(base.state_dict())
    assert torch.equal(variant[0].weight, base[0].weight) and torch.equal(variant[0].bias, bias)  # type: ignore[arg-type]
    with pytest.raises(RuntimeError, match="0.weight"):
        variant.load_state_dict({"0.bias": bias})


def test_a_damaged_checkpoint_stays_an_error() -> None:
    variant = nn.Sequential(nn.Linear(4, 4))
    variant[0].register_load_state_dict_pre_hook(hook())
    state = variant.state_dict()
    del state["0.bias"]
    with pytest.raises(RuntimeError, match="0.bias"):
        variant.load_state_dict(state)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("source", "module", "pattern", "meant", "arguments"),
    [
        ("timm:test_vit", "timm.layers:SwiGLU", "blocks.::2.mlp", "blocks.[024].mlp", ("bias=False",)),
        ("timm:test_vit", "torch.nn:Tanh", "blocks.*.mlp.act", "blocks.*.mlp.act", ()),
        ("timm:test_resnet", "torch.nn:Conv2d", "layer2.*.conv2", "layer2.*.conv2", ("kernel_size=5", "padding=2")),
        ("timm:test_convnext", "torch.nn:Identity", "stages.*.blocks.*.norm", "stages.*.blocks.*.norm", ()),
        ("timm:test_efficientnet", "torch.nn:Hardswish", "bn1.act", "bn1.act", ()),
        ("torchvision:resnet18", "torch.nn:Conv2d", "conv1", "conv1", ("kernel_size=5", "padding=2")),
        ("torchvision:mobilenet_v3_small", "torch.nn:ReLU6", "features.-1.2", "features.12.2", ()),
    ],
)
def test_the_original_with_the_module_in_its_place(
    codegen: Run, tmp_path: Path, source: str, module: str, pattern: str, meant: str, arguments: tuple[str, ...]
) -> None:
    pytest.importorskip(source.partition(":")[0])
    import oracle

    name = source.partition(":")[2]
    target = tmp_path / f"replaced_{name}_{module.rpartition(':')[2].lower()}.py"
    words = [word for text in arguments for word in ("--arg", text)]
    done = codegen("replace", source, f"--module={module}", f"--site={pattern}", *words, "-o", str(target), cwd=tmp_path)
    assert done.returncode == 0, done.stderr.decode()
    library = "timm" if source.startswith("timm") else "torchvision.models"
    base = f"create_model('{name}')" if library == "timm" else f"{name}(weights=None)"
    suffix = expressions.attribute_name(module.rpartition(":")[2])
    found = oracle.compare(
        oracle.load(library),
        oracle.load(str(target)),
        base,
        f"{name}_{suffix}()",
        meant,
        "",
        "replace",
        (2, 3, 160 if name == "test_vit" else 96, 160 if name == "test_vit" else 96),
    )
    assert found == []


@pytest.mark.parametrize(
    ("layout", "class_name", "settings", "operation", "said"),
    [
        ("NLC", "GELU", (), "replace", "stands in the place of nn.Linear there, and blocks.0.fc is GELU"),
        ("NCHW", "Conv2d", (("kernel_size", "3"), ("groups", "8")), "replace", "cannot be blocks.0.fc, which has groups=8"),
        ("NLC", "Linear", (), "after", "nothing of it runs after one"),
    ],
)
def test_low_rank_adaptation_stands_only_in_the_place_of_a_plain_layer(
    layout: str, class_name: str, settings: tuple[tuple[str, str], ...], operation: str, said: str
) -> None:
    width, host = Width("dim", 64, "name"), HostClass("Net", "net.py", 1, ("",))
    module = TracedModule("blocks.0.fc", class_name, 1, settings=settings)
    site = Site("blocks.0.fc", "", host, module, Layout(layout), width, width)
    with pytest.raises(CodegenError) as caught:
        components.resolve(Request("net.py", operation, module="lora"), site)
    assert caught.value.name == "module-does-not-fit" and said in caught.value.message


def test_low_rank_adaptation_is_made_with_what_the_layer_was_made_with() -> None:
    width, host = Width("dim", 64, "name"), HostClass("Net", "net.py", 1, ("",), factory="**dd")
    module = TracedModule("conv", "Conv2d", 1, settings=(("kernel_size", "3"), ("padding", "1"), ("bias", "False")))
    site = Site("conv", "", host, module, Layout("NCHW"), width, Width("out", 96, "name"))
    made = components.resolve(Request("net.py", "replace", module="lora", arguments=(("rank", "2"),)), site)
    assert made.construct == "LowRankConv2d(dim, out_channels=out, kernel_size=3, padding=1, bias=False, **dd)"
    assert "rank: int = 2" in made.code
