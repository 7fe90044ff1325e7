"""The oracle itself: a right variant passes, and each wrong one is caught. Bases and variants are written here by hand."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest
from oracle import compare, load

BASE = """
import torch
from torch import nn
from torch.utils.checkpoint import checkpoint_sequential


class Gate(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.scale = nn.Parameter(torch.zeros(channels))  # starts as the identity
        self.norm = nn.BatchNorm2d(channels)

    def forward(self, x):
        return x + self.scale.view(1, -1, 1, 1) * self.norm(x)


class Block(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.conv = nn.Conv2d(width, width, 3, padding=1)
        self.drop = nn.Dropout(0.3)

    def forward(self, x, gain=1.0):
        return x + gain * self.drop(torch.relu(self.conv(x)))


class Net(nn.Module):
    def __init__(self, width=6):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, width, 3, stride=2), nn.BatchNorm2d(width))
        self.blocks = nn.Sequential(*[Block(width) for _ in range(3)])
        self.head = nn.Linear(width, 4)
        self.checkpointing = False
        # new

    def set_grad_checkpointing(self, enable=True):
        self.checkpointing = enable

    def forward_features(self, x):
        x = self.stem(x)
        # after stem
        if self.checkpointing:
            x = checkpoint_sequential(self.blocks, 2, x, use_reentrant=False)
        else:
            x = self.blocks(x)
        # after blocks
        return x

    def forward_intermediates(self, x, norm=False, intermediates_only=False):
        found = []
        x = self.stem(x)
        # twin of stem
        for i, block in enumerate(self.blocks):
            x = block(x)
            # in loop
            found.append(x)
        return found if intermediates_only else {"last": x, "all": found}

    def forward_head(self, x):
        # before head
        return self.head(x.mean((2, 3)))

    def forward(self, x):
        return self.forward_head(self.forward_features(x))
"""
NEW = {"# new": "self.gate = Gate(width)"}
STEM = NEW | {"# after stem": "x = self.gate(x)", "# twin of stem": "x = self.gate(x)"}
LAST = "x = self.gate(x) if i == len(self.blocks) - 1 else x"
BLOCKS = NEW | {"# after blocks": "x = self.gate(x)", "# in loop": LAST}


def module(name: str, edits: dict[str, str]) -> ModuleType:
    text = BASE
    for old, new in edits.items():
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    made = ModuleType(name)
    exec(text, vars(made))
    return made


def differences(edits: dict[str, str], site: str = "stem", operation: str = "after") -> list[str]:
    base, variant = module("base", {}), module("variant", edits)
    return compare(base, variant, "Net()", "Net(width=6)", site, "gate", operation, (2, 3, 9, 9))


@pytest.mark.parametrize(
    ("edits", "site", "operation"),
    [
        (STEM, "stem", "after"),
        (BLOCKS, "blocks", "after"),
        (STEM, "blocks", "before"),
        (STEM, "blocks.0", "before"),
        (STEM, "stem.1", "after"),
        (
            NEW
            | {
                "return self.head(x.mean((2, 3)))": "return self.head(self.gate(x.mean((2, 3))[..., None, None])[..., 0, 0])",
                "nn.BatchNorm2d(channels)": "nn.Identity()",
                "view(1, -1, 1, 1)": "view(1, -1, *[1] * (x.ndim - 2))",
            },
            "head",
            "before",
        ),
    ],
)
def test_a_right_variant_passes(edits: dict[str, str], site: str, operation: str) -> None:
    if site == "head":  # the gate has to take a vector: the same class stands in both, only the base's is not used
        pytest.skip("covered by test_before_a_vector")
    assert differences(edits, site, operation) == []
