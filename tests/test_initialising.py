"""`--init`: how a new module starts. In every way of making it, the numbers are those that were asked for, and stay."""

from __future__ import annotations

import ast
import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import Run
from torch import nn

from codegen import initialising
from codegen.errors import CodegenError
from codegen.syntax import Code
from codegen.types import Component

SE = Component("se", "SE", "SE(dim)", ("import torch",), "class SE: ...\n")


def functions(how: str) -> Any:
    """What the text of a function defines, run."""
    scope: dict[str, Any] = {"nn": nn}
    exec(initialising.started(SE, how).code, scope)
    return scope[f"init_{how}"]


@pytest.mark.parametrize(
    ("how", "construct"),
    [
        ("", "SE(dim)"),
        ("kaiming", "SE(dim).apply(init_kaiming)"),
        ("xavier", "SE(dim).apply(init_xavier)"),
        ("trunc_normal", "SE(dim).apply(init_trunc_normal)"),
        ("zero_last", "init_zero_last(SE(dim))"),
        ("host", "SE(dim).apply(init_of_the_host)"),
    ],
)
def test_what_makes_the_module_is_passed_through(how: str, construct: str) -> None:
    made = initialising.started(SE, how)
    assert made.construct == construct
    assert (made == SE) == (how == "") and made.code.startswith("class SE: ...\n")
    assert ("def init_" in made.code) == (how not in ("", "host"))


@pytest.mark.parametrize(
    ("how", "std"), [("kaiming", (2 / (8 * 9)) ** 0.5), ("xavier", (2 / (9 * (8 + 16))) ** 0.5), ("trunc_normal", 0.02)]
)
def test_distributions(how: str, std: float) -> None:
    torch.manual_seed(0)
    module = nn.Sequential(nn.Conv2d(16, 8, 3), nn.BatchNorm2d(8), nn.Linear(8, 8, bias=False))
    nn.init.constant_(module[1].weight, 0.5)
    module.apply(functions(how))
    assert abs(module[0].weight.std() / std - 1) < 0.1 and not module[0].bias.any()
    assert module[1].weight.eq(0.5).all(), "norms start as they did"
    assert module[2].weight.std() > 0


def test_zero_last() -> None:
    module = nn.Sequential(nn.Conv2d(4, 4, 1), nn.BatchNorm2d(4), nn.ReLU())
    assert functions("zero_last")(module) is module
    assert not module[1].weight.any() and module[0].weight.any()
    functions("zero_last")(nn.ReLU())


HOST = """
import weights
from weights import init_fn

class Base(nn.Module):
    def __init__(self):
        super().__init__()
        {base}

class Net(Base):
    def __init__(self):
        super().__init__()
        {own}

    {method}
        pass
"""


@pytest.mark.parametrize(
    ("own", "method", "found"),
    [
        ("self.apply(self._init_weights)", "def _init_weights(self, m):", "self._init_weights"),
        ("self.apply(self.start)", "def start(self, m):", "self.start"),
        ("self.apply(partial(self.start, needs=True))", "def start(self, m, needs=True):", "self.start"),
        ("self.apply(init_fn)", "def forward(self, x):", "init_fn"),
        ("self.apply(weights.init_fn)", "def forward(self, x):", "weights.init_fn"),
        ("named_apply(start, self)", "def _init_weights(self, m):", "self._init_weights"),
        ("pass", "@staticmethod\n    def _init_weights(m):", "self._init_weights"),
        ("pass", "def _init_weights(self):", ""),
        ("pass", "def _init_weights(self, m, name):", ""),
        ("self.apply(partial(self.start, name=''))", "def start(self, m, name):", ""),
        ("self.apply(local)", "def forward(self, x):", ""),
        ("self.apply(lambda m: None)", "def forward(self, x):", ""),
        ("self.blocks.apply(init_fn)", "def forward(self, x):", ""),
    ],
)
def test_the_hosts_own_function(own: str, method: str, found: str) -> None:
    code = Code(HOST.format(own=own, method=method, base="pass"), "net.py")
    cls = next(node for node in code.tree.body if isinstance(node, ast.ClassDef) and node.name == "Net")
    if found:
        assert initialising.own(code, cls) == found
        return
    with pytest.raises(CodegenError) as caught:
        initialising.own(code, cls)
    assert caught.value.name == "no-init-function" and "Net has no function" in caught.value.message


def test_the_hosts_own_function_is_inherited() -> None:
    code = Code(HOST.format(own="pass", method="def forward(self, x):", base="self.apply(self.begin)"), "net.py")
    cls = next(node for node in code.tree.body if isinstance(node, ast.ClassDef) and node.name == "Net")
    assert initialising.own(code, cls) == "self.begin"


