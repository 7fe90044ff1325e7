"""A whole trace of small files: what is known of every module, on every path, and where it is called."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch")

from codegen.traced import Layout, Trace, TracedModule, Width  # noqa: E402
from codegen.worker import models  # noqa: E402
from codegen.worker import trace as tracing  # noqa: E402

VIT = """
import torch
from torch import nn
from torch.utils.checkpoint import checkpoint


class Block(nn.Module):
    def __init__(self, dim, hidden):
        super().__init__()
        self.norm = nn.LayerNorm(dim)
        self.mlp = nn.Sequential(nn.Linear(dim, hidden), nn.GELU(), nn.Linear(hidden, dim))

    def forward(self, x):
        return x + self.mlp(self.norm(x))


class Embed(nn.Module):
    def __init__(self, size, patch, dim):
        super().__init__()
        size = size if isinstance(size, tuple) else (size, size)
        self.grid_size = (size[0] // patch, size[1] // patch)
        self.proj = nn.Conv2d(3, dim, patch, patch)

    def forward(self, x):
        return self.proj(x).flatten(2).transpose(1, 2)


class Vit(nn.Module):
    def __init__(self, img_size=128, patch=16, dim=8, depth=3, mlp_ratio=4, num_classes=10, device=None, dtype=None):
        super().__init__()
        self.patch_embed = Embed(img_size, patch, dim)
        self.cls = nn.Parameter(torch.zeros(1, 1, dim))
        rows, columns = self.patch_embed.grid_size
        self.position = nn.Parameter(torch.zeros(1, rows * columns, dim))
        self.blocks = nn.Sequential(*[Block(dim, dim * mlp_ratio) for _ in range(depth)])
        self.norm = nn.LayerNorm(dim)
        self.spare = nn.Linear(dim, dim)
        self.head = nn.Linear(dim, num_classes)
        self.checkpointing = False

    def set_grad_checkpointing(self, enable=True):
        self.checkpointing = enable

    def embed(self, x):
        x = self.patch_embed(x) + self.position
        return torch.cat([self.cls.expand(len(x), -1, -1), x], 1)

    def forward_features(self, x):
        x = self.embed(x)
        if torch.jit.is_scripting():
            x = self.blocks(x)
        elif self.checkpointing:
            for blk in self.blocks:
                x = checkpoint(blk, x, use_reentrant=False)
        else:
            x = self.blocks(x)
        return self.norm(x)

    def forward_intermediates(self, x, norm=False, intermediates_only=False):
        x, found = self.embed(x), []
        for blk in self.blocks:
            x = blk(x)
            found.append(self.norm(x) if norm else x)
        return found if intermediates_only else (self.norm(x), found)

    def forward(self, x):
        return self.head(self.forward_features(x)[:, 0])
"""
RESNET = """
from torch import nn


class Block(nn.Module):
    expansion = 3

    def __init__(self, inplanes, planes, stride=1):
        super().__init__()
        out = planes * self.expansion
        self.conv1 = nn.Conv2d(inplanes, planes, 3, stride, 1)
        self.act = nn.ReLU()
        self.conv2 = nn.Conv2d(planes, out, 1)
        self.down = nn.Conv2d(inplanes, out, 1, stride) if stride > 1 or inplanes != out else None

    def forward(self, x):
        y = self.act(self.conv2(self.act(self.conv1(x))))
        return y + (x if self.down is None else self.down(x))


class ResNet(nn.Module):
    def __init__(self, block, layers, width=8, num_classes=10):
        super().__init__()
        self.inplanes = width
        self.conv1 = nn.Conv2d(3, width, 3, 2, 1)
        self.layer1 = self._make_layer(block, width, layers[0])
        self.layer2 = self._make_layer(block, width * 2, layers[1], 2)
        self.stages = nn.ModuleList([self._make_layer(block, 8, 1), self._make_layer(block, 16, 1)])
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(16 * block.expansion, num_classes)

    def _make_layer(self, block, planes, count, stride=1):
        made = [block(self.inplanes, planes, stride)]
        self.inplanes = planes * block.expansion
        return nn.Sequential(*made, *[block(self.inplanes, planes) for _ in range(1, count)])

    def forward(self, x):
        x = self.layer2(self.layer1(self.conv1(x)))
        for stage in self.stages:
            x = stage(x)
        return self.fc(self.pool(x).flatten(1))


def resnet_small():
    return ResNet(Block, [2, 3])


def resnet_wide():
    return ResNet(Block, [2, 3], width=12)


def main():
    raise SystemExit("never called")
"""

GRID = "self.patch_embed.grid_size"


def traced(folder: Path, text: str, **request: str) -> Trace:
    path = folder / "trace_net.py"
    path.write_text(text)
    file = {"path": str(path), "module": "", "root": ""}
    empty = dict.fromkeys(("entry", "host", "build", "input", "library", "wanted"), "")
    before = list(sys.path)
    try:
        return tracing.trace({"file": file, "text": text, **empty, **request})
    finally:
        sys.path[:] = before


@pytest.fixture(scope="module")
def vit(tmp_path_factory: pytest.TempPathFactory) -> Trace:
    return traced(tmp_path_factory.mktemp("vit"), VIT)


@pytest.fixture(scope="module")
def resnet(tmp_path_factory: pytest.TempPathFactory) -> Trace:
    return traced(tmp_path_factory.mktemp("resnet"), RESNET)


def module(trace: Trace, name: str) -> TracedModule:
    return next(m for m in trace.modules if m.name == name)


def lines(trace: Trace, name: str, path: str, text: str) -> set[str]:
    """The lines of the source that called a module on a path."""
    return {text.splitlines()[c.span.line - 1].strip() for c in trace.calls if c.module == name and c.path == path}


def test_how_the_model_was_built_and_what_a_small_one_takes(vit: Trace, resnet: Trace) -> None:
    assert (vit.build, vit.input, vit.device) == ("Vit()", "1x3x128x128", "meta")
    assert (resnet.build, resnet.input) == ("resnet_small()", "1x3x224x224")
    small = json.loads(vit.small)
    assert small == {"overrides": {"depth": 2, "img_size": [96, 64]}, "input": "1x3x96x64", "second": ""}
    assert json.loads(resnet.small) == {"overrides": {"layers": [2, 2]}, "input": "1x3x96x64", "second": "1x3x288x256"}
    assert vit.taps == resnet.taps == () and vit.other_build == ""


@pytest.mark.parametrize(
    ("name", "shape", "layout", "width"),
    [
        ("patch_embed", (2, 64, 8), Layout("NLC", 0, (8, 8), GRID), Width("dim", 8, "name")),
        ("patch_embed.proj", (2, 8, 8, 8), Layout("NCHW"), Width("dim", 8, "name")),
        ("blocks", (2, 65, 8), Layout("NLC", 1, (8, 8), GRID), Width("dim", 8, "name")),
        ("blocks.2.mlp", (2, 65, 8), Layout("NLC", 1, (8, 8)), Width("dim", 8, "name")),
        ("blocks.0.mlp.1", (2, 65, 32), Layout("NLC", 1, (8, 8)), Width("hidden", 32, "name")),
        ("norm", (2, 65, 8), Layout("NLC", 1, (8, 8), GRID), Width("dim", 8, "name")),
        ("head", (2, 10), Layout("NC"), Width("num_classes", 10, "name")),
    ],
)
def test_tokens(vit: Trace, name: str, shape: tuple[int, ...], layout: Layout, width: Width | None) -> None:
    check(module(vit, name), shape, layout, width)


@pytest.mark.parametrize(
    ("name", "shape", "layout", "width"),
    [
        ("conv1", (2, 8, 112, 112), Layout("NCHW"), Width("width", 8, "name")),
        pytest.param(
            "layer1",
            (2, 24, 112, 112),
            Layout("NCHW"),
            Width("width * block.expansion", 24, "attribute"),
        ),
        ("layer1.1.conv1", (2, 8, 112, 112), Layout("NCHW"), Width("planes", 8, "name")),
        ("layer1.1.conv2", (2, 24, 112, 112), Layout("NCHW"), Width("out", 24, "name")),
        ("pool", (2, 48, 1, 1), Layout("NCHW"), Width("16 * block.expansion", 48, "attribute")),
        ("stages", (2, 48, 56, 56), Layout("NCHW"), Width("16 * block.expansion", 48, "attribute")),
    ],
)
def test_maps(resnet: Trace, name: str, shape: tuple[int, ...], layout: Layout, width: Width | None) -> None:
    check(module(resnet, name), shape, layout, width)


def check(seen: TracedModule, shape: tuple[int, ...], layout: Layout, width: Width | None) -> None:
    assert (seen.output_shape, seen.after) == (shape, layout)
    found = seen.width_after and (seen.width_after.expr, seen.width_after.value, seen.width_after.kind)
    assert found == (width and (width.expr, width.value, width.kind))


@pytest.mark.parametrize(
    ("name", "path", "expected"),
    [
        ("blocks", "forward", {"x = self.blocks(x)"}),
        ("blocks.1", "forward_intermediates", {"x = blk(x)"}),
        ("blocks.1", "forward (checkpointing)", {"x = checkpoint(blk, x, use_reentrant=False)"}),
        ("blocks", "forward_intermediates", set()),
        ("norm", "forward_features", {"return self.norm(x)"}),
        ("norm", "forward_intermediates (intermediates_only)", set()),
        ("spare", "forward", set()),
    ],
)
def test_calls_on_several_paths(vit: Trace, name: str, path: str, expected: set[str]) -> None:
    assert path in vit.paths and lines(vit, name, path, VIT) == expected


DEEP = VIT.replace("depth=3", "depth=6").replace(
    "norm=False, intermediates_only=False):\n",
    "indices=(1, 3, 5)):\n        intermediates_only = norm = False\n        self.blocks[max(indices)]\n",
)


def test_a_path_that_only_the_full_model_can_run_is_traced(tmp_path: Path) -> None:
    assert "forward_intermediates" in traced(tmp_path, DEEP, wanted="blocks").paths


def test_twins_are_no_business_of_a_trace(vit: Trace) -> None:
    scripting = VIT.splitlines().index("        if torch.jit.is_scripting():") + 2
    assert all(c.path in vit.paths and c.span.line != scripting for c in vit.calls)
    assert {"forward", "forward (train)", "forward_features", "forward (checkpointing)"} <= set(vit.paths)
    assert "forward_head" not in vit.paths


def test_how_often_a_module_runs_in_one_forward(vit: Trace, resnet: Trace) -> None:
    calls = {name: module(vit, name).calls for name in ("patch_embed", "blocks", "blocks.2", "spare")}
    assert calls == {"patch_embed": 1, "blocks": 1, "blocks.2": 1, "spare": 0}
    assert module(resnet, "layer1.0.act").calls == 2
    assert module(resnet, "stages").calls == 0 and module(resnet, "stages").output_shape  # run element by element


def test_a_module_that_sees_tensors_of_different_widths_is_mixed(resnet: Trace) -> None:
    mixed = {m.name for m in resnet.modules if m.mixed}
    assert mixed == {m.name for m in resnet.modules if m.name.endswith(".act")}


ASKED = """
import torch
from torch import nn


class Head(nn.Module):
    def __init__(self, dim, classes):
        super().__init__()
        self.fc = nn.Linear(dim, classes)

    def forward(self, x, pre_logits=False):
        x = x.mean((2, 3))
        return x if pre_logits else self.fc(x)


class Base(nn.Module):
    def __init__(self, dim=16, classes=10):
        super().__init__()
        self.stem = nn.Conv2d(3, dim, 4, 4)
        self.head = Head(dim, classes)

    def forward_features(self, x):
        return self.stem(x)

    def forward_head(self, x, pre_logits=False):
        return self.head(x, pre_logits=True) if pre_logits else self.head(x)

    def forward(self, x):
        return self.forward_head(self.forward_features(x))


class Wide(Base):
    def __init__(self, classes=10):
        super().__init__(32, classes)
"""


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Trace:
    return traced(tmp_path_factory.mktemp("asked"), ASKED)


def test_an_element_of_torchs_own_container_has_its_width_in_the_names_of_the_object_that_holds_that(vit: Trace) -> None:
    assert (width := module(vit, "blocks.1").width_after) and (width.expr, width.value) == ("dim", 8)


def test_a_call_that_gives_another_width_than_in_forward_is_a_misfit(asked: Trace) -> None:
    calls = {c.path: c.misfits for c in asked.calls if c.module == "head"}
    assert calls["forward"] == calls["forward_head"] == () and calls["forward_head (pre_logits)"] == ("after",)
    assert module(asked, "head").mixed == ()


def test_what_inherited_code_runs_is_of_the_class_that_has_the_code(asked: Trace) -> None:
    assert asked.build == "Wide()" and module(asked, "stem").runner == module(asked, "head").runner == "Base"
    assert module(asked, "head.fc").runner == ""
    assert {h.name: (h.inherited, h.instances) for h in asked.hosts} == {
        "Wide": (False, ("",)),
        "Head": (False, ("head",)),
        "Base": (True, ("",)),
    }
    assert module(asked, "stem").width_after == Width("dim", 32, "name")


def test_the_host_and_the_classes_inside_it(vit: Trace) -> None:
    hosts = {h.name: h for h in vit.hosts}
    assert next(iter(hosts)) == "Vit" and set(hosts) == {"Vit", "Embed", "Block"}
    assert hosts["Block"].instances == ("blocks.0", "blocks.1", "blocks.2") and hosts["Vit"].instances == ("",)
    assert hosts["Vit"].factory == "device=device, dtype=dtype" and hosts["Block"].factory == ""
    assert VIT.splitlines()[hosts["Vit"].line - 1].strip().startswith("def __init__")


def test_only_the_site_that_is_wanted_is_looked_into(tmp_path: Path) -> None:
    wanted = traced(tmp_path, VIT, wanted="blocks.*.mlp", build="Vit(depth=2)")
    known = {m.name for m in wanted.modules if m.width_after or m.after.kind}
    assert known == {"blocks.0.mlp", "blocks.1.mlp"} and wanted.build == "Vit(depth=2)"
    assert {m.name for m in wanted.modules} >= {"head", "blocks.1.norm"}


AUXILIARY = """
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self, width=8, num_classes=10):
        super().__init__()
        self.stem = nn.Conv2d(3, width, 3, padding=1)
        self.act = nn.ReLU(inplace=True)
        self.aux = nn.Conv2d(width, num_classes, 1)
        self.fc = nn.Linear(width, num_classes)

    def forward(self, x):
        x = self.act(self.stem(x))
        y = self.fc(x.mean((2, 3)))
        return (y, self.aux(x).mean((2, 3))) if self.training else y
