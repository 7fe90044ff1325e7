"""The self-check after every rewrite: sound edits pass, edits that change what stands around them are told as a bug."""

from __future__ import annotations

import ast
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from codegen import draft, rewrite, selfcheck, static
from codegen.errors import BUG, CodegenError
from codegen.syntax import Code
from codegen.types import Edit, Request

TEXT = """import torch
from torch import nn


class Net(nn.Module):
    def __init__(self, dim=8):
        super().__init__()
        self.m = nn.Conv2d(3, dim, 1)

    def forward(self, x):
        y = [self.a, self.b]
        if self.training:
            x = self.m(x) * 2
        else:
            x = -x
        return F.relu(self.m(x))


def net():
    return Net()
"""


def edit(before: str, text: str, behind: str = "", removed: str = "") -> Edit:
    """`text` between two pieces of TEXT, in the place of `removed`."""
    whole = before + removed + behind
    assert TEXT.count(whole) == 1, whole
    start = TEXT.index(whole) + len(before)
    return Edit(start, start + len(removed), text)


LAST = "        return F.relu(self.m(x))\n"
SOUND = {
    "statement": [edit("", "        x = self.se(x)\n", LAST)],
    "around a call": [edit("relu(", "self.se(", "self.m(x)"), edit("relu(self.m(x)", ")", ")")],
    "beside": [edit("relu(self.m(x)", " + self.se(x)", ")")],
    "beside, at the end of a statement": [edit("            x = -x", " + self.se(x)", "\n")],
    "at the start of a statement": [edit("", "x = y = ", "self.m = nn.Conv2d")],
    "a call around all of a statement": [
        edit("        ", "self.se(", "super().__init__()"), edit("super().__init__()", ")", "\n")
    ],
    "behind a semicolon": [edit("super().__init__()", "; self.z = 1", "\n")],
    "beside, at the end of a tuple": [edit("        return F.relu(self.m(x))", ", self.m(x)", "\n")],
    "around what stands last": [edit("            x = self.m(x) * 2", " ** 3", "\n")],
    "beside, in brackets": [
        edit("            x = ", "(", "self.m(x) * 2"), edit("            x = self.m(x)", " + self.se(x))", " * 2")
    ],
    "a return becomes an assignment": [
        edit("        ", "y =", " F.relu", "return"),
        edit("return F.relu(self.m(x))", "\n        y = self.se(y)\n        return y", "\n"),
    ],
    "a list in two": [edit("[self.a", "]\n        y = self.se(y)\n        y = [", "self.b", ", ")],
    "end of a function": [edit("nn.Conv2d(3, dim, 1)\n", "        self.se = SE(dim)\n")],
    "a class in front": [edit("from torch import nn\n\n\n", "class SE(nn.Module):\n    pass\n\n\n", "class Net")],
    "an import": [edit("import torch\n", "import math\n", "from torch")],
    "a name": [edit("def net", "_se", "():")],
    "a layer replaced": [edit("self.m = ", "Gate(dim)", "", "nn.Conv2d(3, dim, 1)")],
    "a statement left out": [edit("", "pass", "", "def net():\n    return Net()")],
    "nothing": [],
}  # fmt: skip
BROKEN = {
    "a string that ends below": [edit("import torch\n", '"""', "from torch"), edit("class Net", '"""', "(nn")],
    "a comment over the rest of the line": [edit("x = self.m(x)", "  # ", " * 2")],
    "the block of a statement": [edit("", "        if x is None:\n    ", LAST)],
    "the branch of a statement": [edit(" * 2\n        else:\n", "            pass\n        if x:\n", "            x = -x")],
    "out of a function": [edit("", "        pass\n    if 1:\n", LAST)],
    "precedence on the left": [edit("            x = self.m(x)", " + self.se(x)", " * 2")],
    "a value for a return": [edit("return Net()", " or 1", "\n"), edit("import torch", "; x = (", "\n")],
    "another call": [edit("        y = [self.a", "(", ", self.b"), edit("        y = [self.a, self.b", ")", "]")],
    "no Python": [edit("        return F.relu(", "(", "self.m(x))")],
    "half a line end": [edit("import torch", "\\", "\nfrom torch")],
}


def refused(edits: list[Edit]) -> CodegenError:
    with pytest.raises(CodegenError) as caught:
        selfcheck.demand(Code(TEXT), [], edits)
    return caught.value


@pytest.mark.parametrize("edits", SOUND.values(), ids=[*SOUND])
def test_what_was_inserted_can_be_taken_out(edits: list[Edit]) -> None:
    ast.parse(rewrite.apply(TEXT, edits))
    selfcheck.demand(Code(TEXT), [], edits)


@pytest.mark.parametrize("edits", BROKEN.values(), ids=[*BROKEN])
def test_what_changes_the_base_is_a_bug(edits: list[Edit]) -> None:
    error = refused(edits)
    assert (error.name, error.exit_code) == ("internal-error", BUG) and "bug of codegen" in error.hint


BROUGHT = edit("from torch import nn\n\n\n", "class A:\n    def f(self, x):\n        return x\n\n\n", "class Net")
RUNS = BROUGHT.text.replace("        return x", "        x = self.se(x)\n        return x")
WITH_ONE_MORE = replace(BROUGHT, text=BROUGHT.text.replace("class A", "class B") + RUNS)


def test_code_of_another_file_is_compared_by_its_lines() -> None:
    selfcheck.demand(Code(TEXT), [BROUGHT], [WITH_ONE_MORE])
    other = replace(WITH_ONE_MORE, text=BROUGHT.text.replace("        return x", "        if x:\n            return x"))
    with pytest.raises(CodegenError):
        selfcheck.demand(Code(TEXT), [BROUGHT], [other])


def made(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Request:
    monkeypatch.chdir(folder)
    Path("net.py").write_text(TEXT)
    return Request("net.py", "after", "m", "se", static=True, output="out.py")


def test_a_word_that_ends_as_another_is_not_taken_for_it() -> None:
    """`return x` -> `return x, aux` in code of another file: the x is no part of aux."""
    text = "import other\n"
    block = "\n\ndef f(x, g, h):\n    x = g(x)\n    return x\n"
    more = block.replace("x = g(x)", "x, aux = g(x), h(x)").replace("return x", "return x, aux")
    selfcheck.demand(Code(text), [Edit(len(text), len(text), block)], [Edit(len(text), len(text), more)])


def test_nothing_is_written_where_an_edit_is_wrong(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    request = made(tmp_path, monkeypatch)
    plan = draft.insert.plan

    def wrong(*given: Any) -> list[Edit]:
        return [replace(each, text=f"        if x is None:\n    {each.text.lstrip()}    ") for each in plan(*given)]

    monkeypatch.setattr(draft.insert, "plan", wrong)
    with pytest.raises(CodegenError) as caught:
        static.run(request)
    assert caught.value.name == "internal-error" and [p.name for p in tmp_path.iterdir()] == ["net.py"]


def test_nothing_is_written_where_a_second_run_differs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    request = made(tmp_path, monkeypatch)
    versions = iter(range(100))
    header = draft.emit.header
    monkeypatch.setattr(draft.emit, "header", lambda *given: f"# {next(versions)}\n{header(*given)}")
    with pytest.raises(CodegenError) as caught:
        static.run(request)
    assert caught.value.name == "internal-error" and "second run" in caught.value.message
    assert [p.name for p in tmp_path.iterdir()] == ["net.py"]
