"""A loose file that imports from files beside it becomes a variant that imports by itself, and means the same."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from codegen import owned, rewrite, siblings, sources, standalone
from codegen.errors import CodegenError
from codegen.standalone import Parts
from codegen.syntax import Code
from codegen.types import Edit

LAYERS = """import math
from consts_beside import WIDTH

SCALE = 2


class ConvBlock:
    def forward(self, x):
        return x * SCALE * math.sqrt(WIDTH)


class Unused:
    pass
"""
FILES = {"consts_beside.py": "WIDTH = 4\nOTHER = 5\n", "layers_beside.py": LAYERS}
SIX = {"parts_beside/c.py": "C = 6\n"}
UP = {"up_beside.py": "SCALE = 9\n\n\ndef up(x):\n    return SCALE * x\n"}
TRIED = """
try:
    from .layers_beside import ConvBlock as C
except ImportError:
    from layers_beside import ConvBlock as C
made = C"""
CIRCLE = {
    "a_beside.py": "from b_beside import B\n\n\nclass A(B):\n    pass\n",
    "b_beside.py": "from a_beside import A\n\n\ndef f():\n    return A\n\n\nB = f\n",
}
TWO_MEANINGS = {
    "c_beside.py": "import math as m\na = m.pi\n",
    "d_beside.py": "import random as m\nb = m.random\n",
}
NET = "\n\nclass Net:\n    pass\n"


def parts(folder: Path, text: str, files: dict[str, str], keep: str = "all") -> Parts:
    for name, content in {**FILES, **files, "net.py": text}.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, newline="")
    file = sources.file(folder / "net.py")
    code = Code(file.text, "net.py")
    return Parts(file, code, file, code, "Net", (), keep, "")


def alone(folder: Path, text: str, files: dict[str, str] | None = None, keep: str = "all") -> dict[str, object]:
    """What the standalone text of a file defines; the text itself is `made`."""
    made = standalone.assemble(parts(folder, text + NET, files or {}, keep))
    assert "import beside" not in made and "_beside import" not in made
    scope: dict[str, object] = {"__name__": "made"}
    exec(compile(made, "made.py", "exec"), scope)
    return {**scope, "made": made}


def test_definitions_come_with_what_they_need_and_no_more(tmp_path: Path) -> None:
    made = str(alone(tmp_path, "from layers_beside import ConvBlock\n")["made"])
    assert made.count("class ") == 2 and "WIDTH = 4" in made and "OTHER" not in made and "import math" in made


def test_names_that_nothing_needs_stay_behind(tmp_path: Path) -> None:
    text = "from layers_beside import ConvBlock, Unused\n\n\nclass Spare:\n    block = ConvBlock\n"
    scope = alone(tmp_path, text, keep="used")
    assert "ConvBlock" not in scope and "Unused" not in scope and "Spare" not in scope


@pytest.mark.parametrize(
    "line",
    [
        "from layers_beside import ConvBlock\nmade = ConvBlock",
        "from layers_beside import ConvBlock as CB\nmade = CB",
        "from layers_beside import *\nmade = ConvBlock",
        "import layers_beside\nmade = layers_beside.ConvBlock",
        "import layers_beside as lb\nmade = lb.ConvBlock",
        TRIED,
    ],
)
def test_every_way_to_import_from_a_sibling(tmp_path: Path, line: str) -> None:
    scope = alone(tmp_path, line.replace("made", "chosen") + "\n")
    assert scope["chosen"]().forward(3) == 12.0  # type: ignore[operator]


@pytest.mark.parametrize(
    ("line", "files"),
    [
        ("from parts_beside import B", {"parts_beside/__init__.py": "from .b import B\n", "parts_beside/b.py": "B = 7\n"}),
        ("from parts_beside import B", {"parts_beside/__init__.py": "from .b import *\n", "parts_beside/b.py": "B = 7\n"}),
        ("from parts_beside.b import B", {"parts_beside/b.py": "from parts_beside.c import C\nB = C + 1\n", **SIX}),
        ("from parts_beside import b\nB = b.B", {"parts_beside/b.py": "from parts_beside import c\nB = c.C + 1\n", **SIX}),
        ("import parts_beside.b\nB = parts_beside.b.B", {"parts_beside/b.py": "B = 7\n"}),
        ("from one_beside import A as B", {"one_beside.py": "from two_beside import X as A\n", "two_beside.py": "X = 7\n"}),
    ],
)  # fmt: skip
def test_folders_and_files_that_pass_names_on(tmp_path: Path, line: str, files: dict[str, str]) -> None:
    assert alone(tmp_path, line + "\n", files)["B"] == 7


def test_what_a_sibling_imports_can_be_taken_from_it(tmp_path: Path) -> None:
    text = "from layers_beside import *\nfrom layers_beside import math as m\ntwo = math.sqrt(4) + m.floor(0.5)\n"
    assert alone(tmp_path, text)["two"] == 2.0


@pytest.mark.parametrize(
    ("text", "files"),
    [
        # the file's own SCALE is another thing
        ("from layers_beside import ConvBlock\nSCALE = 50\n", {}),
        ("import layers_beside\nSCALE = 50\n\n\nclass ConvBlock(layers_beside.ConvBlock):\n    pass\n", {}),
        # two siblings with a SCALE each
        ("from layers_beside import ConvBlock\nfrom up_beside import up\n", UP),
        # a sibling's sum is not the built-in
        ("from layers_beside import ConvBlock\nfrom other_beside import total\nten = sum([4, 6])\n",
         {"other_beside.py": "def sum(x):\n    return 0\n\n\ndef total(x):\n    return sum(x)\n"}),
    ],
)  # fmt: skip
def test_a_name_that_means_two_things_keeps_both(tmp_path: Path, text: str, files: dict[str, str]) -> None:
    scope = alone(tmp_path, text, files)
    assert scope["ConvBlock"]().forward(3) == 12.0  # type: ignore[operator]
    assert "SCALE = 50" not in text or scope["SCALE"] == 50
    assert scope.get("ten", 10) == 10 and ("up" not in scope or scope["up"](2) == 18)  # type: ignore[operator]


def test_a_definition_that_two_siblings_share_is_one(tmp_path: Path) -> None:
    files = {"a_beside.py": "from layers_beside import ConvBlock\nA = ConvBlock\n"}
    files["b_beside.py"] = "import layers_beside\nB = layers_beside.ConvBlock\n"
    scope = alone(tmp_path, "from a_beside import A\nfrom b_beside import B\n", files)
    assert scope["A"] is scope["B"] and str(scope["made"]).count("class ConvBlock") == 1


@pytest.mark.parametrize("where", ["net.py", "a_beside.py"])
def test_what_is_inserted_says_names_as_the_variant_has_them(tmp_path: Path, where: str) -> None:
    text = "import layers_beside as lb\nSCALE = 50\n\n\ndef f():\n    x = lb.SCALE\n    return x\n"
    main = f"{text}{NET}" if where == "net.py" else f"from a_beside import f\nSCALE = 40\n{NET}"
    made = parts(tmp_path, main, {} if where == "net.py" else {where: text})
    file = sources.file(tmp_path / where)
    code = made.main if where == "net.py" else Code(file.text, where)
    at = code.text.index("    return x")
    edits = (Edit(at, at, "    x += lb.SCALE * SCALE\n"), Edit(at + 11, at + 11, "abs("), Edit(at + 12, at + 12, ")"))
    changed = [] if code is made.main else [siblings.Edited(file.path, ("f",), edits)]
    found = siblings.gather(made.file, made.main, None, changed)
    own = found.translated(edits) if code is made.main else []
    gone = [Edit(made.main.start(s), made.main.end(s), "") for s in found.statements]
    body = rewrite.apply(made.main.text, [*found.edits, *own, *gone])
    scope: dict[str, object] = {}
    exec("\n".join([*found.imports, *found.bodies, body]), scope)
    assert scope["f"]() == 2 + 2 * 50 and "abs(x)" in "\n".join([*found.bodies, body])  # type: ignore[operator]


@pytest.mark.parametrize("newline", ["\r\n", "\r"])
def test_line_ends_of_a_sibling_become_those_of_the_file(tmp_path: Path, newline: str) -> None:
    files = {"crlf_beside.py": "def f(x):\n    return (x +\n            1)\n".replace("\n", newline)}
    scope = alone(tmp_path, "from crlf_beside import f\n", files)
    assert scope["f"](1) == 2 and "\r" not in str(scope["made"])  # type: ignore[operator]


@pytest.mark.parametrize(
    ("text", "files", "said"),
    [
        ("import layers_beside\nx = vars(layers_beside)\n", {}, "uses layers_beside as a whole"),
        ("import layers_beside, os\n", {}, "in one statement"),
        ("from layers_beside import Nothing\n", {}, "does not define Nothing"),
        ("from a_beside import A\n", CIRCLE, "import each other"),
        ("from c_beside import a\nfrom d_beside import b\n", TWO_MEANINGS, "uses m for random"),
    ],
)  # fmt: skip
def test_what_cannot_be_brought_in_is_named(tmp_path: Path, text: str, files: dict[str, str], said: str) -> None:
    with pytest.raises(CodegenError) as caught:
        alone(tmp_path, text, files)
    assert caught.value.name in ("sibling-import", "name-clash") and said in caught.value.message


def test_a_definition_with_what_it_needs_from_files_beside_its_own(tmp_path: Path) -> None:
    text = "from torch import nn\nfrom layers_beside import *\nimport consts_beside as c\n\n\n"
    made = parts(tmp_path, text + "class Gate(ConvBlock):\n    width = c.OTHER\n", {})
    brought = owned.inlined(made.file, made.main, "Gate")
    scope: dict[str, object] = {}
    exec("\n".join([*brought.imports, brought.body]), scope)
    assert scope["Gate"].width == 5 and scope["Gate"]().forward(3) == 12.0  # type: ignore[attr-defined, operator]
    assert "beside" not in "".join([*brought.imports, brought.body])


def test_installed_modules_are_no_siblings(tmp_path: Path) -> None:
    made = parts(tmp_path, "from json import loads\nfrom timm import create_model\n", {"timm.py": "x = 1\n"})
    assert siblings.gather(made.file, made.main, None) == siblings.Gathered()


def test_a_file_of_a_package_has_no_siblings(tmp_path: Path) -> None:
    made = parts(tmp_path, "from .layers_beside import ConvBlock\n", {"__init__.py": ""})
    assert made.file.module.endswith(".net")
    assert siblings.gather(made.file, made.main, None) == siblings.Gathered()
    assert ast.parse(standalone.assemble(parts(tmp_path, "from .layers_beside import ConvBlock\n" + NET, {}))).body
