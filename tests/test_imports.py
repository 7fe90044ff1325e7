"""imports: what names stand for, made absolute, trimmed with layout and comments kept."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from codegen import imports, rewrite
from codegen.errors import CodegenError
from codegen.syntax import Code
from codegen.types import SourceFile

LAID_OUT = """
from .layers import (  # ours
    Mlp,  # a comment of Mlp
    DropPath, trunc_normal_,
    # of Attention
    Attention as Attn,  # a comment of Attention
)
""".lstrip()


def trimmed(text: str, *names: str, module: str = "pkg.sub.net", file: str = "net.py") -> str:
    where = SourceFile(Path(file), text, "utf-8", module)
    code = Code(text)
    result = imports.trimmed(where, code, code.tree.body[0], frozenset(names))
    ast.parse(result)
    return result


@pytest.mark.parametrize(
    ("text", "names", "result"),
    [
        ("import os, sys as s, math", ("s", "math"), "import sys as s, math"),
        ("import os.path, torch.nn", ("torch",), "import torch.nn"),
        ("import torch.nn as nn", ("nn",), "import torch.nn as nn"),
        ("from a import b, c as d, e", ("b", "d"), "from a import b, c as d"),
        ("from a import b, c as d, e", ("c",), ""),
        ("from a import (b, c)", ("b",), "from a import (b)"),
        ("from a import b, \\\n    c, d", ("b", "c"), "from a import b, \\\n    c"),
        ("from a import b  # why", ("b",), "from a import b"),
    ],
)
def test_only_the_names_that_are_needed_stay(text: str, names: tuple[str, ...], result: str) -> None:
    assert trimmed(text, *names) == result


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("from .a import x", "from pkg.sub.a import x"),
        ("from . import x", "from pkg.sub import x"),
        ("from .. import x", "from pkg import x"),
        ("from ..b.c import x", "from pkg.b.c import x"),
        ("from . a import x", "from pkg.sub.a import x"),
    ],
)
def test_dots_are_resolved(text: str, result: str) -> None:
    assert trimmed(text, "x") == result


def test_dots_in_the_init_file_of_a_package() -> None:
    assert trimmed("from .a import x", "x", module="pkg.sub", file="__init__.py") == "from pkg.sub.a import x"
    assert trimmed("from .. import x", "x", module="pkg.sub", file="__init__.py") == "from pkg import x"


@pytest.mark.parametrize(
    ("text", "module"), [("from .a import x", ""), ("from ... import x", "pkg.net"), ("from .. import x", "net")]
)
def test_dots_that_leave_the_package_are_refused(text: str, module: str) -> None:
    with pytest.raises(CodegenError) as caught:
        trimmed(text, "x", module=module)
    assert caught.value.name == "relative-import" and "net.py:1" in caught.value.message


def test_a_star_is_made_absolute_and_always_stays() -> None:
    assert trimmed("from .a import *") == "from pkg.sub.a import *"
    assert trimmed("from math import *") == "from math import *"


def test_the_layout_and_comments_of_an_import_list_are_kept() -> None:
    assert trimmed(LAID_OUT, "Mlp", "DropPath", "trunc_normal_", "Attn") + "\n" == LAID_OUT.replace(
        ".layers", "pkg.sub.layers"
    )
    text = trimmed(LAID_OUT, "DropPath", "Attn")
    assert text.startswith("from pkg.sub.layers import (  # ours\n") and "    DropPath," in text
    assert text.endswith("Attention as Attn,  # a comment of Attention\n)")


def test_a_bracket_on_a_line_of_its_own_stays_there() -> None:
    assert trimmed("from a import (\n    b,\n    c,\n)", "b") == "from a import (\n    b,\n)"
    assert trimmed("from a import (\n    b,\n    c\n)", "b") == "from a import (\n    b\n)"


@pytest.mark.xfail(
    strict=True, reason="the last name's comma, comment included, is put behind the name that is now last"
)
def test_the_comment_of_a_name_goes_with_its_name() -> None:
    text = trimmed("from a import (\n    b,  # of b\n    c,  # of c\n)", "b")
    assert text == "from a import (\n    b,  # of b\n)"


def test_needed_takes_the_files_imports_in_their_order() -> None:
    text = (
        "from __future__ import annotations\nimport os, math\nfrom .a import x, y\n\n\ndef f():\n    import late\n\n\n"
        "try:\n    import fast\nexcept ImportError:\n    fast = None\n"
        "try:\n    import quick\nexcept ImportError:\n    import slow as quick\n"
    )
    file = SourceFile(Path("net.py"), text, "utf-8", "pkg.net")
    names = frozenset({"math", "x", "late", "fast", "quick", "annotations"})
    found = imports.needed(file, Code(text), names)
    assert found == ["import math", "from pkg.a import x", text[text.index("try:\n    import quick") :].rstrip()]


def test_a_guarded_import_is_made_absolute_too() -> None:
    text = "try:\n    from .fast import f\nexcept ImportError:\n    from .slow import f\n"
    found = imports.needed(SourceFile(Path("net.py"), text, "utf-8", "pkg.net"), Code(text), frozenset({"f"}))
    levels = [n.level for n in ast.walk(ast.parse("\n".join(found))) if isinstance(n, ast.ImportFrom)]
    assert levels == [0, 0]


def test_meanings_with_dots_resolved() -> None:
    text = (
        "import torch.nn as nn, os.path\nfrom torch import Tensor as T\nfrom .a import b\nfrom .. import layers as L\n"
    )
    found = imports.meanings(SourceFile(Path("net.py"), text, "utf-8", "pkg.sub.net"), Code(text))
    wanted = {"nn": "torch.nn", "os": "os", "T": "torch.Tensor", "b": "pkg.sub.a.b", "L": "pkg.layers"}
    assert found == wanted


def test_meanings_of_a_loose_file_leave_dots_out() -> None:
    text = "from .a import b\nimport math\n"
    assert imports.meanings(SourceFile(Path("net.py"), text), Code(text)) == {"math": "math"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "import os\nimport torch\n\n\nclass N:\n    pass\n\n\nimport late\n",
            "import math\nimport os\nimport timm\nimport torch\n\n",
        ),
        ("import torch\n\nx = 1\n", "import math\n\nimport timm\nimport torch\n\n"),
        (
            "from __future__ import annotations\n\nx = 1\n",
            "from __future__ import annotations\n\nimport math\n\nimport timm\n\nx = 1\n",
        ),
        ('"""doc"""\nx = 1\n', '"""doc"""\n\nimport math\n\nimport timm\nx = 1\n'),
        ("class N:\n    pass\n", "import math\n\nimport timm\n\nclass N"),
        ("import os, sys\n\nx = 1\n", "import math\nimport os, sys\n\nimport timm\n\nx = 1\n"),
        ("from typing import Any\nfrom torch import nn\n", "import math\nfrom typing import Any\nimport timm\nfrom torch"),
    ],
)
def test_new_imports_stand_with_their_kind(text: str, expected: str) -> None:
    code = Code(text)
    assert rewrite.apply(text, imports.placed(code, ["import math", "import timm"])).startswith(expected)


@pytest.mark.parametrize(
    ("text", "new", "expected"),
    [
        ("from a import b\nfrom torch.nn import Conv2d\n", "from torch import nn", "from a import b\n+from torch.nn import C"),
        ("import torch\nimport torch.fx as X\nfrom timm import x\n", "from torch import nn", "import torch.fx as X\n+from"),
        ("import torch.nn as nn\nimport torch.nn.functional as F\n", "import torch", "+import torch.nn as nn"),
        ("from einops import rearrange\nfrom torch import nn\n", "import torch", "+from einops"),
        ("import torch\nfrom .layers import x\n", "try:\n    import a\nexcept ImportError:\n    a = 1", "import x\n+"),
    ],
)
def test_new_imports_are_sorted_in(text: str, new: str, expected: str) -> None:
    made = rewrite.apply(text, imports.placed(Code(text), [new]))
    assert expected.replace("+", new + "\n") in made and made.replace(new + "\n", "", 1) == text


def test_nothing_stands_beside_an_import_that_is_taken_out() -> None:
    code = Code("import os\n\nimport torch\nimport timm\n")
    edits = imports.placed(code, ["import math", "import numpy"], {code.tree.body[0], code.tree.body[1]})
    assert rewrite.apply(code.text, edits) == "import os\n\nimport torch\nimport math\n\nimport numpy\nimport timm\n"


@pytest.mark.parametrize(
    ("statements", "expected"),
    [
        pytest.param(["import math", "import math"], ["import math"], id="once"),
        pytest.param(["from m import a", "from m import b, a"], ["from m import a, b"], id="one for each module"),
        pytest.param(["from m import a, known"], ["from m import a"], id="without what is known"),
        pytest.param(["from m import known"], [], id="nothing left"),
        pytest.param(["from m import a as x, a"], ["from m import a as x, a"], id="two names of one thing"),
        pytest.param(["from m import a as a", "from m import a"], ["from m import a as a"], id="one name said twice"),
        pytest.param(["from m import (\n    a,\n    b,\n)"], ["from m import (\n    a,\n    b,\n)"], id="layout is kept"),
        pytest.param(["from m import a  # ours"], ["from m import a  # ours"], id="comments are kept"),
        pytest.param(["from m import *", "from m import a"], ["from m import *", "from m import a"], id="star"),
    ],
)
def test_statements_are_merged_by_module(statements: list[str], expected: list[str]) -> None:
    assert imports.merged(statements, lambda name, _: name == "known", 88) == expected
