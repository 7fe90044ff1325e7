"""The contract's checks: a right variant passes all, and each check catches the variant that it is there for."""

from __future__ import annotations

import importlib.util
import itertools
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")

import torch  # noqa: E402

from codegen.worker import contract, models, registry, service  # noqa: E402
from codegen.worker.subject import Plan, Subject  # noqa: E402

BASE = """
import torch
from torch import nn
from torch.utils.checkpoint import checkpoint


class Net(nn.Module):
    def __init__(self, width=8, depth=3):
        super().__init__()
        self.grad_checkpointing = False
        self.stem = nn.Conv2d(3, width, 3, padding=1)
        self.norm = nn.BatchNorm2d(width)
        self.blocks = nn.Sequential(*[nn.Conv2d(width, width, 3, padding=1) for _ in range(depth)])
        self.head = nn.Linear(width, 5)
        self.apply(self.start)

    def start(self, module):
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            nn.init.trunc_normal_(module.weight, std=0.2)
            nn.init.zeros_(module.bias)

    def set_grad_checkpointing(self, enable=True):
        self.grad_checkpointing = enable

    def forward_features(self, x):
        x = self.norm(self.stem(x))
        if self.grad_checkpointing:
            for block in self.blocks:
                x = checkpoint(block, x, use_reentrant=False)
        else:
            x = self.blocks(x)
        return x

    def forward_intermediates(self, x, indices=None, stop_early=False, intermediates_only=False):
        x = self.norm(self.stem(x))
        found = []
        blocks = self.blocks[: indices[-1] + 1] if stop_early and indices else self.blocks
        for number, block in enumerate(blocks):
            x = block(x)
            found.append(x)
        return found if intermediates_only else (x, found)

    def forward_head(self, x, pre_logits=False):
        x = x.mean((2, 3))
        return x if pre_logits else self.head(x)

    def forward(self, x):
        return self.forward_head(self.forward_features(x))
"""

GATE = """

class Gate(nn.Module):
    def __init__(self, width, start=None):
        super().__init__()
        self.scale = nn.Sequential(nn.Conv2d(width, width, 1), nn.BatchNorm2d(width))
        self.drop = nn.Dropout(0.5)
        nn.init.constant_(self.scale[0].weight, 0.3)

    def forward(self, x):
        return x * self.drop(self.scale(x)).sigmoid()


class Net(nn.Module):"""

CALL = "        x = self.gate(x)\n"
MAKE = "        self.gate = Gate(width)\n"
GATES = "return x * self.drop(self.scale(x)).sigmoid()"
REGISTER = "        self.register_load_state_dict_post_hook(excuse)\n"
RELATIVE = "import torch\nif False:\n    from .layers import Mlp\n"
DROPPED = "x = self.stem(x)\n        self.gate(x)\n        x = self.norm(x)"
STEM = "x = self.norm(self.stem(x))"
HOOK = """
        self.head = nn.Linear(width, 5)
        self.apply(self.start)
        self.gate = Gate(width)
        self.register_load_state_dict_post_hook(excuse)
"""

EXCUSE = """

def excuse(module, result):
    new = {key for key in result.missing_keys if key.startswith("gate.") or ".gate." in key}
    needed = {key for key in module.gate.state_dict() if not key.endswith("num_batches_tracked")}
    if needed <= {key.rpartition("gate.")[2] for key in new}:
        result.missing_keys[:] = [key for key in result.missing_keys if key not in new]
"""

Edits = tuple[tuple[str, str], ...]

MADE: Edits = (
    ("\n\nclass Net(nn.Module):", EXCUSE + GATE),
    ("\n        self.head = nn.Linear(width, 5)\n        self.apply(self.start)\n", HOOK),
)
AFTER_STEM: Edits = (("self.norm(self.stem(x))", "self.norm(self.gate(self.stem(x)))"),)
BEFORE_NORM = AFTER_STEM
AFTER_BLOCKS: Edits = (
    ("            x = self.blocks(x)\n        return x", f"            x = self.blocks(x)\n{CALL}        return x"),
    ("            found.append", f"            if block is self.blocks[-1]:\n        {CALL}            found.append"),
)
PLAN = {
    "base_build": "Net()",
    "build": "Net()",
    "host": "Net",
    "site": "stem",
    "attribute": "gate",
    "class_name": "Gate",
    "operation": "after",
    "input": "1x3x12x12",
    "second_input": "1x3x16x16",
    "small": {"width": 4},
    "small_input": "1x3x8x8",
}

