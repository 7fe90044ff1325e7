"""The user's own module files are inputs of a variant: recorded in its header, and told where one of them changes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from test_recipes import CONFIG, NET, Call, call

from codegen import emit, inputs, keeping, sources
from codegen.types import Request, Source, SourceFile

__all__ = ["call"]  # a fixture
MINE = """from torch import nn

from gates import Gate


class Mine(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.gate = Gate()

    def forward(self, x):
        return x * self.gate(x)
"""
GATES = "from torch import nn\n\n\nclass Gate(nn.Module):\n    def forward(self, x):\n        return x.sigmoid()\n"
OF_MINE = CONFIG.partition("\n[tool.codegen.variants.net_two]")[0].replace("after stem: se", "after stem: parts/mine.py:Mine")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "parts").mkdir()
    (tmp_path / "net.py").write_text(NET)
    (tmp_path / "parts/mine.py").write_text(MINE)
    (tmp_path / "parts/gates.py").write_text(GATES)
    (tmp_path / "pyproject.toml").write_text(OF_MINE)
    monkeypatch.setenv("CODEGEN_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def source(spec: str) -> Source:
    return sources.resolve(spec)


def test_files_beside_a_loose_source_are_recorded(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "parts/net.py").write_text("from gates import Gate\n\n\nclass Net(Gate): ...\n")
    request = Request("parts/net.py:Net", "after", "stem", "se")
    found = inputs.recorded([request], source("parts/net.py:Net"))
    assert [name for name, _ in found] == ["parts/gates.py"] and not [*inputs.changed(found, [request])]
    (folder / "parts/gates.py").write_text(GATES + "# another one\n")
    assert [name for name, _, _ in inputs.changed(found, [request])] == ["parts/gates.py"]
    monkeypatch.chdir(folder / "parts")
    assert [name for name, _ in inputs.recorded([request], source("net.py"))] == ["gates.py"]
    assert inputs.recorded([request], source("torchvision:alexnet")) == ()


def test_what_is_recorded(folder: Path) -> None:
    def names(module: str, **more: str) -> list[str]:
        return [name for name, _ in inputs.recorded([Request("net.py", "after", "stem", module, **more)], source("net.py"))]

    assert names("parts/mine.py:Mine") == ["parts/mine.py", "parts/gates.py"]
    assert names("se >> parts/gates.py:Gate") == names(f"{folder}/parts/gates.py:Gate") == ["parts/gates.py"]
    assert names("se") == names("torch.nn:GELU") == names("parts/mine.py:Mine", inclusion="import") == []
    assert names("parts/mine.py:Mine", layers="Linear(3)") == []


def test_the_header_names_them_and_is_read_again(folder: Path) -> None:
    request = Request("net.py", "after", "stem", "parts/mine.py:Mine")
    net = source("net.py")
    found = inputs.recorded([request], net)
    lines = emit.header(request, net, "Net", "Net()", found)
    digests = {name: emit.digest(SourceFile(Path(name), text)) for name, text in (("mine", MINE), ("gates", GATES))}
    assert f"(sha256 {emit.digest(net.file)}) and parts/mine.py (sha256 {digests['mine']}) and parts/g" in lines
    read = emit.headers(emit.headed(NET, lines))[0]
    assert read.inputs == found and read.digest == emit.digest(net.file)
    old = emit.headers(emit.headed(NET, emit.header(request, net, "Net", "Net()")))[0]
    assert old.inputs == () and [*inputs.changed(old.inputs, [request])] == []  # of a header of before nothing is known
    odd = (("a and b (sha256 x).py", "0" * 16), ("c, changed, with.py", "1" * 16))
    assert emit.headers(emit.headed(NET, emit.header(request, net, "Net", "Net()", odd)))[0].inputs == odd


def test_a_file_outside_of_the_folder_is_found_where_the_recipe_says(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "deep").mkdir()
    monkeypatch.chdir(folder / "deep")
    for spec in ("../parts/gates.py", str(folder / "parts/gates.py")):
        request = Request("net.py", "after", "stem", f"{spec}:Gate")
        found = inputs.recorded([request], source("../net.py"))
        assert not [*inputs.changed(found, [request])] and str(folder) not in found[0][0]


@pytest.mark.slow
def test_check_build_and_update_see_a_changed_module(folder: Path, call: Call) -> None:
    def problems() -> list[str]:
        found = json.loads(call("check", "--json")[1])["variants"][0]["problems"]
        return [f"{problem['kind']} {problem['detail']}".strip() for problem in found]

    path = folder / "generated/net_se.py"
    assert call("build")[0] == 0 and problems() == []
    made = path.read_text()
    gates = folder / "parts/gates.py"
    gates.write_text(GATES.replace("x.sigmoid()", "x.tanh()"))
    assert problems() == ["module-changed parts/gates.py"]
    code, output, _ = call("check", "--diff")
    assert code == 3 and "module-changed: a file that the variant copies" in output and "+sha256 " in output
    assert call("check", "generated/net_se.py")[0] == 3  # by its header alone

    path.write_text(made.replace("return x * self.gate(x)", "return x + self.gate(x)"))
    code, output, _ = call("update")
    assert code == 0 and "1 merged" in output
    text = path.read_text()
    assert "x.tanh()" in text and "return x + self.gate(x)" in text and problems() == ["edited-by-hand"]
    gates.unlink()
    assert problems() == ["source-missing parts/gates.py, which the variant copies from", "edited-by-hand"]
    code, output, _ = call("update")
    assert code == 2 and "not-a-variant" in output and "parts/gates.py" in output
    (folder / "pyproject.toml").write_text(OF_MINE.replace("parts/mine.py:Mine", "se"))
    assert problems() == ["recipe-changed", "edited-by-hand"]  # which needs no such file
    (folder / "pyproject.toml").write_text(OF_MINE)
    gates.write_text(GATES)
    assert call("build", "--force")[0] == 0 and path.read_text() == made


def test_every_kind_of_problem_is_described() -> None:
    assert {keeping._module("a.py", "0", new).kind for new in ("1", "")} <= keeping.PROBLEMS.keys()
