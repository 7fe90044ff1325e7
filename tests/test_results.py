"""Sites that return several tensors: which of them the module gets, and how it is put back."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import Run

NET = """\
import torch
from torch import nn


class Stage(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.conv = nn.Conv2d(width, width, 3, padding=1)
        self.down = nn.Conv2d(width, 2 * width, 3, stride=2, padding=1)

    def forward(self, x):
        x = self.conv(x)
        {returns}


class Net(nn.Module):
    def __init__(self, width=8):
        super().__init__()
        self.stem = nn.Conv2d(3, width, 3, padding=1)
        self.stages = nn.ModuleList([Stage(width), Stage(2 * width)])
        self.fc = nn.Linear(4 * width, 10)

    def forward(self, x):
        x = self.stem(x)
        for stage in self.stages:
            x = stage(x)[{used}]
        return self.fc(x.mean((2, 3)))
"""


def made(codegen: Run, folder: Path, text: str, *words: str) -> tuple[str, str]:
    """(what the command says, the variant)."""
    (folder / "net.py").write_text(text)
    done = codegen("insert", "net.py", "--module", "se", "--after", "stages.*", "-o", "made.py", *words, cwd=folder)
    assert done.returncode == 0, done.stderr
    return done.stdout.decode(), (folder / "made.py").read_text()


@pytest.mark.slow
def test_the_module_gets_the_first_result_that_the_model_uses(codegen: Run, tmp_path: Path) -> None:
    said, text = made(codegen, tmp_path, NET.format(returns="return x, self.down(x)", used=1))
    assert "note: the model makes no use of what stages.* returns before --output-index 1" in said
    assert "return x, self.se(self.down(x))\n" in text and "--after 'stages.*' --output-index 1\n" in text
    again = codegen("verify", "made.py", "--against", "net.py", cwd=tmp_path)
    assert again.returncode == 0, again.stderr


@pytest.mark.slow
def test_a_list_that_is_returned_by_its_name_is_made_anew(codegen: Run, tmp_path: Path) -> None:
    returns = "outs = [self.down(x), x]\n        return outs"
    said, text = made(codegen, tmp_path, NET.format(returns=returns, used=0))
    assert "makes no use" not in said
    assert "        outs = [self.se(outs[0]), *outs[1:]]\n        return outs\n" in text


@pytest.mark.slow
def test_a_result_that_is_asked_for_is_not_changed(codegen: Run, tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text(NET.format(returns="return x, self.down(x)", used=1))
    done = codegen(
        *("insert", "net.py", "--module", "se", "--after", "stages.*", "--output-index", "0", "-o", "made.py"), cwd=tmp_path
    )
    assert done.returncode == 3 and b"gets no gradient" in done.stderr and not (tmp_path / "made.py").exists()