Make = Callable[..., Subject]
numbers = itertools.count()


def edited(text: str, edits: Edits) -> str:
    for old, new in edits:
        assert old in text, old
        text = text.replace(old, new)
    return text


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Tiny models: several threads only wait for each other."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """A subject of BASE and of BASE with edits."""

    def subject(*edits: tuple[str, str], base: str = BASE, **plan: Any) -> Subject:
        number = next(numbers)
        found = []
        for name, text in (("base", base), ("variant", edited(base, edits))):
            path = tmp_path / f"{name}_{number}.py"
            path.write_text(text, encoding="utf-8")
            found.append(models.import_file(path, path.stem))
        return Subject(Plan(**{**PLAN, **plan}), *found)

    return subject


def outcomes(subject: Subject) -> dict[str, tuple[str, str]]:
    return {result["name"]: (result["status"], result["detail"]) for result in contract.run(subject)}


def broken(subject: Subject) -> dict[str, str]:
    return {name: detail for name, (status, detail) in outcomes(subject).items() if status == "failed"}


@pytest.mark.parametrize(
    ("edits", "plan"),
    [
        (AFTER_STEM, {}),
        (BEFORE_NORM, {"site": "norm", "operation": "before"}),
        (AFTER_BLOCKS, {"site": "blocks"}),
        (((STEM, "x = self.gate(self.norm(self.stem(x)))"),), {"site": "blocks", "operation": "before"}),
        (AFTER_STEM, {"small": {}, "small_input": ""}),
    ],
    ids=["after", "before", "a container run whole, looped over and checkpointed", "before it", "no small build"],
)
def test_a_right_variant_passes(make: Make, edits: Edits, plan: dict[str, Any]) -> None:
    found = outcomes(make(*MADE, *edits, **plan))
    assert {name: outcome for name, outcome in found.items() if outcome[0] == "failed"} == {}
    assert [name for name, outcome in found.items() if outcome[0] == "skipped"] == ["identity"]
    assert list(found) == ["import", "shape", "placement", "paths", "weights", "seed", "init", "gradient", "identity"]


def test_details_name_what_was_looked_at(make: Make) -> None:
    found = outcomes(make(*MADE, *AFTER_BLOCKS, site="blocks"))
    detail = found["paths"][1]
    assert "forward (train), forward_features" in detail
    assert "forward_intermediates (checkpointing)" in detail
    assert "the site does not run: forward_head, forward_head (pre_logits), forward_intermediates (stop_early)" in detail
    assert found["shape"] == ("passed", "batch 1, batch 2, 1x3x16x16 (full size, meta)")


def test_a_path_that_the_base_cannot_run_is_not_a_failure(make: Make) -> None:
    base = BASE.replace("forward_head", "finish")
    base += "\n    def forward_head(self, x, pre_logits=False):\n        raise RuntimeError('no head')\n"
    status, detail = outcomes(make(*MADE, *AFTER_STEM, base=base))["paths"]
    assert status == "passed" and "not run by the base: forward_head (RuntimeError: no head)" in detail


# name: edits, plan, the check that catches it, words of its detail
WRONG: dict[str, tuple[Edits, dict[str, Any], str, str]] = {
    "a path is missed": (AFTER_BLOCKS[:1], {"site": "blocks"}, "paths", "gate runs 0 times, its site once"),
    "it runs where the site does not": (
        (AFTER_BLOCKS[0], ("            x = block(x)\n", "            x = block(x)\n            x = self.gate(x)\n")),
        {"site": "blocks"},
        "paths",
        "its site once",
    ),
    "the wrong tensor": (
        (("self.norm(self.stem(x))", "self.gate(self.norm(self.stem(x)))"),),
        {},
        "placement",
        "is not on what its site returned",
    ),
    "the result is dropped": (
        ((STEM, DROPPED),),
        {},
        "placement",
        "values differ",
    ),
    "an identity's result is dropped": (
        (
            (STEM, DROPPED),
            (GATES, "return x + 0 * self.scale(x)"),
        ),
        {"identity": True},
        "placement",
        "values differ",
    ),
    "a key moved": (
        (*AFTER_STEM, ("self.stem", "self.root")),
        {"site": "norm"},
        "weights",
        "stem.weight of the base is not in",
    ),
    "strict load refused": ((*AFTER_STEM, (REGISTER, "")), {}, "weights", "refused with strict=True"),
    "nested load refused": (
        (*AFTER_STEM, (' or ".gate." in key', "")),
        {},
        "weights",
        "refused where the variant is part of another module",
    ),
    "damage accepted": (
        (*AFTER_STEM, ("if needed <=", "if new or")),
        {},
        "weights",
        "accepted with strict=True",
    ),
    "any checkpoint accepted": (
        (*AFTER_STEM, ("    new = {", "    result.missing_keys.clear()\n    new = {")),
        {},
        "weights",
        "without stem.weight is accepted",
    ),
    "made first": (
        (*AFTER_STEM, (MAKE, ""), ("        self.stem =", MAKE + "        self.stem =")),
        {},
        "seed",
        "seed 0: ",
    ),
    "its init is lost": (
        (*AFTER_STEM, (MAKE, MAKE + "        self.apply(self.start)\n")),
        {},
        "init",
        "gate: scale.0.weight",
    ),
    "no gradient": (
        (*AFTER_STEM, (GATES, "self.scale(x)\n        return x")),
        {},
        "gradient",
        "gate.scale.0.weight gets no gradient",
    ),
    "a gradient that is not finite": (
        (*AFTER_STEM, ("self.drop(self.scale(x)).sigmoid()", "(self.scale(x) * 0).abs().sqrt()")),
        {},
        "gradient",
        "gate.scale.0.weight: gradient is not finite",
    ),
    "no identity": (AFTER_STEM, {"identity": True}, "identity", "output: values differ"),
    "another shape": (
        (*AFTER_STEM, ("else self.head(x)", "else self.head(x)[None]")),
        {},
        "shape",
        "batch 1: output: (1, 5) float32 became (1, 1, 5) float32",
    ),
    "a width that is right in one size only": (
        (*AFTER_STEM, ("self.gate = Gate(width)", "self.gate = Gate(4)")),
        {},
        "shape",
        "the base runs, the variant does not",
    ),
    "a relative import": ((*AFTER_STEM, ("import torch\n", RELATIVE)), {}, "import", "line "),
    "an import of codegen": (
        (*AFTER_STEM, ("import torch\n", "import torch\nimport codegen.types\n")),
        {},
        "import",
        "import of codegen",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_variant_is_caught(make: Make, name: str) -> None:
    edits, plan, check, words = WRONG[name]
    found = broken(make(*MADE, *edits, **plan))
    assert words in found.get(check, f"passed; broken: {found}")


def test_an_exception_is_a_failure_that_says_where(make: Make) -> None:
    edits = (*MADE, *AFTER_STEM, (MAKE, "        raise ValueError('no gate')\n"))
    found = broken(make(*edits, small={}, small_input=""))
    first, second = found["placement"].split("\n")
    assert first == "ValueError: no gate" and second.startswith("at variant_") and second.endswith("in __init__")


def test_an_overwritten_registry_entry_is_named(make: Make) -> None:
    subject = make(*MADE, *AFTER_STEM)
    wrong = Subject(subject.plan, subject.base, subject.variant, overwritten=("timm:resnet50",))
    assert "timm:resnet50" in broken(wrong)["import"]


def test_measure(make: Make) -> None:
    subject = make(*MADE, *AFTER_STEM)
    figures = contract.measure(subject)
    assert figures["new_parameters"] == 8 * 8 + 8 + 2 * 8
    assert figures["parameters"] == sum(p.numel() for p in subject.build("base", small=False).parameters())
    assert 0 < figures["drift"] < 10


def test_a_base_serves_the_variants_that_follow(monkeypatch: pytest.MonkeyPatch) -> None:
    imported: list[str] = []
    original = models.import_file
    monkeypatch.setattr(models, "import_file", lambda path, name: imported.append(name) or original(path, name))

    def prove(*edits: tuple[str, str]) -> dict[str, str]:
        request = {"stem": "net", "encoding": "utf-8", "plan": PLAN, "base": BASE, "variant": edited(BASE, edits)}
        return {check["name"]: check["status"] for check in service.prove(request)["checks"]}

    right = prove(*MADE, *AFTER_STEM)
    assert "failed" not in right.values()
    assert prove(*MADE, (STEM, "x = self.gate(self.norm(self.stem(x)))"))["placement"] == "failed"
    assert prove(*MADE, *AFTER_STEM) == right
    assert [name.partition("_")[2][:4] for name in imported] == ["vari", "base", "vari", "vari"]


TUPLE_BASE = """
import torch
from torch import nn


