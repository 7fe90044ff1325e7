"""--with-test: the emitted test passes beside its variant, and fails where the variant is damaged."""

from __future__ import annotations

import importlib.util
import inspect
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import Run
from test_recipes import NET, Call, call

from codegen import emitted, pipeline
from codegen.types import Request, Source, SourceFile

__all__ = ["call"]  # a fixture
BLOCKS = """
import torch
from torch import nn


class Block(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.norm = nn.LayerNorm(dim)
        self.mlp = nn.Linear(dim, dim)

    def forward(self, x):
        return x + self.mlp(self.norm(x))


class Net(nn.Module):
    def __init__(self, dim=8):
        super().__init__()
        self.embed = nn.Conv2d(3, dim, 4, 4)
        self.blocks = nn.ModuleList([Block(dim) for _ in range(3)])
        self.head = nn.Linear(dim, 5)

    def forward(self, x, scale=None):
        x = self.embed(x).flatten(2).transpose(1, 2)
        for block in self.blocks:
            x = block(x)
        return {"logits": self.head(x.mean(1)), "tokens": x if scale is None else x * scale}
"""


def failures(test: Path, folder: Path) -> set[str]:
    """The test functions of an emitted file that fail, each run in this process."""
    name = f"{test.stem}_{len(sys.modules)}"
    spec = importlib.util.spec_from_file_location(name, test)
    assert spec and spec.loader
    before, module = [*sys.path], importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception:  # what pytest would call an error of the file
        return {"import"}
    finally:
        sys.path[:] = before
    return {name for name, function in vars(module).items() if name.startswith("test_") and not passes(function)}


def passes(function: object) -> bool:
    assert callable(function)
    for batch in (1, 2) if "batch" in inspect.signature(function).parameters else (0,):
        try:
            function(*[batch] * bool(batch))
        except (Exception, pytest.fail.Exception):
            return False
    return True


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with the variant of a small net and its test."""
    folder = tmp_path_factory.mktemp("emitted")
    (folder / "net.py").write_text(NET)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        pipeline.run(Request("net.py", "after", "stem", "se", input="1x3x16x16", test=True))
        yield folder


def test_it_passes_beside_its_variant(made: Path) -> None:
    assert failures(made / "generated/test_net_se.py", made) == set()
    text = (made / "generated/test_net_se.py").read_text()
    assert "codegen" not in text.replace('"import codegen"', "") and "randn(batch, 3, 16, 16)" in text


RUNS, GOES_ON = "test_each_runs_on_what_its_site_returns", "test_what_it_returns_is_what_the_model_goes_on_with"
SHAPES, LOADS = "test_outputs_have_the_shapes_of_the_base", "test_checkpoints_of_the_base_load"
DRAWS, REFUSES = "test_the_backbone_draws_the_same_random_numbers", "test_a_damaged_checkpoint_is_refused"
MUTANTS = {
    "the call removed": ("self.se(self.stem(x))", "self.stem(x)", RUNS),
    "the call moved": ("self.act(self.se(self.stem(x)))", "self.se(self.act(self.stem(x)))", RUNS),
    "the result dropped": ("self.act(self.se(self.stem(x)))", "self.act((self.se(self.stem(x)), self.stem(x))[1])", GOES_ON),
    "another width": ("SqueezeExcite(width)", "SqueezeExcite(2 * width)", SHAPES),
    "a key renamed": ("self.fc", "self.classifier", LOADS),
    "made too early": ("        self.stem = nn", "        nn.Linear(3, 3)\n        self.stem = nn", DRAWS),
    "no hook": ("self.register_load_state_dict_pre_hook(load_without_se)", "pass", LOADS),
    "a hook for all": ("if not own.keys() & state_dict.keys():", "if True:", REFUSES),
    "not trained": ("return x * s", "return x * s.detach()", "test_every_new_parameter_is_trained"),
    "another head": ("nn.Linear(width, 4)", "nn.Linear(width, 5)", SHAPES),
    "it needs codegen": ("from torch import nn", "from torch import nn\nimport codegen", "test_it_holds_what_was_inserted"),
}


@pytest.mark.parametrize("mutant", MUTANTS)
def test_each_damage_is_caught(mutant: str, made: Path, tmp_path: Path) -> None:
    old, new, caught = MUTANTS[mutant]
    folder = tmp_path / "generated"
    folder.mkdir()
    (tmp_path / "net.py").write_text(NET)
    text = (made / "generated/net_se.py").read_text()
    assert old in text
    (folder / "net_se.py").write_text(text.replace(old, new))
    (folder / "test_net_se.py").write_text((made / "generated/test_net_se.py").read_text())
    assert caught in failures(folder / "test_net_se.py", tmp_path)


KINDS = (
    ("--module", "adapter", "--after", "blocks.::2", "--identity"),
    ("--module", "se", "--before", "blocks.*.mlp"),
    ("--module", "se >> adapter", "--beside", "blocks.1"),
    ("--module", "torch.nn:BatchNorm2d", "--after", "embed"),
    ("--module", "adapter", "--after", "blocks.*.mlp", "--input", "{'x': torch.ones(2, 3, 16, 16), 'scale': torch.ones(1)}"),
    ("--edit", "after embed: se", "--edit", "after blocks.*.norm: adapter"),
)


@pytest.mark.parametrize(
    "words",
    [pytest.param(words, marks=[pytest.mark.slow] * bool(number)) for number, words in enumerate(KINDS)],
    ids=[" ".join(words)[:40] for words in KINDS],
)
def test_it_passes_for_all_kinds_of_insertions(
    words: tuple[str, ...], call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "blocks.py").write_text(BLOCKS)
    given = () if "--input" in words else ("--input", "1x3x16x16")
    code, output, _ = call("insert", "blocks.py", *words, *given, "-o", "out/blocks_new.py", "--with-test")
    assert code == 0, output
    assert failures(tmp_path / "out/test_blocks_new.py", tmp_path) == set()


@pytest.mark.parametrize(
    ("build", "base"),
    [("net_se()", "net()"), ("net_b_se2(width=8)", "net_b(width=8)"), ("Net(3)", "Net(3)"), ("net()", "net()")],
)
def test_the_base_is_built_by_its_own_name(build: str, base: str) -> None:
    file = SourceFile(Path("net.py"), "def net():\n    pass\n\n\ndef net_b(width):\n    pass\n")
    assert emitted._base_build(Source("net.py", file), build) == base


def test_where_there_is_no_test_to_write(call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.py").write_text(NET)
    place = ("insert", "net.py", "--module", "se", "--after", "stem", "--with-test")
    assert call(*place, "--in-place")[2] == "usage"
    (tmp_path / "generated").mkdir()
    (tmp_path / "generated/test_net_se.py").write_text("mine")
    assert call(*place)[2] == "output-exists" and not (tmp_path / "generated/net_se.py").exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    "source", ["timm:vit_tiny_patch16_224 --after patch_embed", "torchvision:resnet18 --after layer4.*.bn2"]
)
def test_pytest_runs_it_beside_a_variant_of_a_library(source: str, codegen: Run, tmp_path: Path) -> None:
    made = codegen("insert", *source.split(), "--module", "se", "--with-test", cwd=tmp_path)
    assert made.returncode == 0, made.stderr.decode()
    command = [sys.executable, "-m", "pytest", "-q", "generated"]
    found = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stdout
