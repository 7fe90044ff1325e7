"""What a model costs: counts against sums by hand, published numbers and torch's own tracker; what fails is a reason."""

from __future__ import annotations

import copy
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from codegen import catalogue
from codegen.sweeps import rows
from codegen.worker import costing, counting, models, timing
from codegen.worker.counting import Built
from codegen.worker.subject import Plan, Subject

PUBLISHED = {  # of papers: multiply-adds in billions, as many digits as they print, and where
    "mobilenetv2_100": (0.300, "MobileNetV2"),
    "deit_small_patch16_224": (4.6, "Swin, table 1"),
    "swin_tiny_patch4_window7_224": (4.5, "Swin, table 1"),
    "convnext_tiny": (4.5, "ConvNeXt, table 1"),
}
TORCHVISION = ("resnet18", "resnet50", "vit_b_16", "convnext_tiny", "mobilenet_v2")


def built(make: Callable[[], nn.Module], *shape: int) -> Built:
    """A model from a function, fed with one tensor."""

    def model(device: str) -> nn.Module:
        with torch.device("cpu" if device == "cpu" else "meta"):
            return make()

    def inputs(device: str, batch: int) -> Any:
        return (torch.zeros(batch, *shape, device="cpu" if device == "cpu" else "meta"),), {}

    return Built(model, inputs)


class Attention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.qkv = nn.Linear(16, 48)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        q, k, v = self.qkv(x).unflatten(-1, (3, 4, 4)).permute(2, 0, 3, 1, 4)
        return F.scaled_dot_product_attention(q, k, v)


