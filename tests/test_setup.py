"""How a model is built and fed: the input, the device, small builds and other sizes, and what is said where none works."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")

from codegen.errors import CodegenError  # noqa: E402
from codegen.worker import models, resizing, setup, shortening  # noqa: E402
from codegen.worker.setup import Setup  # noqa: E402

HEAD = """
import torch
from torch import nn

"""
MAPS = HEAD + """
class Net(nn.Module):
    def __init__(self, {parameters}):
        super().__init__()
        self.made = {channels}
        self.stem = nn.Conv2d({channels}, 4, 1)

    def forward(self, x):
        {check}
        return self.stem(x).mean((2, 3))
"""
LENET = HEAD + """
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(1, 6, 5), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5), nn.MaxPool2d(2))
        self.head = nn.Linear(400, 10)

    def forward(self, x):
        return self.head(self.body(x).flatten(1))
"""
VIT = HEAD + """
class Net(nn.Module):
    def __init__(self, img_size=64, patch_size=16, width=8, depth=6, heads=2, classes=3):
        super().__init__()
        if width % heads:
            raise ValueError("width")
        self.size = img_size if isinstance(img_size, tuple) else (img_size, img_size)
        count = (self.size[0] // patch_size) * (self.size[1] // patch_size)
        self.embed = nn.Conv2d(3, width, patch_size, patch_size)
        self.position = nn.Parameter(torch.zeros(1, count, width))
        self.blocks = nn.Sequential(*[nn.Linear(width, width) for _ in range(depth)])
        self.head = nn.Linear(width, classes)

    def forward(self, x):
        x = self.embed(x).flatten(2).transpose(1, 2) + self.position
        return self.head(self.blocks(x).mean(1))
"""
PYRAMID = HEAD + """
class Net(nn.Module):
    def __init__(
        self, layers=[3, 4, 6], dims=(8, 16, 32), num_classes=10, in_chans=16, rate=64.0, flag=True, hidden_dim=None, groups=4
    ):
        super().__init__()
        ins = (in_chans, *dims)
        self.stages = nn.Sequential(*[
            nn.Sequential(nn.Conv2d(ins[i], dims[i], 2, 2), *[nn.ReLU() for _ in range(count)])
            for i, count in enumerate(layers)
        ])
        self.head = nn.Linear(dims[-1], num_classes)

    def forward(self, x):
        return self.head(self.stages(x).mean((2, 3)))
"""
SIMPLE = MAPS.format(parameters="in_chans=3", channels="in_chans", check="pass")


def found(folder: Path, text: str, spec: str = "", builds: tuple[str, ...] = ("Net()",)) -> Setup:
    path = folder / "net.py"
    path.write_text(text)
    return setup.find(models.import_file(path, "setup_net"), list(builds), spec)


@pytest.mark.parametrize(
    ("parameters", "channels", "check", "expected"),
    [
        ("in_chans=5", "in_chans", "pass", "1x5x224x224"),
        ("in_c=2, img_size=48", "in_c", "assert x.shape[-1] == 48", "1x2x48x48"),
        ("input_channels=4, image_size=(48, 80)", "input_channels", "assert x.shape[2:] == (48, 80)", "1x4x48x80"),
        ("img_size=None", "6", "pass", "1x6x224x224"),
        ("resolution=40", "1", "assert x.shape[-1] == 40", "1x1x40x40"),
        ("img_size='no'", "3", "assert x.shape[-1] == 299", "1x3x299x299"),
    ],
)
def test_the_input_comes_from_the_constructor_or_from_the_first_convolution(  # noqa: PLR0913
    tmp_path: Path, parameters: str, channels: str, check: str, expected: str
) -> None:
    setup = found(tmp_path, MAPS.format(parameters=parameters, channels=channels, check=check))
    assert (setup.input, setup.device) == (expected, "meta")


def test_the_input_comes_from_the_models_own_configuration_first(tmp_path: Path) -> None:
    text = SIMPLE.replace("self.made = in_chans", "self.default_cfg = {'input_size': (3, 72, 40)}")
    setup = found(tmp_path, text)
    assert setup.input == "1x3x72x40" and setup.image() == (72, 40)


def test_a_model_that_accepts_one_size_only(tmp_path: Path) -> None:
    setup_ = found(tmp_path, LENET)
    assert setup_.input == "1x1x32x32"
    assert resizing.small(setup_) == setup_
    assert list(resizing.second_size(setup_, rebuild=True)) == []


@pytest.mark.parametrize(
    ("layer", "expected"), [("nn.Linear(7, 4)", "1x7"), ("nn.Sequential(nn.Flatten(), nn.Linear(112, 4))", "1x112")]
)
def test_a_model_without_maps_is_fed_by_its_first_linear(tmp_path: Path, layer: str, expected: str) -> None:
    setup = found(tmp_path, SIMPLE.replace("nn.Conv2d(in_chans, 4, 1)", layer).replace(".mean((2, 3))", ""))
    assert setup.input == expected and setup.image() is None


@pytest.mark.parametrize(
    ("spec", "args", "kwargs"),
    [
        ("1x3x8x8", [(2, 3, 8, 8)], {}),
        ("torch.zeros(1, 3, 8, 8)", [(1, 3, 8, 8)], {}),
        ("(torch.zeros(1, 3, 8, 8),)", [(1, 3, 8, 8)], {}),
        ("dict(x=torch.zeros(1, 3, 8, 8))", [], {"x": (1, 3, 8, 8)}),
    ],
)
def test_the_input_as_the_user_gives_it(tmp_path: Path, spec: str, args: list[Any], kwargs: dict[str, Any]) -> None:
    setup = found(tmp_path, SIMPLE, spec)
    assert setup.input == spec
    seen, named = setup.inputs()
    assert [tuple(t.shape) for t in seen] == args and {k: tuple(t.shape) for k, t in named.items()} == kwargs


@pytest.mark.parametrize(
    ("line", "device"),
    [
        ("pass", "meta"),
        ("self.rates = [x.item() for x in torch.linspace(0, 0.1, 3)]", "meta-parameters"),
        pytest.param("self.rate = float(self.stem.weight.detach().sum())", "cpu"),
        pytest.param("self.stem.weight.data.numpy()", "cpu"),
    ],
)
def test_the_cheapest_device_that_works(tmp_path: Path, line: str, device: str) -> None:
    text = SIMPLE.replace("    def forward", f"        {line}\n\n    def forward")
    setup = found(tmp_path, text)
    assert setup.device == device
    assert next(setup.model().parameters()).device.type == ("cpu" if device == "cpu" else "meta")


def test_a_forward_that_reads_values_runs_on_the_cpu(tmp_path: Path) -> None:
    assert found(tmp_path, SIMPLE.replace("pass", "x = x if float(x.sum()) > 0 else -x")).device == "cpu"


@pytest.mark.parametrize(
    ("old", "new", "name", "said"),
    [
        ("self.made", "raise ValueError('no\\nway')", "cannot-build", "building Net() failed: ValueError: no"),
        ("def __init__(self, ", "def __init__(self, needed, ", "cannot-build", "needed"),
        ("pass", "raise KeyError('inside')", "cannot-run", "running Net() failed: KeyError: 'inside' (net.py:"),
        ("nn.Conv2d(in_chans", "nn.Bilinear(in_chans", "cannot-run", "running Net() failed"),
    ],
)
def test_what_fails_is_named_with_its_place(tmp_path: Path, old: str, new: str, name: str, said: str) -> None:
    replaced = new + "; self.made" if new.startswith("raise Value") else new
    with pytest.raises(CodegenError) as caught:
        found(tmp_path, SIMPLE.replace(old, replaced))
    error = caught.value
    assert error.name == name and said in error.message and "\n" not in error.message
    assert "Traceback" in error.details and ("--build" if name == "cannot-build" else "--input") in error.hint


def test_what_is_no_model_is_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(CodegenError) as caught:
        found(tmp_path, SIMPLE, builds=("[Net()]", "Net()"))
    assert caught.value.name == "not-a-model" and "list" in caught.value.message


def test_the_first_build_that_works_is_taken(tmp_path: Path) -> None:
    text = SIMPLE.replace("in_chans=3", "in_chans") + "\n\ndef net():\n    return Net(3)\n"
    assert found(tmp_path, text, builds=("Net()", "net()")).build == "net()"


def test_where_no_build_works_the_best_ones_failure_is_reported(tmp_path: Path) -> None:
    text = SIMPLE.replace("pass", "raise KeyError('mine')") + "\n\nclass Part(nn.Module):\n    pass\n"
    with pytest.raises(CodegenError, match="mine"):
        found(tmp_path, text, builds=("Net()", "Part()"))


def test_a_small_build_is_shallow_and_has_a_small_image(tmp_path: Path) -> None:
    full = found(tmp_path, VIT.replace("img_size=64", "img_size=224"))
    small = resizing.small(full)
    assert small.overrides == {"depth": 2, "img_size": (96, 64)} and small.input == "1x3x96x64"
    assert len(small.model().blocks) == 2 and len(full.model().blocks) == 6
    assert setup.works(small)


def test_a_small_build_keeps_what_the_model_needs(tmp_path: Path) -> None:
    picky = VIT.replace("width % heads", "depth != 6").replace("img_size=64", "img_size=128")
    small = resizing.small(found(tmp_path, picky))
    assert small.overrides == {"img_size": (96, 64)}


def test_a_list_of_depths_is_cut_and_the_image_needs_no_argument(tmp_path: Path) -> None:
    small = resizing.small(found(tmp_path, PYRAMID))
    assert small.overrides == {"layers": [2, 2, 2]} and small.input == "1x16x96x64"


@pytest.mark.parametrize("rebuild", [False, True])
def test_second_sizes_of_the_model_as_it_is_or_built_anew(tmp_path: Path, rebuild: bool) -> None:
    free, fixed = found(tmp_path, PYRAMID), found(tmp_path, VIT)
    assert next(resizing.second_size(free)).input == "1x16x288x256"
    assert [s.input for s in resizing.second_size(free)] == ["1x16x288x256", "1x16x448x224", "1x16x448x448"]
    others = list(resizing.second_size(fixed, rebuild=rebuild))
    assert bool(others) is rebuild
    assert all(o.overrides["img_size"] in (o.image(), o.image()[0]) for o in others)


def test_sized_variations_change_one_argument_at_a_time(tmp_path: Path) -> None:
    variations = list(resizing.sized(found(tmp_path, PYRAMID)))
    assert [[v.overrides for v in others] for others in variations] == [
        [{"dims": (16, 48, 128)}, {"dims": (16, 32, 64)}],  # unevenly, where the class takes that
        [{"num_classes": 20}],
        [{"flag": False}],
        [{"hidden_dim": 64}],
    ]
    assert all(setup.works(variation) for others in variations for variation in others)
    assert [[v.overrides for v in o] for o in resizing.sized(found(tmp_path, VIT), limit=1)] == [[{"patch_size": 32}]]


def test_overrides_reach_exactly_the_models_class(tmp_path: Path) -> None:
    text = VIT + "\n\nclass Sub(Net):\n    pass\n\n\ndef net():\n    return Net(width=12)\n"
    full = found(tmp_path, text, builds=("net()",))
    assert full.arguments["width"] == 12 and full.arguments["depth"] == 6
    wide = next(s for [s] in resizing.sized(full) if "width" in s.overrides)
    assert wide.model().embed.out_channels == 24
    assert full.model().embed.out_channels == 12 and full.module.Sub().embed.out_channels == 8


def test_a_pair_that_is_the_image_is_its_size_under_any_name(tmp_path: Path) -> None:
    text = VIT.replace("img_size=64", "crop=(128, 128), dims=(64, 64)").replace("img_size", "crop")
    full = found(tmp_path, text, "1x3x128x128")
    small = resizing.small(full)
    assert small.overrides["crop"] == (96, 64) and small.input == "1x3x96x64"
    assert [s.overrides["crop"] for s in resizing.second_size(small, rebuild=True)][0] == (160, 96)
    assert not [s for others in resizing.sized(full) for s in others if "crop" in s.overrides]


def test_overrides_that_were_json_in_between_are_tuples_where_the_constructor_gets_tuples(tmp_path: Path) -> None:
    text = SIMPLE.replace("in_chans=3", "size=(64, 64), dims=[8, 16], in_chans=3")
    text = text.replace("made = in_chans", "made = size, dims")
    full = found(tmp_path, text, "1x3x64x64")
    small = dataclasses.replace(full, overrides={"size": [96, 64], "dims": (4, 8)})
    assert small.model().made == ((96, 64), [4, 8])


STAGES = HEAD + """
from dataclasses import dataclass


@dataclass(frozen=True)
class Config:
    depths: tuple = (3, 5)
    channels: tuple = (8, 16)


class Odd(nn.Conv2d):
    pass


class Net(nn.Module):
    def __init__(self, config=Config(), blocks=None, **kwargs):
        super().__init__()
        blocks = blocks or [[{"kind": nn.Conv2d, "width": 8}] * 4, [{"kind": nn.Conv2d, "width": 8}] * 2 + [LAST]]
        self.stem = nn.Conv2d(3, 8, 4, 4)
        self.body = nn.Sequential(*[
            nn.Sequential(*[block["kind"](8, block["width"], 1) for block in stage]) for stage in blocks
        ])
        self.tail = nn.Sequential(*[nn.ReLU() for _ in range(sum(config.depths) + kwargs.get("depth", 0))])

    def forward(self, x):
        return self.tail(self.body(self.stem(x))).mean((2, 3))


def net():
    return Net(Config(), [[{"kind": nn.Conv2d, "width": 8}] * 4, [{"kind": nn.Conv2d, "width": 8}] * 2 + [LAST]], depth=7)
"""
PLAIN, ODD = (STAGES.replace("LAST", f'{{"kind": {kind}, "width": 8}}') for kind in ("nn.Conv2d", "Odd"))


def test_fewer_blocks_of_a_list_of_stages_of_a_configuration_and_of_further_arguments(tmp_path: Path) -> None:
    full = found(tmp_path, PLAIN, builds=("net()",))
    small = resizing.small(full)
    model = small.model()
    assert [len(stage) for stage in model.body] == [2, 2] and len(model.tail) == 2 + 2 + 2
    again = dataclasses.replace(small, overrides=json.loads(json.dumps(small.overrides)))  # as a plan carries it
    assert str(again.model()) == str(model)
    assert resizing.short_only(small.overrides) == small.overrides and resizing.narrow_only(small.overrides) == {}
    assert [len(stage) for stage in full.model().body] == [4, 3], "the lists of the file are as they were"


def test_blocks_stay_where_one_further_down_is_of_a_class_of_its_own(tmp_path: Path) -> None:
    model = resizing.small(found(tmp_path, ODD, builds=("net()",))).model()
    assert [len(stage) for stage in model.body] == [4, 3] and len(model.tail) == 3 + 5 + 2


@pytest.mark.parametrize(
    "value", [3, "3", None, (2, 1), [[1, 2, 3]], {"rate": 3}, {"depth": 2}, [[{}], [{}, {}]], (), {"depths": (2, True)}, int]
)
def test_what_says_no_number_of_blocks_is_left_as_it_is(value: Any) -> None:
    assert shortening.shorter(value) is value
