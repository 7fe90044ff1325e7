"""standalone: a library's file made to stand alone - pruned, absolute, renamed - with every other byte as it was."""

from __future__ import annotations

import ast
from pathlib import Path
from textwrap import dedent

import pytest

from codegen import renaming, standalone
from codegen.errors import CodegenError
from codegen.standalone import Addition, Parts
from codegen.syntax import Code
from codegen.types import Edit, SourceFile

LIBRARY = '''
"""Nets of the library.

Copyright 2020 Someone, Apache-2.0
"""
# Licensed under the Apache License
import math
from functools import partial
from typing import List, Optional

import torch
from torch import nn

from ._builder import build_model_with_cfg
from ._registry import register_model, generate_default_cfgs
from .. import layers as L

__all__ = ['Net', 'net_small', 'net_large', 'Other']


# how wide
WIDTH = 8
WIDTH_OTHER = 9

# --- helpers ---

def make_divisible(v):
    """Used by Net."""
    return math.ceil(v / 8) * 8


def unused(v):
    return make_divisible(v)


class Block(nn.Module):
    pass


class Other(nn.Module):
    def __init__(self):
        super().__init__()
        self.x = partial(unused, 1)


# Portions Copyright 2019 Somebody Else
class Removed(nn.Module):
    pass


class Net(nn.Module):
    """The host."""

    def __init__(self, width: int = WIDTH, block: 'Optional[Block]' = None):
        super().__init__()
        unused = 3  # a local of this name
        self.conv = nn.Conv2d(3, make_divisible(width), unused)

    def forward(self, x):
        from .late import trick
        WIDTH_OTHER = trick(x)
        return WIDTH_OTHER


cfgs = {}
cfgs['net_small'] = WIDTH
default_cfgs = generate_default_cfgs(cfgs)


@register_model
def net_small(pretrained=False, **kwargs):
    """net_small is the small one."""
    return build_model_with_cfg(Net, 'net_small', pretrained, **kwargs)


@register_model
def net_large(pretrained=False, **kwargs):
    return net_small(pretrained, **kwargs)
'''.lstrip()


NOTHING = Addition()


def parts(
    text: str = LIBRARY, *, host: str = "Net", roots: tuple[str, ...] = ("net_small",), keep: str = "used"
) -> Parts:
    file = SourceFile(Path("timm", "models", "net.py"), text, "utf-8", "timm.models.net")
    code = Code(text, "net.py")
    return Parts(file, code, file, code, host, roots, keep, "_se")


def made(text: str = LIBRARY, *, addition: Addition = NOTHING, edits: tuple[Edit, ...] = (), **options: object) -> str:
    result = standalone.assemble(parts(text, **options), edits, addition)  # type: ignore[arg-type]
    ast.parse(result)
    return result


def defined(text: str) -> list[str]:
    return [n.name for n in ast.parse(text).body if isinstance(n, (ast.ClassDef, ast.FunctionDef))]


def test_only_what_the_host_and_its_entry_need_stays() -> None:
    text = made()
    assert defined(text) == ["make_divisible", "Block", "Net", "net_small_se"]
    assert "WIDTH = 8" in text and "WIDTH_OTHER = 9" not in text


def test_a_local_of_the_same_name_pulls_nothing_in() -> None:
    assert "def unused" not in made() and "class Other" not in made()


def test_statements_that_fill_a_table_stay_with_it() -> None:
    text = made(LIBRARY.replace("return build_model", "x = default_cfgs\n    return build_model"))
    assert "cfgs['net_small'] = WIDTH" in text and "default_cfgs = generate_default_cfgs(cfgs)" in text


def test_imports_are_absolute_everywhere_and_trimmed() -> None:
    text = made()
    modules = [n.module for n in ast.walk(ast.parse(text)) if isinstance(n, ast.ImportFrom)]
    assert all(not n.level for n in ast.walk(ast.parse(text)) if isinstance(n, ast.ImportFrom))
    assert {"timm.models._builder", "timm.models._registry", "timm.models.late"} <= set(modules)
    assert "partial" not in text and "import layers" not in text and "List" not in text
    assert "from typing import Optional\n" in text


def test_relative_import_of_a_package() -> None:
    assert "from timm import layers as L" in made(keep="all")


def test_registered_functions_are_renamed_everywhere_but_in_strings() -> None:
    text = made(keep="all")
    assert defined(text)[-2:] == ["net_small_se", "net_large_se"]
    assert "return net_small_se(pretrained" in text
    assert "build_model_with_cfg(Net, 'net_small', pretrained" in text
    assert '"""net_small is the small one."""' in text


def test_all_lists_what_is_left_under_its_new_names() -> None:
    assert "__all__ = ['Net', 'net_small_se']" in made()
    assert "__all__ = ['Net', 'net_small_se', 'net_large_se', 'Other']" in made(keep="all")


def test_notices_and_comments_of_what_stays_are_kept() -> None:
    text = made()
    for line in (
        "Copyright 2020 Someone",
        "# Licensed under the Apache License",
        "# Portions Copyright 2019 Somebody Else",
        "# how wide",
    ):
        assert line in text, line


def test_keep_all_changes_nothing_but_imports_and_names() -> None:
    old, new = LIBRARY.splitlines(), made(keep="all").splitlines()
    changed = [a for a, b in zip(old, new, strict=True) if a != b]
    assert all("import" in line or "net_" in line for line in changed), changed


def test_a_file_without_library_parts_is_its_own_base() -> None:
    text = "import torch\r\n\r\n\r\nclass Net(torch.nn.Module):\r\n\tpass\r\n\f\r\n# 中文\r\n"
    assert made(text, roots=(), keep="all") == text


