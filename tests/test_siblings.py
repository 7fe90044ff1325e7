"""A loose file that imports from files beside it becomes a variant that imports by itself."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from codegen import siblings, sources
from codegen.errors import CodegenError
from codegen.syntax import Code

CONSTS = "WIDTH = 4\nOTHER = 5\n"
LAYERS = """import math
from torch import nn
from consts_beside import WIDTH

SCALE = 2


class ConvBlock(nn.Module):
    def forward(self, x):
        return x * SCALE * math.sqrt(WIDTH)


class Unused(nn.Module):
    pass
"""


def gathered(folder: Path, text: str, wanted: set[str] | None = None) -> siblings.Gathered:
    (folder / "consts_beside.py").write_text(CONSTS)
    (folder / "layers_beside.py").write_text(LAYERS)
    path = folder / "net.py"
    path.write_text(text)
    file = sources.file(path)
    return siblings.gather(file, Code(file.text, path.name), wanted)


def test_definitions_come_with_what_they_need_and_no_more(tmp_path: Path) -> None:
    found = gathered(tmp_path, "from torch import nn\nfrom layers_beside import ConvBlock\n")
    assert "\n".join(found.bodies).count("class ") == 1 and "WIDTH = 4" in found.bodies[0]
    assert "OTHER" not in "".join(found.bodies) and not any("beside" in text for text in found.imports)
    assert {"ConvBlock", "SCALE", "WIDTH"} <= found.names and len(found.statements) == 1


def test_the_definitions_stand_in_an_order_that_runs(tmp_path: Path) -> None:
    found = gathered(tmp_path, "from layers_beside import ConvBlock\n")
    scope: dict[str, object] = {}
    exec("\n".join([*found.imports, *found.bodies]), scope)
    assert "ConvBlock" in scope


def test_names_that_nothing_needs_stay_behind(tmp_path: Path) -> None:
    found = gathered(tmp_path, "from layers_beside import ConvBlock, Unused\n", {"Unused"})
    classes = [n.name for n in ast.walk(ast.parse("".join(found.bodies))) if isinstance(n, ast.ClassDef)]
    assert classes == ["Unused"]


@pytest.mark.parametrize(
    "line", ["import layers_beside", "from layers_beside import *", "from layers_beside import Unused as U"]
)
def test_whole_modules_and_new_names_are_refused(tmp_path: Path, line: str) -> None:
    with pytest.raises(CodegenError) as caught:
        gathered(tmp_path, line + "\n")
    assert caught.value.name == "sibling-import" and "net.py:1" in caught.value.message


def test_installed_modules_are_no_siblings(tmp_path: Path) -> None:
    (tmp_path / "timm.py").write_text("x = 1\n")
    found = gathered(tmp_path, "from json import loads\nfrom timm import create_model\n")
    assert not found.statements and not found.bodies