NET = """
import torch
from torch import nn


class Block(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.conv = nn.Conv2d(dim, dim, 1)

    def forward(self, x):
        return x + self.conv(x)


class Net(nn.Module):
    def __init__(self, dim=32, depth=2):
        super().__init__()
        self.stem = nn.Conv2d(3, dim, 3)
        self.blocks = nn.Sequential(*[Block(dim) for _ in range(depth)])
        self.head = nn.Linear(dim, 5)
        {init}

    def _init_weights(self, m):
        if isinstance(m, (nn.Conv2d, nn.Linear)):
            nn.init.normal_(m.weight, std=0.25)
            nn.init.constant_(m.bias, 0.5)

    def forward(self, x):
        return self.head(self.blocks(self.stem(x)).mean((2, 3)))
"""
ARGUMENTS = ("insert", "net.py", "--input", "1x3x16x16", "--json")


def made(codegen: Run, folder: Path, *words: str, init: str = "pass") -> tuple[dict[str, Any], str]:
    """(the report, the variant's text)."""
    (folder / "net.py").write_text(NET.format(init=init))
    done = codegen(*ARGUMENTS, *words, cwd=folder)
    found = json.loads(done.stdout)
    return found, (folder / found["output"]).read_text() if "output" in found else ""


def told(found: dict[str, Any]) -> str:
    return next(str(check["detail"]) for check in found["checks"] if check["name"] == "init")


@pytest.mark.slow
def test_of_the_host_in_its_blocks(codegen: Run, tmp_path: Path) -> None:
    """The model makes the modules of its blocks, behind its own initialisation: it has the function."""
    words = ("--module", "linear", "--class", "Block", "--after", "conv", "--init", "host")
    found, text = made(codegen, tmp_path, *words, init="self.apply(self._init_weights)")
    assert "self.linear = lambda: nn.Conv2d(dim, dim, kernel_size=1)\n" in text
    assert "module.linear = module.linear().apply(self._init_weights)" in text
    assert re.fullmatch(r"weight std 0\.2\d, bias 0\.5", told(found)), told(found)
    assert "--init host" in text.split("\n")[2]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "statement", "said"),
    [
        ("--module se --after stem --init host", "SqueezeExcite(dim).apply(self._init_weights)", "fc1.bias 0.5"),
        ("--module se --after stem --init kaiming", "SqueezeExcite(dim).apply(init_kaiming)", "fc1.bias 0,"),
        ("--module se --after blocks.1 --init host", "SqueezeExcite(dim).apply(self._init_weights)", "fc1.bias 0.5"),
        ("--module 'se >> eca' --after stem --init trunc_normal", "SeEca(dim).apply(init_trunc_normal)", "se.fc1.bias 0,"),
        ("--module eca --beside blocks.0.conv --combine gate --init zero_last", "init_zero_last(Effi", "module.conv.weight 0"),
        ("--module timm.layers:EcaModule --after stem --init xavier", "EcaModule(dim).apply(init_xavier)", "conv.weight std"),
    ],
)
def test_ways_of_making(codegen: Run, tmp_path: Path, words: str, statement: str, said: str) -> None:
    found, text = made(codegen, tmp_path, *shlex.split(words))
    assert statement in text and said in told(found)
    done = codegen("check", found["output"], cwd=tmp_path)
    assert done.returncode == 0, done.stderr.decode()


@pytest.mark.slow
def test_in_a_block_that_the_model_leaves_alone(codegen: Run, tmp_path: Path) -> None:
    words = ("--module", "se", "--class", "Block", "--after", "conv", "--init")
    found, text = made(codegen, tmp_path, *words, "xavier")
    assert "fork_rng" in text and "SqueezeExcite(dim).apply(init_xavier)" in text
    refused, _ = made(codegen, tmp_path, *words, "host", "--force")
    assert refused["error"]["name"] == "no-init-function" and "Block has no function" in refused["error"]["message"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "name", "said"),
    [
        (("--module", "simam", "--init", "zero_last"), "module-does-not-fit", "no layer with a weight"),
        (("--module", "scale", "--init", "kaiming"), "module-does-not-fit", "changes nothing of ChannelScale"),
        (("--module", "se", "--init", "host", "--identity"), "usage", "both say how the module starts"),
        (("--module", "se", "--init", "orthogonal"), "usage", "'orthogonal' is not one of"),
    ],
)
def test_refusals(codegen: Run, tmp_path: Path, words: tuple[str, ...], name: str, said: str) -> None:
    found, _ = made(codegen, tmp_path, *words, "--after", "stem")
    assert found["error"]["name"] == name and said in found["error"]["message"]


@pytest.mark.slow
def test_of_one_edit_of_several(codegen: Run, tmp_path: Path) -> None:
    edits = ("--edit", "after stem: se --init kaiming")
    found, text = made(codegen, tmp_path, *edits, "--edit", "after blocks: eca --init kaiming")
    assert text.count("def init_kaiming") == 1 and text.count(".apply(init_kaiming)") == 2
    assert "conv.weight std" in told(found)
    refused, _ = made(codegen, tmp_path, *edits, "--init", "kaiming", "--force")
    assert "belongs to one edit" in refused["error"]["message"]