def test_what_is_added_stands_above_the_host_and_below_the_imports() -> None:
    text = made(
        addition=Addition(
            ("from typing import Any", "import math", "from torch import nn"), "class SE(nn.Module):\n    pass\n"
        )
    )
    assert text.count("import math") == 1 and text.count("from torch import nn") == 1
    assert "from typing import Any" in text
    assert "class SE(nn.Module):\n    pass\n\n\nclass Net" in text


def test_added_code_has_the_files_line_ends() -> None:
    text = made(LIBRARY.replace("\n", "\r\n"), addition=Addition(("import os",), "class SE(nn.Module):\n    pass\n"))
    assert text.count("\r\n") == text.count("\n")


def test_an_import_that_means_something_else_in_the_file_is_refused() -> None:
    with pytest.raises(CodegenError) as caught:
        made(addition=Addition(("from mine import math",), "class SE: pass\n"))
    assert caught.value.name == "name-clash"


@pytest.mark.parametrize("definition", ["def math(x):\n    return x\n", "math = 3\n", "class math:\n    pass\n"])
def test_an_import_of_a_name_that_the_file_defines_itself_is_refused(definition: str) -> None:
    text = f"from torch import nn\n\n\n{definition}\n\nclass Net(nn.Module):\n    x = math\n"
    with pytest.raises(CodegenError) as caught:
        made(text, roots=(), keep="all", addition=Addition(("import math",), "class SE:\n    y = math.pi\n"))
    assert caught.value.name == "name-clash"


@pytest.mark.parametrize(
    "text",
    [
        '"""doc"""\n\n\nclass Net:\n    pass\n',
        "from __future__ import annotations\n\n\nclass Net:\n    pass\n",
        "class Net:\n    pass\n",
        "#!/usr/bin/env python\n# -*- coding: utf-8 -*-\nclass Net:\n    pass\n",
        "try:\n    import fast\nexcept ImportError:\n    fast = None\n\n\nclass Net:\n    pass\n",
        "import os; import sys\n\n\nclass Net:\n    pass\n",
    ],
)
def test_an_import_is_added_where_python_allows_it(text: str) -> None:
    result = made(text, roots=(), keep="all", addition=Addition(("import math",), "class SE:\n    y = math.pi\n"))
    exec(compile(result, "variant.py", "exec"), {"__name__": "variant"})
    if text.startswith(("#!", '"""')):
        assert result.startswith(text.splitlines()[0])


def test_pruned_imports_on_one_line_and_under_type_checking() -> None:
    text = dedent(
        """
        import os; import sys
        from typing import TYPE_CHECKING
        if TYPE_CHECKING:
            from os import PathLike
        try:
            import fast
        except ImportError:
            fast = None


        class Net:
            def f(self, p: 'PathLike'):
                return sys, fast
        """
    ).lstrip()
    result = made(text, roots=())
    exec(compile(result, "variant.py", "exec"), {"__name__": "variant"})
    assert "import sys" in result and "fast = None" in result and "PathLike" in result


def test_a_name_that_only_a_global_statement_uses_stays() -> None:
    text = (
        "COUNT = 0\n\n\ndef bump():\n    global COUNT\n    COUNT += 1\n\n\nclass Net:\n"
        "    def forward(self):\n        bump()\n"
    )
    scope: dict[str, type] = {"__name__": "variant"}  # type: ignore[dict-item]
    exec(compile(made(text, roots=()), "variant.py", "exec"), scope)
    scope["Net"]().forward()


def test_a_name_used_in_a_decorator_a_base_or_a_default_stays() -> None:
    text = (
        "import functools\n\ndef deco(c):\n    return c\n\nclass Base:\n    pass\n\nN = 3\n"
        "\n@deco\nclass Net(Base):\n    def f(self, n=N):\n        return n\n"
    )
    assert defined(made(text, roots=())) == ["deco", "Base", "Net"] and "functools" not in made(text, roots=())


def test_a_build_expression_gets_the_new_names() -> None:
    assert (
        renaming.renamed_expression("wrap(net(net='net'), x.net)", {"net": "net_se"})
        == "wrap(net_se(net='net'), x.net)"
    )


def test_a_relative_import_outside_a_package_is_refused() -> None:
    file = SourceFile(Path("net.py"), "from .x import y\n\n\nclass Net:\n    z = y\n")
    code = Code(file.text)
    with pytest.raises(CodegenError) as caught:
        standalone.assemble(Parts(file, code, file, code, "Net", (), "all", "_se"))
    assert caught.value.name == "relative-import"


def test_in_place_adds_and_nothing_else() -> None:
    edit = Edit(
        LIBRARY.index("        return WIDTH_OTHER"), LIBRARY.index("        return WIDTH_OTHER"), "        x = 1\n"
    )
    result = standalone.in_place(parts(keep="all"), [edit], Addition(("import os",), "class SE:\n    pass\n"))
    old, new = LIBRARY.splitlines(), result.splitlines()
    assert [line for line in new if line in old or line.strip()] and all(line in new for line in old)
    assert len(new) == len(old) + 1 + 1 + 4


def test_what_the_encoding_of_the_file_cannot_hold_is_named() -> None:
    text = "# coding: latin-1\nclass Net:\n    pass\n"
    file, code = SourceFile(Path("net.py"), text, "iso-8859-1"), Code(text)
    parts = Parts(file, code, file, code, "Net", (), "all", "")
    gate = Addition(code="class Gate:\n    pass  # \u95e8 gate\n")
    for make in (lambda: standalone.assemble(parts, [], gate), lambda: standalone.in_place(parts, [], gate)):
        with pytest.raises(CodegenError) as refused:
            make()
        assert refused.value.name == "not-encodable" and "# \u95e8" in refused.value.message
