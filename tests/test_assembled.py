"""Models that a function makes of torch's own nn.Sequential: what changes is the end of the function."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from conftest import Run

from codegen import assembled
from codegen.errors import CodegenError
from codegen.rewrite import apply
from codegen.syntax import Code


def ended(body: str, variable: str = "model") -> str:
    text = "def make(width):\n" + "".join(f"    {line}\n" for line in body.splitlines())
    code = Code(text)
    function = code.tree.body[0]
    assert isinstance(function, ast.FunctionDef)
    return apply(text, assembled.ending(code, function, variable, ["model.se = SE(width)"]))


def test_what_is_returned_gets_a_name() -> None:
    assert ended("return nn.Sequential(\n    a,\n)") == (
        "def make(width):\n    model = nn.Sequential(\n        a,\n    )\n    model.se = SE(width)\n    return model\n"
    )


def test_what_has_a_name_keeps_it() -> None:
    body = "model = nn.Sequential(a)\n# trained in 2019\nreturn model"
    expected = "model = nn.Sequential(a)\n    # trained in 2019\n    model.se = SE(width)\n    return model\n"
    assert ended(body) == f"def make(width):\n    {expected}"


@pytest.mark.parametrize(
    "body",
    [
        "if width:\n    return nn.Sequential(a)\nreturn nn.Sequential(b)",
        "if width:\n    return nn.Sequential(a)",
        "model = width\nreturn nn.Sequential(model)",
        "x = 1; return nn.Sequential(a)",
    ],
)
def test_other_ways_out_are_refused(body: str) -> None:
    with pytest.raises(CodegenError, match="only return"):
        ended(body)


FILE = """\
from torch import nn


class Block(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.conv = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, x):
        return x + self.conv(x)


def net(width=16):
    layers = [nn.Conv2d(3, width, 3)]
    layers += [Block(width), Block(width)]
    return nn.Sequential(*layers)
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("site", "expected"),
    [
        ("1", "    model.se = SqueezeExcite(width)\n    place_se(model)\n"),
        ("*.conv", "        return x + self.se(self.conv(x))\n"),
    ],
)
def test_blocks_of_a_class_of_the_file_in_such_a_list(codegen: Run, tmp_path: Path, site: str, expected: str) -> None:
    (tmp_path / "net.py").write_text(FILE, encoding="utf-8")
    done = codegen("insert", "net.py", "--build", "net()", "--module", "se", "--after", site, "-o", "out.py", cwd=tmp_path)
    assert done.returncode == 0, done.stderr.decode()
    assert expected in (tmp_path / "out.py").read_text(encoding="utf-8")


@pytest.mark.slow
def test_beside_needs_a_forward(codegen: Run, tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text(FILE, encoding="utf-8")
    done = codegen("insert", "net.py", "--build", "net()", "--module", "se", "--beside", "1", cwd=tmp_path)
    assert done.returncode == 2 and b"error[site-not-editable]: net returns an nn.Sequential" in done.stderr