"""


@pytest.fixture(scope="module")
def auxiliary(tmp_path_factory: pytest.TempPathFactory) -> Trace:
    return traced(tmp_path_factory.mktemp("auxiliary"), AUXILIARY)


def test_what_runs_in_training_only_is_measured_there(auxiliary: Trace) -> None:
    seen = module(auxiliary, "aux")
    assert seen.calls == 0 and seen.after == Layout("NCHW")
    assert seen.width_after is not None and seen.width_after.expr == "num_classes"
    assert {call.path for call in auxiliary.calls if call.module == "aux"} == {"forward (train)"}


def test_what_changes_its_input_says_so(auxiliary: Trace) -> None:
    assert [m.name for m in auxiliary.modules if m.in_place] == ["act"]


def test_settings_and_keys_of_what_a_name_means(tmp_path: Path) -> None:
    stem = module(traced(tmp_path, AUXILIARY, wanted="stem"), "stem")
    assert dict(stem.settings)["padding"] == "1" and stem.keys == ("weight", "bias")

SISTERS = """
from types import SimpleNamespace

from torch import nn


class Net(nn.Module):
    def __init__(self, cfg):
        super().__init__()
        widths = cfg.stem if isinstance(cfg.stem, tuple) else (cfg.stem,)
        sizes = zip((3, *widths), widths)
        self.stem = nn.Sequential(*[nn.Conv2d(a, b, 3, 2, 1) for a, b in sizes])
        width = widths[-1]
        if cfg.features:
            self.features = cfg.features
            self.last = nn.Conv2d(width, cfg.features, 1)
        else:
            self.features = width
            self.last = nn.Identity()

    def forward(self, x):
        return self.last(self.stem(x))


