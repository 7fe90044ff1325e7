"""codegen base: the source standalone, the very model; edits that are made to it are kept in its recipe, and come out again."""

from __future__ import annotations

import difflib
import re
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import Run

import codegen as api
from codegen import emit
from codegen.errors import CodegenError
from codegen.worker import models

NET = '''"""A net."""

import torch
from torch import nn

from parts import WIDTH, Block


class Net(nn.Module):
    def __init__(self, dim=WIDTH):
        super().__init__()
        self.stem = nn.Conv2d(3, dim, 3)
        self.block = Block(dim)
        self.head = nn.Linear(dim, 10)

    def forward(self, x):
        x = self.stem(x)
        x = self.block(x)
        return self.head(x.mean((2, 3)))
'''
PARTS = """from torch import nn

WIDTH = 8


class Block(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.conv = nn.Conv2d(dim, dim, 3, padding=1)

    def forward(self, x):
        return x + self.conv(x)
"""
SMALL = {"input": "1x3x16x16"}


@pytest.fixture
def net(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """net.py and parts.py, a module of its own, in the working directory."""
    monkeypatch.chdir(tmp_path)
    Path("parts.py").write_text(PARTS)
    Path("net.py").write_text(NET)
    return Path("net.py")


def refused(name: str, function: Any, /, *args: Any, **options: Any) -> CodegenError:
    with pytest.raises(CodegenError) as caught:
        function(*args, **options)
    assert caught.value.name == name, caught.value
    return caught.value


def changed(old: str, new: str) -> list[str]:
    lines = difflib.unified_diff(old.splitlines(), new.splitlines(), lineterm="", n=0)
    return [line for line in lines if line[:1] in "+-" and line[:3] not in ("+++", "---")]


@pytest.mark.slow
def test_a_base_an_edit_and_back(net: Path) -> None:
    report = api.base(net, **SMALL)
    file = Path("generated/net_base.py")
    text = file.read_text()
    assert report.output == str(file) and report.variant and report.variant.build == "Net()" and report.site is None
    assert [(c.name, c.status) for c in report.checks] == [
        (name, "passed") for name in ("import", "shape", "weights", "seed", "values")
    ]
    assert "#     codegen base net.py --input 1x3x16x16\n" in text and "# net standalone: host Net, built by Net()." in text
    assert "parts import" not in text and emit.without_header(text).startswith('"""A net."""\n')
    assert not api.check(file)[0].problems
    assert "-from parts import WIDTH, Block" in api.diff(file).lines

    made = api.insert(file, module="se", after="stem", in_place=True)
    variant = file.read_text()
    assert made.output == str(file) and "#     codegen base net.py --input 1x3x16x16 --edit 'after stem: se'\n" in variant
    assert not api.check(file)[0].problems
    lines = changed(emit.without_header(text), emit.without_header(variant))
    assert all(line[0] == "+" for line in lines) and "+        x = self.se(x)" in lines
    assert lines == [line for line in api.diff(file).lines if line[:1] in "+-" and line[:3] not in ("+++", "---")]

    back = api.remove(file, name="se", in_place=True)
    assert file.read_text() == text and back.output == str(file)
    assert "-        x = self.se(x)" in api.diff(back).lines


@pytest.mark.slow
def test_what_is_no_recipe_any_more_is_not_made_anew(net: Path) -> None:
    api.base(net, **SMALL)
    file = Path("generated/net_base.py")
    text = file.read_text()
    edit: dict[str, Any] = {"module": "se", "after": "stem", "in_place": True}
    refused("usage", api.insert, file, **edit, build="Net(dim=4)")
    refused("usage", api.insert, file, **edit, static=True)
    refused("usage", api.head, file, site="head", layers="Linear(5)", in_place=True, class_="Net")
    refused("output-exists", api.base, net, **SMALL)
    assert file.read_text() == text
    net.write_text(NET + "# newer\n")
    refused("source-changed", api.insert, file, **edit)
    assert api.check(file)[0].kinds == {"upstream-changed"} and file.read_text() == text


@pytest.mark.slow
def test_a_base_that_was_edited_by_hand_gets_the_edit_as_it_stands(net: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The edits by hand stay, and are proved with it; the recipe grows; all of it is merged, and comes out again."""
    monkeypatch.setenv("CODEGEN_CACHE", str(net.parent.absolute() / "cache"))
    api.base(net, **SMALL)
    file = Path("generated/net_base.py")
    text = file.read_text()
    by_hand = text.replace("        x = self.block(x)\n", "        x = self.last(self.block(x)).relu()  # ours\n")
    by_hand = by_hand.replace("        self.head =", "        self.last = nn.Identity()\n        self.head =")
    file.write_text(by_hand)
    edit: dict[str, Any] = {"module": "se", "in_place": True}
    dry = api.insert(file, after="stem", dry_run=True, **edit)
    assert file.read_text() == by_hand and any("edited by hand stays" in note for note in dry.notes)
    report = api.insert(file, after="stem", **edit)
    both = file.read_text()
    lines = changed(emit.without_header(by_hand), emit.without_header(both))
    assert all(line[0] == "+" for line in lines) and "+        x = self.se(x)" in lines
    assert lines == [line for line in api.diff(report).lines if line[0] in "+-" and line[:3] not in ("+++", "---")]
    assert emit.recorded_command(both)[-2:] == ["--edit", "after stem: se"]
    state = api.check(file, diff=True)[0]
    assert state.kinds == {"edited-by-hand"} and "+        x = self.last(self.block(x)).relu()  # ours" in state.diff
    assert not [line for line in state.diff if "self.se" in line and line[0] in "+-"]

    error = refused("edited-by-hand", api.insert, file, after="last", **edit)  # nothing that the recipe has
    assert "unknown" not in error.hint and error.hint.startswith("codegen eject") and file.read_text() == both
    refused("unknown-site", api.insert, file, after="lats", **edit)
    net.write_text(NET.replace("dim, 3)", "dim, 5)"))
    assert "codegen update" in refused("source-changed", api.insert, file, after="block", **edit).hint
    assert [result.status for result in api.update(file)] == ["merged"]
    assert "# ours" in file.read_text() and "dim, 5)" in file.read_text() and "self.se(x)" in file.read_text()
    file.write_text(both)
    net.write_text(NET)
    api.remove(file, name="se", in_place=True)
    assert file.read_text() == by_hand


@pytest.mark.slow
def test_edits_by_hand_stay_when_an_insertion_is_taken_out(net: Path) -> None:
    api.base(net, **SMALL)
    file = Path("generated/net_base.py")
    text = file.read_text()
    api.insert(file, module="se", after="stem", in_place=True)
    file.write_text(file.read_text() + "# by hand\n")
    api.remove(file, name="se", in_place=True)
    assert file.read_text() == text + "# by hand\n"
    assert api.check(file)[0].kinds == {"edited-by-hand"}


@pytest.mark.slow
def test_several_edits_of_every_kind_grow_the_recipe(net: Path) -> None:
    api.base(net, output="base.py", **SMALL)
    api.insert("base.py", module="se", args={"reduction": 2}, after="stem", class_="Net", in_place=True)
    api.insert("base.py", edits=["replace stem: torch.nn:Conv2d kernel_size=1", "head head: Linear(5)"], in_place=True)
    api.wrap("base.py", site="block", with_="gate", in_place=True)
    command = emit.recorded_command(Path("base.py").read_text())
    assert command == [
        *["base", "net.py", "--input", "1x3x16x16", "--edit", "after stem: se reduction=2 --class Net"],
        *["--edit", "replace stem: torch.nn:Conv2d kernel_size=1", "--edit", "head head: Linear(5)"],
        *["--edit", "after block: gate"],
    ]
    made = Path("base.py").read_bytes()
    assert not api.check("base.py")[0].problems
    assert [result.status for result in api.build("base.py", force=True)] == ["made"]
    assert Path("base.py").read_bytes() == made
    assert all(check.status != "failed" for check in api.verify("base.py").checks)
    refused("several-edits", api.remove, "base.py", name="gate", in_place=True)
    refused("inserted-already", api.insert, "base.py", edits=["after block: gate"], in_place=True)


@pytest.mark.slow
def test_a_base_is_verified_and_built_again(net: Path) -> None:
    api.base(net, **SMALL)
    file = Path("generated/net_base.py")
    text = file.read_text()
    assert {check.status for check in api.verify(file).checks} == {"passed"}
    file.write_text(text.replace("x + self.conv(x)", "x - self.conv(x)"))
    found = {check.name: check.status for check in api.verify(file).checks}
    assert found["values"] == "failed" and found["weights"] == "passed"
    file.write_text(text.replace("WIDTH = 8", "WIDTH = 4"))
    assert {check.name for check in api.verify(file).checks if check.status == "failed"} >= {"weights", "seed"}
    file.write_text(text)
    net.write_text(NET.replace("WIDTH, Block", "Block, WIDTH"))
    assert [result.status for result in api.build(file)] == ["made"]
    assert emit.without_header(file.read_text()) == emit.without_header(text)


@pytest.mark.slow
def test_the_base_of_a_library_model_is_that_model(tmp_path: Path, codegen: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same numbers under the same seed, nothing of timm overwritten; a small diff; the base back, by the command line."""
    timm = pytest.importorskip("timm")
    from timm.models._registry import _model_entrypoints

    done = codegen("base", "timm:resnet18", "-o", "models/resnet18.py", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    file = tmp_path / "models" / "resnet18.py"
    text = file.read_bytes()
    before = dict(_model_entrypoints)
    module = models.import_file(file, "resnet18_of_test")
    try:
        assert {name: _model_entrypoints[name] for name in before} == before
        assert set(_model_entrypoints) - set(before) == {"resnet18_base"}
        torch.manual_seed(3)
        theirs = timm.create_model("resnet18").eval()
        torch.manual_seed(3)
        ours = timm.create_model("resnet18_base").eval()
    finally:
        del sys.modules["resnet18_of_test"]
        _model_entrypoints.pop("resnet18_base", None)
    assert type(ours) is module.ResNet and type(theirs) is not module.ResNet
    assert all(map(torch.equal, theirs.state_dict().values(), ours.state_dict().values()))
    x = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        assert torch.equal(theirs(x), ours(x))
    monkeypatch.chdir(tmp_path)
    words = ["--in-place", "--module", "se", "--after", "layer2"]
    assert codegen("insert", "models/resnet18.py", *words, cwd=tmp_path).returncode == 0
    assert codegen("check", "models/resnet18.py", cwd=tmp_path).returncode == 0
    lines = changed(emit.without_header(text.decode()), emit.without_header(file.read_text()))
    inside = [line for line in lines if re.match(r"[+-] {8}", line) and "self.se" in line]
    assert len(inside) == 4 and sum(line[0] == "-" for line in lines) == 1
    assert codegen("remove", "models/resnet18.py", "--name", "se", "--in-place", cwd=tmp_path).returncode == 0
    assert file.read_bytes() == text