class Looks(nn.Module):
    """It cannot run without numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = Attention()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.inner(x) * (2 if x.sum().item() > 0 else 1)


# --- FLOPs: a multiply-add is two -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "shape", "wanted"),
    [
        (lambda: nn.Linear(8, 3), (8,), 2 * 8 * 3),
        (lambda: nn.Conv2d(3, 6, 3, padding=1, groups=3), (3, 5, 7), 2 * 5 * 7 * 6 * 9),
        (lambda: nn.Conv2d(4, 6, 3, stride=2, padding=1), (4, 8, 8), 2 * 4 * 4 * 6 * 4 * 9),
        (lambda: nn.Sequential(nn.BatchNorm2d(3), nn.ReLU(), nn.AdaptiveAvgPool2d(1)), (3, 4, 4), 0),
        (Attention, (10, 16), 2 * 10 * 16 * 48 + 2 * 2 * 4 * 10 * 10 * 4),
        (Looks, (10, 16), 2 * 10 * 16 * 48 + 2 * 2 * 4 * 10 * 10 * 4),  # with real numbers, where kernels are fused
        (lambda: nn.MultiheadAttention(16, 4), None, 2 * 10 * (16 * 48 + 16 * 16) + 2 * 2 * 10 * 10 * 16),
        (lambda: nn.GRU(5, 6, batch_first=True), (7, 5), 2 * 7 * 3 * 6 * (5 + 6)),
    ],
)
def test_flops_by_hand(make: Callable[[], nn.Module], shape: tuple[int, ...] | None, wanted: int) -> None:
    made = built(make, *(shape or ()))
    if shape is None:
        made = Built(made.model, lambda device, batch: ((torch.zeros(batch, 10, 16).transpose(0, 1).to(device),) * 3, {}))
    assert counting.flops(made) == wanted


C, H, W, HIDDEN = 64, 6, 5, 4
CATALOGUE = {  # of a map of C x H x W, in multiply-adds
    "se": 2 * C * HIDDEN,
    "eca": C * 3,
    "cbam": 2 * 2 * C * HIDDEN + H * W * 2 * 49,
    "coord": 2 * (H + W) * C * 8,
    "simam": 0,
    "lka": H * W * C * (25 + 49 + C),
    "gc": 2 * H * W * C + 2 * C * HIDDEN,
}


@pytest.mark.parametrize("name", CATALOGUE)
def test_flops_of_the_catalogue_by_hand(name: str) -> None:
    entry = next(each for each in catalogue.entries() if each.name == name)
    given: dict[str, Any] = {}
    exec("from __future__ import annotations\nimport math\nimport torch\nfrom torch import nn\n" + entry.source("NCHW"), given)
    assert counting.flops(built(lambda: given[entry.class_name](C), C, H, W)) == 2 * CATALOGUE[name]


@pytest.mark.slow
@pytest.mark.parametrize("name", TORCHVISION)
def test_flops_of_torchvision_are_those_that_it_publishes(name: str) -> None:
    import torchvision

    published = torchvision.models.get_model_weights(name).DEFAULT.meta["_ops"]
    found = counting.flops(built(lambda: torchvision.models.get_model(name), 3, 224, 224)) / 2e9
    assert found == pytest.approx(published, abs=5.1e-4)  # three decimals are published


@pytest.mark.slow
@pytest.mark.parametrize("name", PUBLISHED)
def test_flops_of_timm_are_those_of_the_papers(name: str) -> None:
    import timm

    found = counting.flops(built(lambda: timm.create_model(name), 3, 224, 224)) / 2e9
    assert found == pytest.approx(PUBLISHED[name][0], abs=0.05 if PUBLISHED[name][0] > 1 else 0.001)


# --- memory -----------------------------------------------------------------------------------------------------------


def mlp() -> nn.Module:
    return nn.Sequential(nn.Linear(100, 200), nn.ReLU(), nn.Linear(200, 50))


def test_memory_by_hand() -> None:
    hidden, output = 8 * 200 * 4, 8 * 50 * 4  # bytes
    # behind the loss and its gradient (4 bytes each): the output, what the ReLU keeps, its gradient, and that before the ReLU
    assert counting.memory(built(mlp, 100), 8) == output + 3 * hidden + 2 * 4
    assert counting.memory(built(mlp, 100), 16) == 2 * (output + 3 * hidden) + 2 * 4


def test_memory_without_arithmetic_is_that_of_real_numbers() -> None:
    convolution = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8))
    for make, shape in ((mlp, (100,)), (Attention, (10, 16)), (lambda: copy.deepcopy(convolution), (3, 9, 9))):
        made = built(make, *shape)
        assert counting.memory(made) == counting.step_memory(made.model("cpu"), made.inputs("cpu", 2)) > 0


def test_memory_of_a_model_that_looks_at_numbers() -> None:
    looks, plain = (counting.memory(built(make, 10, 16)) for make in (Looks, Attention))
    assert looks > plain


def test_memory_is_what_the_tracker_of_torch_sees() -> None:
    """It counts parameters, gradients and input, too: beside it everything that lives."""
    tracker = pytest.importorskip("torch.distributed._tools.mem_tracker")
    model, x = mlp(), torch.zeros(8, 100)
    with (watch := tracker.MemTracker()):
        watch.track_external(model, x)
        counting.train(model, ((x,), {}))
    (seen,) = watch.get_tracker_snapshot("peak").values()
    model.zero_grad()
    live = counting._Live([])
    live._note([*model.parameters(), x])
    with live:
        counting.train(model, ((x,), {}))
    assert live.peak([]) == seen["Total"]


def test_checkpointing_saves_memory() -> None:
    from torch.utils.checkpoint import checkpoint

    class Deep(nn.Module):
        def __init__(self, saves: bool) -> None:
            super().__init__()
            self.saves = saves
            self.layers = nn.ModuleList(nn.Sequential(nn.Linear(32, 32), nn.GELU(), nn.Linear(32, 32)) for _ in range(4))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            for layer in self.layers:
                x = checkpoint(layer, x, use_reentrant=False) if self.saves else layer(x)
            return x

    plain, saving = (counting.memory(built(lambda saves=saves: Deep(saves), 64, 32)) for saves in (False, True))
    assert saving < 0.75 * plain


# --- time -------------------------------------------------------------------------------------------------------------


def test_the_rounds_go_forwards_and_backwards(monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[str] = []
    now = [0.0]

    def call(name: str, seconds: float) -> Callable[[], None]:
        def run() -> None:
            order.append(name)
            now[0] += seconds

        return run

    monkeypatch.setattr(timing.time, "perf_counter", lambda: now[0])
    base, variant = timing.paired([call("A", 1.0), call("B", 1.5)], 4)
    assert "".join(order) == "ABABAB" + "ABBAABBA"
    assert base.ratio == (1.0, 1.0, 1.0) and variant.ratio == pytest.approx((1.5, 1.5, 1.5))
    assert variant.seconds == pytest.approx((1.5, 1.5, 1.5))
    order.clear()
    short, _ = timing.paired([call("A", 0.001), call("B", 1.0)], 1)
    assert "".join(order) == "ABABAB" + "AAAAAB"  # as long as SHORTEST
    assert short.seconds[1] == pytest.approx(0.001)


def test_a_disturbance_is_in_both_of_a_pair(monkeypatch: pytest.MonkeyPatch) -> None:
    now, count = [0.0], [0]

    def call(seconds: float) -> Callable[[], None]:
        def run() -> None:
            now[0] += seconds * (1 + count[0] // 2)  # each round is slower than the one before
            count[0] += 1

        return run

    monkeypatch.setattr(timing.time, "perf_counter", lambda: now[0])
    base, variant = timing.paired([call(1.0), call(1.1)], 9)
    assert variant.ratio == pytest.approx((1.1, 1.1, 1.1))
    assert base.seconds[2] > 1.3 * base.seconds[0]


def test_quartiles() -> None:
    assert timing.quartiles([3.0]) == (3.0, 3.0, 3.0)
    assert timing.quartiles([1.0, 2.0, 3.0, 4.0, 5.0]) == (2.0, 3.0, 4.0)


def test_threads_are_set_back() -> None:
    before = torch.get_num_threads()
    with pytest.raises(ValueError), timing.threads(before + 1):
        assert torch.get_num_threads() == before + 1
        raise ValueError
    assert torch.get_num_threads() == before


# --- a base and a variant ---------------------------------------------------------------------------------------------

NET = """import torch
from torch import nn


