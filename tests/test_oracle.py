"""The oracle itself: right variants pass, wrong ones are caught. All bases and variants are edits of one small net."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

import oracle_runs
import pytest
import torch
from oracle import compare, load

BASE = """
import torch
from torch import nn
from torch.utils.checkpoint import checkpoint_sequential


class Gate(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.scale = nn.Parameter(torch.zeros(channels))  # starts as the identity

    def forward(self, x):
        return x + self.scale.view(-1, *[1] * (x.ndim - 2)) * x.abs().sqrt()


class Block(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.conv = nn.Conv2d(width, width, 3, padding=1)
        self.drop = nn.Dropout(0.3)

    def forward(self, x):
        return x, x + self.drop(torch.relu(self.conv(x)))


class Second(nn.Module):
    def forward(self, pair):
        return pair[1]


class Net(nn.Module):
    def __init__(self, width=6):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, width, 3, stride=2), nn.BatchNorm2d(width))
        self.blocks = nn.Sequential(*[nn.Sequential(Block(width), Second()) for _ in range(3)])
        self.pair = Block(width)
        self.head = nn.Linear(width, 4)
        self.checkpointing = False
        # new

    def set_grad_checkpointing(self, enable=True):
        self.checkpointing = enable

    def forward_features(self, x):
        # before stem
        x = self.stem(x)
        # after stem
        if self.checkpointing:
            x = checkpoint_sequential(self.blocks, 2, x, use_reentrant=False)
        else:
            x = self.blocks(x)
            # in else
        # after blocks
        pair = self.pair(x)
        # after pair
        return pair[0] * 0.5 + pair[1]

    def forward_intermediates(self, x, norm=False, intermediates_only=False):
        found = []
        # before twin
        x = self.stem(x)
        # after twin
        for i, block in enumerate(self.blocks):
            x = block(x)
            # in loop
            found.append(x)
        return found if intermediates_only else {"last": x, "all": found}

    def forward_head(self, x):
        x = x.mean((2, 3))
        # before head
        return self.head(x)

    def forward(self, x):
        return self.forward_head(self.forward_features(x))
