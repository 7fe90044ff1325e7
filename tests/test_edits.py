"""Several edits in one command: what each says, in what order they are made, and that none is made twice."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from codegen import defaults, edits
from codegen.cli import cli
from codegen.errors import CodegenError
from codegen.types import Component, Request

HEADER = "# net with se after layer1: host Net, built by Net().\n# Made by codegen 0 from net.py, changed, with\n"


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        ("after layer1: se", "insert --after layer1 --module se"),
        ("before blocks.::2: se reduction=8", "insert --before blocks.::2 --module se --arg reduction=8"),
        ("beside mlp: my.py:Fan --combine gate", "insert --beside mlp --module my.py:Fan --combine gate"),
        ("after attn: adapter dim=8 --class Block", "insert --after attn --module adapter --arg dim=8 --class Block"),
        ("after attn: adapter --identity dim=8", "insert --after attn --module adapter --identity --arg dim=8"),
        ("after x: se --width a=b k=1", "insert --after x --module se --width a=b --arg k=1"),
        ("remove layer4.*.bn2", "remove --site layer4.*.bn2"),
        ("replace act: torch.nn:GELU", "replace --site act --module torch.nn:GELU"),
    ],
)  # fmt: skip
def test_an_edit_says_what_a_command_line_says(edit: str, said: str) -> None:
    assert edits.words(edit) == said.split()


@pytest.mark.parametrize(
    ("edit", "module", "rest"),
    [
        ("after x: se >> eca", "se >> eca", []),
        ("after x: se(reduction=8) + eca( beta=2 ) --name both", "se(reduction=8) + eca( beta=2 )", ["--name", "both"]),
        ("after x: residual(se >> my-own.py:A) --as-class Own", "residual(se >> my-own.py:A)", ["--as-class", "Own"]),
        ("after x: 'se >> eca' --identity", "se >> eca", ["--identity"]),
        ("after x: 'my folder/a.py:A' + 'b c/d.py:D'", "'my folder/a.py:A' + 'b c/d.py:D'", []),
        ("after x: 'my folder/a.py:A' dim=8", "my folder/a.py:A", ["--arg", "dim=8"]),
    ],
)
def test_a_composition_stays_together(edit: str, module: str, rest: list[str]) -> None:
    assert edits.words(edit) == ["insert", "--after", "x", "--module", module, *rest]


def test_the_layers_of_a_head_stay_together() -> None:
    words = edits.words("head fc: Linear(64), ReLU, Linear(10)")
    assert words == ["head", "--site", "fc", "--layers", "Linear(64), ReLU, Linear(10)"]


NONE = ["layer1: se", "after layer1 se", "after: se", "after layer1:", "", "after x: 'se"]


@pytest.mark.parametrize("edit", [*NONE, "after x: se -o a.py", "after x: se --static"])
def test_what_is_no_edit_is_refused(edit: str) -> None:
    with pytest.raises(CodegenError) as refused:
        edits.words(edit)
    assert refused.value.name == "bad-edit" and refused.value.hint


@pytest.mark.parametrize("command", ["--module se --after layer1", "--edit 'before x: eca' --edit 'after layer1: se a=1'"])
def test_the_same_is_not_inserted_twice_by_accident(command: str) -> None:
    text = f"{HEADER}#     codegen insert net.py {command}\n"
    again = Request("net_se.py", "after", "layer1", "se")
    with pytest.raises(CodegenError) as refused:
        edits.refuse_twice([again], text)
    assert refused.value.name == "inserted-already" and "--name" in refused.value.hint
    others = (("after", "layer2", "se"), ("before", "layer1", "se"), ("after", "layer1", "eca"))
    edits.refuse_twice([Request("net_se.py", *other) for other in others], text)
    edits.refuse_twice([Request("net_se.py", "after", "layer1", "se", name="gate")], text)


def test_every_header_of_a_variant_of_variants_counts() -> None:
    lines = [f"{HEADER}#     codegen insert net.py --module se --after layer{i}\n# notices\n" for i in range(6, 0, -1)]
    with pytest.raises(CodegenError, match="inserted-already"):
        edits.refuse_twice([Request("net_se.py", "after", "layer1", "se")], "".join(lines) + "import torch\n")


def test_two_edits_that_say_the_same_are_refused() -> None:
    with pytest.raises(CodegenError, match="inserted-already"):
        edits.refuse_twice([Request("net.py", "after", "layer1", "se")] * 2, "")


CLASS = "class Gate(nn.Module):\n    def __init__(self, width, r={0}, act='relu'):\n        self.r = {1}\n"


def parsed(text: str) -> ast.stmt:
    return ast.parse(text).body[0]


def test_other_defaults_are_settings() -> None:
    old, new = parsed(CLASS.format(16, "r")), parsed(CLASS.format(8, "r"))
    assert defaults.settings(old, new) == {"r": "8"}
    assert defaults.settings(old, old) == {}


@pytest.mark.parametrize("other", [CLASS.format(8, "r + 1"), CLASS.replace(", act='relu'", "").format(8, "r"), "Gate = 1"])
def test_classes_that_differ_in_more_are_others(other: str) -> None:
    assert defaults.settings(parsed(CLASS.format(16, "r")), parsed(other)) == {}


@pytest.mark.parametrize(
    ("construct", "said"),
    [
        ("Gate(dim)", "Gate(dim, r=8)"),
        ("Gate()", "Gate(r=8)"),
        ("Gate(dim, r=4)", "Gate(dim, r=4)"),
        ("lambda: Gate(f(dim), act='x')", "lambda: Gate(f(dim), act='x', r=8)"),
    ],
)
def test_settings_stand_in_the_call(construct: str, said: str) -> None:
    assert defaults.given(Component("gate", "Gate", construct), {"r": "8"}) == said


NET = (
    "from torch import nn\n\n\nclass Net(nn.Module):\n    def __init__(self, width=8):\n        super().__init__()\n"
    "        self.stem = nn.Conv2d(3, width, 3)\n        self.body = nn.Conv2d(width, 2 * width, 3)\n\n"
    "    def forward(self, x):\n        x = self.stem(x)\n        return self.body(x)\n"
)
TWO = ("--edit", "after stem: se", "--edit", "after body: se reduction=2")


@pytest.fixture
def net(tmp_path: Path) -> Path:
    path = tmp_path / "net.py"
    path.write_text(NET, encoding="utf-8")
    return path


def run(path: Path, *words: str) -> Result:
    return CliRunner().invoke(cli, ["insert", str(path), "--input", "1x3x16x16", *words])


def test_a_file_of_several_edits(net: Path) -> None:
    """In the order of the edits; the class stands once; the header has the command."""
    made = net.with_name("made.py")
    done = run(net, *TWO, "-o", str(made))
    assert done.exit_code == 0, done.output
    text = made.read_text()
    assert text.count("class SqueezeExcite") == 1 and "# net with 2 edits" in text
    assert "self.se = SqueezeExcite(width)\n" in text and "self.se2 = SqueezeExcite(2 * width, reduction=2)\n" in text


@pytest.mark.slow
def test_several_edits_in_place_change_nothing_else(net: Path) -> None:
    made = net.with_name("made.py")
    assert run(net, *TWO, "-o", str(made)).exit_code == run(net, *TWO, "--in-place").exit_code == 0
    assert made.read_text().endswith(net.read_text())


def test_a_name_that_means_nothing_is_told_with_its_edit(net: Path) -> None:
    wrong = run(net, *TWO, "--edit", "after neck: se")
    assert isinstance(wrong.exception, CodegenError) and wrong.exception.name == "unknown-site"
    assert wrong.exception.message.startswith("edit 3, 'after neck: se': ")


@pytest.mark.slow
def test_features_are_tapped_behind_the_modules_of_all_edits(tmp_path: Path) -> None:
    """A feature extractor runs the children by order: the second edit knows it as well as the first."""
    pytest.importorskip("timm")
    words = ["insert", "timm:test_resnet", "--edit", "after layer1: se", "--edit", "after layer2: se"]
    done = CliRunner().invoke(cli, [*words, "-o", str(tmp_path / "made.py")])
    assert done.exit_code == 0, done.output
    assert "place_se2(self)" in (tmp_path / "made.py").read_text()


CALLED_TWICE = NET.replace("        x = self.stem(x)\n", "        x = self.act(self.stem(x))\n").replace(
    "return self.body(x)", "return self.act(self.body(x))"
).replace("        self.body", "        self.act = nn.ReLU()\n        self.body")  # fmt: skip


@pytest.mark.slow
def test_later_edits_bring_in_classes_of_other_files(tmp_path: Path) -> None:
    pytest.importorskip("timm")
    words = ["insert", "timm:test_efficientnet", "--edit", "after conv_stem: se", "--edit", "after blocks.*.*.bn1: eca"]
    done = CliRunner().invoke(cli, [*words, "-o", str(tmp_path / "out.py")])
    assert done.exit_code == 0, done.output
    text = (tmp_path / "out.py").read_text(encoding="utf-8")
    classes = ("ConvBnAct", "EdgeResidual", "InvertedResidual")  # of timm/models/_efficientnet_blocks.py
    assert all(text.count(f"\nclass {name}(nn.Module):\n") == 1 for name in classes)
    assert text.count("        x = self.eca(x)\n") == len(classes) and text.count("\ndef load_without(") == 1
    done = CliRunner().invoke(cli, ["verify", str(tmp_path / "out.py")])
    assert done.exit_code == 0, done.output


@pytest.mark.slow
def test_a_module_of_its_own_for_each_call(net: Path) -> None:
    net.write_text(CALLED_TWICE, encoding="utf-8")
    made = net.with_name("made.py")
    done = run(net, "--module", "se", "--after", "act", "--arg", "reduction=2", "--separate", "-o", str(made))
    assert done.exit_code == 0, done.output
    text = made.read_text()
    assert "self.se = SqueezeExcite(width)" in text and "self.act(self.stem(x))\n        x = self.se(x)\n" in text
    assert "self.se2 = SqueezeExcite(2 * width)" in text and "return self.se2(self.act(self.body(x)))" in text
    assert '--edit "after act@1: se reduction=2"' in text.replace("'", '"')


@pytest.mark.slow
def test_separate_is_for_sites_that_are_called_several_times(net: Path) -> None:
    for words, what in ((("--after", "stem"), "several places"), (("--after", "stem", "--call", "1"), "--call of one")):
        wrong = run(net, "--module", "se", *words, "--separate")
        assert isinstance(wrong.exception, CodegenError) and what in wrong.exception.message