class Net(nn.Module):
    def __init__(self, dim=8):
        super().__init__()
        self.stem = nn.Conv2d(3, dim, 3, padding=1)
        {init}

    def forward(self, x):
        x = self.stem(x)
        {call}
        return x
"""
VARIANT = {"init": "self.more = nn.Conv2d(dim, dim, 1)", "call": "x = self.more(x)"}
OPAQUE = {"init": "pass", "call": "x = x * (1 if float(x.sum()) > 0 else 2)"}  # torch.export cannot follow it
BROKEN = {"init": "pass", "call": "raise RuntimeError('not here')"}


def subject(folder: Path, base: dict[str, str], variant: dict[str, str]) -> Subject:
    modules = []
    for name, code in (("costed_base", base), ("costed_variant", variant)):
        path = folder / f"{name}.py"
        path.write_text(NET.format(**code))
        sys.modules.pop(name, None)
        modules.append(models.import_file(path, name))
    plan = Plan("Net()", "Net()", "Net", "stem", "more", "Conv2d", "after", "1x3x8x8")
    return Subject(plan, *modules)


PLAIN = {"init": "pass", "call": "pass"}


def test_costs_of_a_pair(tmp_path: Path) -> None:
    pair = subject(tmp_path, PLAIN, VARIANT)
    costs = rows.costs(costing.measure(pair, ("flops", "memory", "latency")))
    stem = 2 * 64 * 8 * 27
    assert costs.flops == (stem, stem + 2 * 64 * 64) and costs.memory and costs.memory[1] > costs.memory[0]
    assert costs.latency and costs.ratio and min(costs.latency) > 0 and [*costs.ratio] == sorted(costs.ratio)
    assert costs.export == "" and costs.reasons == ()
    assert {"flops", "memory", ("timed", "cpu")} <= {*pair.of_base}  # made once for all variants of the base
    nothing = dict.fromkeys(("flops", "memory", "latency", "ratio"))
    assert costing.measure(pair, ()) == {**nothing, "export": "", "reasons": []}


def test_what_cannot_be_measured_is_a_reason(tmp_path: Path) -> None:
    found = costing.measure(subject(tmp_path, PLAIN, BROKEN), ("flops", "memory", "latency"))
    assert [found[name] for name in ("flops", "memory", "latency", "ratio")] == [None] * 4
    assert found["reasons"] == [f"{name}: RuntimeError: not here" for name in ("flops", "memory", "latency")]
    if not torch.cuda.is_available():
        found = costing.measure(subject(tmp_path, PLAIN, VARIANT), ("flops", "memory", "latency"), "cuda")
        assert found["flops"] and found["reasons"] == [f"{name}: torch sees no GPU here" for name in ("memory", "latency")]


def test_export_is_judged_beside_the_base(tmp_path: Path) -> None:
    def said(base: dict[str, str], variant: dict[str, str]) -> tuple[str, list[str]]:
        found = costing.measure(subject(tmp_path, base, variant), ("export",))
        return found["export"], [reason.partition(":")[0] for reason in found["reasons"]]

    assert said(PLAIN, VARIANT) == ("passed", [])
    assert said(PLAIN, OPAQUE) == ("failed", ["export"])
    assert said(OPAQUE, OPAQUE) == ("skipped", ["export"])


@pytest.mark.slow
def test_latency_of_compiled_models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pair = subject(tmp_path, PLAIN, VARIANT)
    found = costing.measure(pair, ("latency",), compiled=True)
    assert found["latency"] and found["ratio"], found["reasons"]
    monkeypatch.setattr(torch, "compile", no_compiler)
    found = costing.measure(pair, ("latency",), compiled=True)
    assert found["latency"] is None and found["reasons"] == ["latency: RuntimeError: no C++ compiler"]


def no_compiler(model: nn.Module) -> None:
    raise RuntimeError("no C++ compiler")