def net():
    return Net(SimpleNamespace(stem=8, features=24))


def net_big():
    return Net(SimpleNamespace(stem=16, features=48))


def net_large():
    return Net(SimpleNamespace(stem=32, features=96))


def net_huge():
    return Net(SimpleNamespace(stem=64, features=192))


def net_giant():
    return Net(SimpleNamespace(stem=128, features=384))


def net_deep():
    return Net(SimpleNamespace(stem=(16, 40), features=0))
"""


def test_widths_hold_in_the_entries_that_differ_most(tmp_path: Path) -> None:
    found = {module.name: module for module in traced(tmp_path, SISTERS).modules}
    widths = [found[name].width_after for name in ("stem", "last")]
    assert [width and width.expr for width in widths] == ["width", "self.features"]


CLIP = """
from torch import nn


class Clip(nn.Module):
    def __init__(self, dim=48, num_classes=10):
        super().__init__()
        self.embed = nn.Conv3d(3, dim, (1, 16, 16), (1, 16, 16))
        self.norm = nn.LayerNorm(dim)
        self.head = nn.Linear(dim, num_classes)

    def forward(self, x):
        x = self.embed(x).flatten(2).transpose(1, 2)
        return self.head(self.norm(x).mean(1))
"""


def test_tokens_of_a_clip_have_no_rows_and_columns(tmp_path: Path) -> None:
    """4 frames of 4 x 4 tokens are 64, which a square image of 8 x 8 would give too."""
    clip = traced(tmp_path, CLIP, input="1x3x4x64x64")
    assert module(clip, "norm").after == Layout("NLC", 0, None)

CONFIGURED = """
from dataclasses import dataclass
from torch import nn