class Pairs(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.conv = nn.Conv2d(width, width, 1)

    def forward(self, x, *, scale):
        x = self.conv(x) * scale
        return {"map": x, "mean": x.mean()}


class Block(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.pairs = Pairs(width)

    def forward(self, x):
        found = self.pairs(x, scale=2.0)
        return found["map"]


class Net(nn.Module):
    def __init__(self, width=4):
        super().__init__()
        self.blocks = nn.ModuleList(Block(width) for _ in range(3))
        self.stem = nn.Conv2d(3, width, 1)

    def forward(self, x):
        x = self.stem(x)
        for block in self.blocks:
            x = block(x)
        return x
"""
FLIP = "\n\nclass Flip(nn.Module):\n    def forward(self, x):\n        return x.flip(1)\n\n\nclass Block(nn.Module):"
IN_BLOCK: Edits = (
    ("\n\nclass Block(nn.Module):", FLIP),
    ("        self.pairs = Pairs(width)\n", "        self.pairs = Pairs(width)\n        self.gate = Flip()\n"),
)


@pytest.mark.parametrize(
    ("edit", "plan"),
    [
        ((' found["map"]', ' self.gate(found["map"])'), {"output_index": "map"}),
        (("self.pairs(x,", "self.pairs(self.gate(x),"), {"operation": "before", "input_argument": "x"}),
    ],
    ids=["a dict after", "a named argument before"],
)
def test_sites_in_blocks(make: Make, edit: tuple[str, str], plan: dict[str, Any]) -> None:
    where = {"host": "Block", "site": "pairs"}
    found = outcomes(make(*IN_BLOCK, edit, base=TUPLE_BASE, **{**where, "small": {}, "small_input": "", **plan}))
    assert {name for name, outcome in found.items() if outcome[0] == "failed"} == set()
    assert found["placement"] == ("passed", "3 places")
    assert found["init"] == ("passed", "no state")


TIMM_BASE = """
from torch import nn
from timm.models._builder import build_model_with_cfg


class Net(nn.Module):
    def __init__(self, width=8, num_classes=10, in_chans=3):
        super().__init__()
        self.num_classes = num_classes
        self.feature_info = [
            dict(num_chs=width, reduction=1, module="stem"),
            dict(num_chs=width, reduction=1, module="body.1"),
        ]
        self.stem = nn.Conv2d(in_chans, width, 3)
        self.body = nn.Sequential(nn.Conv2d(width, width, 3), nn.Conv2d(width, width, 1))
        self.head = nn.Linear(width, num_classes)

    def forward(self, x):
        return self.head(self.body(self.stem(x)).mean((2, 3)))


def tiny(pretrained=False, **kwargs):
    cfg = dict(num_classes=10, input_size=(3, 12, 12), first_conv="stem", classifier="head")
    options = dict(out_indices=(0, 1), flatten_sequential=True)
    return build_model_with_cfg(Net, "tiny", pretrained, pretrained_cfg=cfg, feature_cfg=options, **kwargs)
"""
TIMM_PLAN = {
    "base_build": "tiny()",
    "build": "tiny()",
    "site": "body",
    "library": "timm",
    "entry": "tiny",
    "variant_entry": "tiny",
    "small": {"width": 4},
}
TIMM_EDITS: Edits = (
    ("\n\nclass Net(nn.Module):", EXCUSE + GATE),
    ("self.body(self.stem(x))", "self.gate(self.body(self.stem(x)))"),
    ("        self.feature_info = [", REGISTER + "        self.feature_info = ["),
)
BEFORE_HEAD = ("        self.head =", MAKE + "        self.head =")
AT_THE_END = ("num_classes)\n\n    def", "num_classes)\n        self.gate = Gate(width)\n\n    def")
TAP = ('module="body.1"', 'module="gate"')
needs_timm = pytest.mark.skipif(importlib.util.find_spec("timm") is None, reason="timm is not installed")


@needs_timm
def test_the_order_of_registration_is_seen_by_a_feature_extractor(make: Make) -> None:
    right = outcomes(make(*TIMM_EDITS, BEFORE_HEAD, TAP, base=TIMM_BASE, **TIMM_PLAN))
    assert right["paths"] == ("passed", "forward (train), features_only; the site does not run: features_only (first)")
    assert right["weights"] == ("passed", "7 new keys")
    late = broken(make(*TIMM_EDITS, AT_THE_END, base=TIMM_BASE, **TIMM_PLAN))
    assert "features_only: gate runs 0 times, its site once" in late["paths"]
    untapped = broken(make(*TIMM_EDITS, BEFORE_HEAD, base=TIMM_BASE, **TIMM_PLAN))
    assert "features_only" in untapped["paths"]


@needs_timm
def test_the_library_s_own_loader(make: Make) -> None:
    refused = (REGISTER, "")
    partial = "pretrained_filter_fn=lambda state, model: {}, pretrained_strict=False"
    kept = ('cfg(Net, "tiny", pretrained, ', f'cfg(Net, "tiny", pretrained, {partial}, ')
    wrong = broken(make(*TIMM_EDITS, BEFORE_HEAD, TAP, kept, base=TIMM_BASE, **TIMM_PLAN))
    assert "is not loaded by the library's own loader" in wrong["weights"]
    assert "refused" in broken(make(*TIMM_EDITS, BEFORE_HEAD, TAP, refused, base=TIMM_BASE, **TIMM_PLAN))["weights"]


@needs_timm
def test_what_a_registration_overwrites(tmp_path: Path) -> None:
    before = registry.snapshot("timm")
    assert registry.overwritten(before) == ()
    table = vars(sys.modules["timm.models._registry"])["_model_entrypoints"]
    original = table["resnet18"]
    try:
        table["resnet18"] = lambda: None
        table["resnet18_gate"] = lambda: None
        assert registry.overwritten(before) == ("timm:resnet18",)
    finally:
        table["resnet18"] = original
        del table["resnet18_gate"]


@pytest.mark.parametrize(
    ("dim", "other", "same"),
    [(0, (7, 4), True), (0, (3, 5), False), (1, (3, 9), True), (1, (2, 4), False), (0, (3, 4, 1), False)],
)
def test_outputs_may_differ_in_one_dim_only(dim: int, other: tuple[int, ...], same: bool) -> None:
    from codegen.worker.checks import _compare

    found = _compare.but_for(dim, {"boxes": torch.zeros(3, 4)}, {"boxes": torch.zeros(other)})
    assert (not found) is same


# --- on request: what the base passes the variant passes ---

WAYS = ("script", "fx", "export", "compile")
BRANCHES = (GATES, "return x * 2 if x.mean() > 0 else x * self.drop(self.scale(x)).sigmoid()")  # on a value: no graph has it


@pytest.mark.parametrize("way", WAYS)
def test_ways_of_capturing_a_model(make: Make, way: str) -> None:
    base = BASE.replace("if self.grad_checkpointing:", "if self.grad_checkpointing and not torch.jit.is_scripting():")
    base = base.replace("pre_logits=False", "pre_logits: bool = False")
    assert outcomes(make(*MADE, *AFTER_STEM, base=base, asked=(way,)))[way] in (
        ("passed", ""),
        ("passed", "one graph, run by torch's eager backend"),
    )
    assert way not in outcomes(make(*MADE, *AFTER_STEM))


@pytest.mark.parametrize("way", ["fx", "export", "compile"])
def test_a_module_that_cannot_be_captured_where_the_base_can(make: Make, way: str) -> None:
    status, detail = outcomes(make(*MADE, *AFTER_STEM, BRANCHES, asked=(way,)))[way]
    assert status == "failed" and detail.startswith("the base passes, the variant does not: ")


@pytest.mark.parametrize("way", ["fx", "export", "compile"])
def test_a_base_that_cannot_be_captured_demands_nothing(make: Make, way: str) -> None:
    base = BASE.replace("        return x\n", "        return x if x.mean() > 0 else x * 2\n", 1)
    assert base != BASE
    status, detail = outcomes(make(*MADE, *AFTER_STEM, base=base, asked=(way,)))[way]
    assert status == "skipped" and detail.startswith("the base does not pass: ")
