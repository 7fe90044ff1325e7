"""Whether a model leaves alone what its blocks hold: probes of common layers, planted while it is built."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

import pytest

pytest.importorskip("torch")

from codegen.worker import models, settled, setup  # noqa: E402

NET = """
import torch
from torch import nn


class Block(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.conv = nn.Conv2d(dim, dim, 1)

    def forward(self, x):
        return self.conv(x)


class Net(nn.Module):
    def __init__(self, dim=8):
        super().__init__()
        self.stem = nn.Conv2d(3, dim, 3)
        self.blocks = nn.Sequential(*[Block(dim) for _ in range(2)])
        self.head = nn.Linear(dim, 10)
        {last}

    def init(self, module):
        if isinstance(module, (nn.Linear, nn.Conv2d)):
            nn.init.normal_(module.weight)

    def forward(self, x):
        return self.head(self.blocks(self.stem(x)).mean((2, 3)))
"""

HEADED = """

class Neck(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.conv = nn.Conv2d(3, dim, 1)

    def forward(self, x):
        return self.conv(x)


class Headed(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = Net()
        self.neck = Neck(3)

    def forward(self, x):
        return self.net(self.neck(x))
"""


@pytest.mark.parametrize(
    ("last", "left_alone"),
    [
        pytest.param("pass", True, id="nothing behind"),
        pytest.param("nn.init.zeros_(self.head.weight)", True, id="only its own layers"),
        pytest.param("self.apply(self.init)", False, id="apply"),
        pytest.param("[self.init(m) for m in self.modules()]", False, id="a loop over all modules"),
        pytest.param("[nn.init.ones_(p) for p in self.parameters()]", False, id="all parameters, no random number"),
        pytest.param("assert len(list(self.modules())) == 8", False, id="a model that counts its modules"),
    ],
)
def test_whether_the_model_touches_what_a_block_holds(tmp_path: Path, last: str, left_alone: bool) -> None:
    path = tmp_path / "net.py"
    path.write_text(dedent(NET).format(last=last))
    module = models.import_file(path, "settled_net")
    small = setup.find(module, ["Net()"], "1x3x32x32")
    assert settled.watched(small, [module.Block]) == settled.Construction(() if left_alone else ("Block",))


def test_blocks_that_run_while_the_model_is_made(tmp_path: Path) -> None:
    path = tmp_path / "early.py"
    path.write_text(dedent(NET).format(last="self.size = self.blocks(torch.zeros(1, dim, 4, 4)).shape"))
    module = models.import_file(path, "early_net")
    small = setup.find(module, ["Net()"], "1x3x32x32")
    assert "Block" in settled.watched(small, [module.Block]).early


def test_a_backbone_that_initialises_its_own_modules_says_nothing_of_the_head(tmp_path: Path) -> None:
    path = tmp_path / "headed.py"
    path.write_text(dedent(NET).format(last="self.apply(self.init)") + dedent(HEADED))
    module = models.import_file(path, "headed_net")
    small = setup.find(module, ["Headed()"], "1x3x32x32")
    found = settled.watched(small, [module.Net, module.Block, module.Neck])
    assert found == settled.Construction(("Block",), ())  # what Net makes comes behind its own loop


@pytest.mark.parametrize(("last", "restless"), [("self.apply(self.init)", ("Block", "Late")), ("pass", ())])
def test_blocks_of_a_kind_that_the_build_lacks_are_taken_for_the_others(
    tmp_path: Path, last: str, restless: tuple[str, ...]
) -> None:
    path = tmp_path / "late.py"
    late = "\n\nclass Late(Block):\n    def __init__(self, dim):\n        super().__init__(dim)\n"
    path.write_text(dedent(NET).format(last=last) + late)
    module = models.import_file(path, "late_net")
    small = setup.find(module, ["Net()"], "1x3x32x32")
    assert settled.watched(small, [module.Block, module.Late]).restless == restless