@dataclass(frozen=True)
class Config:
    image_size: int = 64
    hidden_size: int = 64
    heads: int = 64


class Net(nn.Module):
    def __init__(self, config=Config()):
        super().__init__()
        self.image_size = (config.image_size, config.image_size)
        self.embed = nn.Conv2d(3, config.hidden_size, 16, 16)

    def forward(self, x):
        return self.embed(x)
"""


def test_a_width_is_told_by_changing_the_fields_of_a_configuration(tmp_path: Path) -> None:
    """In the build as it is, three fields and an image are as large."""
    net = traced(tmp_path, CONFIGURED, input="1x3x64x64")
    width = module(net, "embed").width_after
    assert width is not None and (width.expr, width.builds > 1) == ("config.hidden_size", True)


FLAGGED = """
from torch import nn


class Net(nn.Module):
    def __init__(self, dim=64, classes=40, flat=True):
        super().__init__()
        self.flat = flat
        self.patch_embed = Patches(dim, flat)
        self.blocks = nn.Sequential(*[nn.Linear(dim, dim) for _ in range(3)])
        self.head = nn.Linear(dim, classes)

    def forward(self, x):
        x = self.patch_embed(x)
        x = x if self.flat else x.flatten(1, 2)
        return self.head(self.blocks(x).mean(1))