"""
Edits = dict[str, str]
CALL = "x = self.gate(x)"
NEW = {"# new": "self.gate = Gate(width)"}
STEM = NEW | {"# after stem": CALL, "# after twin": CALL}
IMAGE = {"# new": "self.gate = Gate(3)", "# before stem": CALL, "# before twin": CALL}
BLOCKS = NEW | {"# after blocks": CALL, "# in loop": "x = self.gate(x) if block is self.blocks[-1] else x"}
PAIR = NEW | {"# after pair": "pair = self.gate(pair[0]), pair[1]"}
HEAD = NEW | {"# before head": CALL}
IN_BLOCK = {
    "nn.Dropout(0.3)": "nn.Dropout(0.3)\n        self.gate = Gate(width)",
    "torch.relu(self.conv(x))": "torch.relu(self.gate(self.conv(x)))",
}


def module(edits: Edits) -> ModuleType:
    text = BASE
    for old, new in edits.items():
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    made = ModuleType("net")
    exec(text, vars(made))
    return made


def differences(edits: Edits, site: str, operation: str, attribute: str = "gate") -> list[str]:
    return compare(module({}), module(edits), "Net()", "Net(width=6)", site, attribute, operation, (2, 3, 9, 9))


@pytest.mark.parametrize(
    ("edits", "site", "operation"),
    [
        pytest.param(STEM, "stem", "after", id="a module called whole"),
        pytest.param(IMAGE, "stem", "before", id="its input"),
        pytest.param(BLOCKS, "blocks", "after", id="a container that one path loops over"),
        pytest.param(STEM, "blocks", "before", id="the first element of such a container"),
        pytest.param(PAIR, "pair", "after", id="a tuple"),
        pytest.param(HEAD, "head", "before", id="a vector"),
    ],
)
def test_a_right_variant_passes(edits: Edits, site: str, operation: str) -> None:
    assert differences(edits, site, operation) == []


@pytest.mark.parametrize(
    ("edits", "site", "operation", "said"),
    [
        pytest.param(STEM | {"# after twin": "pass"}, "stem", "after", "eval forward_intermediates()", id="path missed"),
        pytest.param(
            BLOCKS | {"# after blocks": "", "# in else": CALL},
            "blocks",
            "after",
            "train with checkpointing forward(): ",
            id="branch missed",
        ),
        pytest.param(BLOCKS | {"# in loop": CALL}, "blocks", "after", "module 3 times", id="called too often"),
        pytest.param(STEM, "blocks", "after", "differs by up to", id="wrong tensor"),
        pytest.param(STEM | {"# after stem": "self.gate(x)"}, "stem", "after", "differs by up to", id="result dropped"),
        pytest.param(
            STEM | {"# after stem": "x = self.gate(x) if self.training else x"},
            "stem",
            "after",
            "eval forward(): ",
            id="wrong in one mode",
        ),
        pytest.param(STEM | {"nn.Dropout(0.3)": "nn.Dropout(0.4)"}, "stem", "after", "train ", id="another dropout"),
        pytest.param(
            STEM | {"nn.BatchNorm2d(width)": "nn.BatchNorm2d(width, momentum=0.2)"},
            "stem",
            "after",
            "buffer stem.1.running_mean",
            id="other running statistics",
        ),
        pytest.param(
            STEM | {"self.head =": "self.top =", "self.head(": "self.top("}, "stem", "after", "top.weight", id="a key"
        ),
        pytest.param(STEM | {"def forward_intermediates": "def intermediates"}, "stem", "after", "no attribute", id="a method"),
        pytest.param({}, "stem", "after", "no new module gate", id="nothing inserted"),
        pytest.param(NEW, "stem", "after", "differs by up to", id="never called"),
    ],
)
def test_a_wrong_variant_is_caught(edits: Edits, site: str, operation: str, said: str) -> None:
    found = differences(edits, site, operation)
    assert found
    assert any(said in line for line in found), found


@pytest.mark.parametrize(
    ("edits", "said"),
    [
        pytest.param({}, "", id="in every block"),
        pytest.param(
            {"torch.relu(self.conv(x))": "self.gate(torch.relu(self.conv(x)))"}, "differs by up to", id="wrong tensor"
        ),
        pytest.param({"# new": "del self.pair.gate"}, "no new module gate at pair.conv", id="one block left out"),
        pytest.param({"# new": "self.gate = Gate(3)"}, "gate.scale is not in both", id="one module too many"),
    ],
)
def test_a_module_in_every_instance_of_a_class(edits: Edits, said: str) -> None:
    models = module({}), module(IN_BLOCK | edits)
    found = compare(*models, "Net()", "Net()", "conv", "gate", "after", (2, 3, 9, 9), host="Block")
    assert any(said in line for line in found) if said else not found, found


def test_the_input_may_be_an_expression() -> None:
    differing = module(STEM | {"# after twin": "pass"})
    for variant, count in ((module(STEM), 0), (differing, 5)):
        found = compare(module({}), variant, "Net()", "Net()", "stem", "gate", "after", "{'x': torch.rand(2, 3, 9, 9)}")
        assert len([line for line in found if "forward_intermediates" in line and "the site ran" in line]) == count


def test_outputs_may_be_objects_of_the_models_own_classes() -> None:
    def net(edits: Edits, kind: str) -> ModuleType:
        made = module({"return self.head(x)": "return Result(self.head(x))"} | edits)
        made.Result = type("Result", (), {"__init__": lambda self, x: vars(self).update(logits=x, kind=kind)})
        return made

    for kind, count in (("a", 0), ("b", 4)):
        models = net({}, "a"), net(STEM, kind)
        found = compare(*models, "Net()", "Net()", "stem", "gate", "after", (2, 3, 9, 9))
        assert len([line for line in found if "output['kind'] is 'b', not 'a'" in line]) == count, found


def test_a_module_without_effect_shows_nothing() -> None:
    found = differences(STEM | {"# new": "self.gate = nn.Identity()"}, "stem", "after")
    assert found == ["the inserted module changes no output on any path"]


def test_files_are_loaded_by_path_and_libraries_by_name(tmp_path: Path) -> None:
    file = tmp_path / "model.py"
    file.write_text("from __future__ import annotations\nWIDTH = 3\n")
    assert load(str(file)).WIDTH == 3
    assert load("json").dumps([]) == "[]"


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        (([1.0, 2.0], 3.0), ([1.0, 2.0], 4.0)),  # a bare tensor comes first
        ((5, [1.0, 2.0]), (5, [2.0, 2.0])),
        (({"size": 5, "out": 1.0}, 5), ({"size": 5, "out": 2.0}, 5)),
        ((([1.0],), 5), (([2.0],), 5)),
    ],
)
def test_the_first_tensor_of_what_a_site_receives(given: Any, wanted: Any) -> None:
    def tensors(value: Any) -> Any:
        if isinstance(value, float):
            return torch.tensor(value)
        if isinstance(value, dict):
            return {key: tensors(part) for key, part in value.items()}
        return type(value)(map(tensors, value)) if isinstance(value, tuple | list) else value

    assert oracle_runs.holds_tensor(tensors(given))
    assert oracle_runs.first_through(tensors(given), lambda x: x + 1) == tensors(wanted)