class Patches(nn.Module):
    def __init__(self, dim, flat):
        super().__init__()
        self.flat = flat
        self.proj = nn.Conv2d(3, dim, 8, 8)

    def forward(self, x):
        x = self.proj(x)
        return x.flatten(2).transpose(1, 2) if self.flat else x.permute(0, 2, 3, 1)
"""


def test_a_flag_that_turns_tokens_into_a_map_says_nothing_of_the_width(tmp_path: Path) -> None:
    found = module(traced(tmp_path, FLAGGED, build="Net()"), "patch_embed")
    assert found.after.kind == "NLC" and found.width_after is not None
    assert (found.width_after.expr, found.width_after.kind) == ("dim", "name")


def test_the_sites_of_a_model_of_a_library_are_told_from_the_same_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "traced_library.py").write_text(VIT)
    monkeypatch.syspath_prepend(tmp_path)
    file = {"path": str(tmp_path / "traced_library.py"), "module": "traced_library", "root": ""}
    request = {"file": file, "text": VIT, **dict.fromkeys(("entry", "host", "build", "input", "library"), "")}
    builds: list[str] = []
    build = models.build
    monkeypatch.setattr(models, "build", lambda *given: builds.append(given[1]) or build(*given))

    def fresh(site: str) -> Trace:
        tracing.LAST.clear()
        return tracing.trace({**request, "wanted": site})

    expected = {site: fresh(site) for site in ("patch_embed", "blocks.0", "blocks.*.mlp", "norm", "blocks.-1")}
    tracing.LAST.clear()
    tracing.trace({**request, "wanted": "patch_embed"})
    builds.clear()
    assert {site: tracing.trace({**request, "wanted": site}) for site in expected} == expected
    assert len(builds) <= 3, "only those that show what the model's construction leaves alone"
    whole = fresh("")  # with places between modules, which the others have not
    assert tracing.LAST == {} and any("@" in m.name for m in whole.modules)
