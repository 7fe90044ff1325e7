"""closure: which statements of a file some names need, and those statements as text that stands in another file."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from codegen import closure
from codegen.errors import CodegenError
from codegen.syntax import Code
from codegen.types import Edit, SourceFile

TABLE = """
import os
from torch import nn
from timm.models import register_block, register_notrace

WIDTHS = {}
WIDTHS["a"] = 8
WIDTHS.update(b=9)
OTHERS = []
OTHERS.append(1)
KEY = "block"
SPARE = 3


class Block(nn.Module):
    depth = 1


Block.depth = 2
register_block(KEY, Block)


class Net(nn.Module):
    def forward(self, x):
        return WIDTHS
"""


def kept(text: str, *roots: str, effects: bool = False) -> list[str]:
    """The first lines of the statements that are kept, in the file's order."""
    code = Code(text)
    found = closure.needs(code, roots, effects=effects).statements
    return [code.segment(node).splitlines()[0] for node in code.tree.body if node in found]


def brought(text: str, *roots: str, edits: tuple[Edit, ...] = (), module: str = "pkg.net") -> closure.Brought:
    file = SourceFile(Path("pkg", "net.py"), text, "utf-8", module)
    result = closure.bring(file, Code(text, "net.py"), roots, edits)
    ast.parse(result.body)
    return result


# --- needs --------------------------------------------------------------------------------------------------------------


def test_a_definition_comes_with_the_statements_that_change_it() -> None:
    changes = ["WIDTHS = {}", 'WIDTHS["a"] = 8', "WIDTHS.update(b=9)"]
    assert kept(TABLE, "Net") == [*changes, "class Net(nn.Module):"]


def test_bare_calls_are_left_out_unless_their_effects_are_wanted() -> None:
    assert "register_block(KEY, Block)" not in kept(TABLE, "Net")
    assert "register_block(KEY, Block)" in kept(TABLE, "Net", effects=True)


def test_a_bare_call_brings_what_it_reads() -> None:
    found = kept(TABLE, "Net", effects=True)
    assert {'KEY = "block"', "class Block(nn.Module):", "Block.depth = 2"} <= set(found)
    assert "SPARE = 3" not in found
    assert "register_block" in closure.needs(Code(TABLE), ["Net"], effects=True).names


def test_a_call_that_changes_a_name_of_the_file_stays_only_with_that_name() -> None:
    assert "OTHERS.append(1)" not in kept(TABLE, "Net", effects=True)
    assert kept(TABLE, "OTHERS") == ["OTHERS = []", "OTHERS.append(1)"]


def test_a_call_on_an_imported_name_is_a_bare_call() -> None:
    text = "import torch\n\ntorch.manual_seed(0)\n\n\nclass Net:\n    pass\n"
    assert "torch.manual_seed(0)" in kept(text, "Net", effects=True)


@pytest.mark.parametrize("head", ["for name in NAMES:", "if NAMES:", "with guard():"])
def test_a_call_for_its_effect_inside_a_block_stays_too(head: str) -> None:
    text = f"from lib import register, guard\nNAMES = ['a']\n{head}\n    register(NAMES)\n\n\nclass Net:\n    pass\n"
    assert head in kept(text, "Net", effects=True)


def test_what_is_run_as_a_script_is_no_effect() -> None:
    text = "class Net:\n    pass\n\n\nif __name__ == '__main__':\n    print(Net())\n"
    assert kept(text, "Net", effects=True) == ["class Net:"]


def test_statements_that_are_owned_do_not_count() -> None:
    code = Code(TABLE)
    owned = [n for n in code.tree.body if closure.is_call(n)]
    assert not closure.needs(code, ["Net"], owned, effects=True).statements & set(owned)


@pytest.mark.parametrize(
    "change",
    ["T['a'] = 1", "T['a'] += 1", "T.x.y = 1", "T['a']['b'].append(1)", "for i in range(3):\n    T[i] = i", "T |= {1: 2}"],
)
def test_ways_to_change_a_value(change: str) -> None:
    assert kept(f"T = {{}}\n{change}\nU = T\n", "U")[1] == change.splitlines()[0]


def test_definitions_in_branches() -> None:
    text = "try:\n    fast = 1\nexcept NameError:\n    fast = 2\n"
    text += "if fast:\n    def f():\n        return fast\nelse:\n    f = None\n"
    assert kept(text, "f") == ["try:", "if fast:"]


# --- bring --------------------------------------------------------------------------------------------------------------

TEXT = '''import os
import torch, math
from torch import nn, Tensor

from .layers import Mlp, Other as Attn


# how deep
DEPTH = 2
SPARE = 3
SCALE = math.sqrt(DEPTH)

# --- blocks ---
@deco
class Block(nn.Module):
    """A block."""
    mlp = Mlp

    def forward(self, x):
        return x * SCALE



class Between:
    pass


def net() -> "Tensor":
    return Block(DEPTH)


def deco(cls):
    return cls
'''


def test_exactly_what_is_needed_is_brought_in_the_files_order() -> None:
    body = brought(TEXT, "net").body
    names = [getattr(n, "name", "") for n in ast.parse(body).body]
    assert names == ["", "", "Block", "net", "deco"] and "SPARE" not in body


def test_imports_are_absolute_and_only_those_that_are_needed() -> None:
    assert brought(TEXT, "net").imports == ("import math", "from torch import nn, Tensor", "from pkg.layers import Mlp")
    assert brought(TEXT, "SCALE").imports == ("import math",)


def test_gaps_of_neighbours_and_comments_above_are_kept() -> None:
    body = brought(TEXT, "net").body
    assert body.startswith("# how deep\nDEPTH = 2\nSCALE = math.sqrt(DEPTH)\n\n# --- blocks ---\n@deco\nclass Block")
    assert "return Block(DEPTH)\n\n\ndef deco(cls)" in body
    assert "return x * SCALE\n\n\ndef net()" in body  # what stood between is gone
    wide = TEXT.replace("class Between:\n    pass\n\n\n", "")
    assert "return x * SCALE\n\n\n\ndef net()" in brought(wide, "net").body  # neighbours: as far apart as they were


def test_a_dos_files_definitions_come_with_plain_line_ends_between_them() -> None:
    text = "A = 1\r\n\r\n\r\nB = A\r\n"
    assert brought(text, "B").body == "A = 1\n\n\nB = A\n"


def test_edits_are_applied_inside_and_those_outside_left_out() -> None:
    at, outside = TEXT.index("x * SCALE"), TEXT.index("    pass")
    edits = (Edit(at, at + 1, "self.se(x)"), Edit(outside, outside + 4, "9"))
    body = brought(TEXT, "net", edits=edits).body
    assert body == brought(TEXT, "net").body.replace("x * SCALE", "self.se(x) * SCALE")


def test_a_name_that_the_file_does_not_define_is_refused() -> None:
    with pytest.raises(CodegenError) as caught:
        brought(TEXT, "Block", "Nett")
    assert caught.value.name == "unknown-class" and "Nett" in caught.value.message


def test_a_block_starts_at_its_comments_but_below_shebang_and_cookie() -> None:
    text = "#!/usr/bin/env python\n# -*- coding: utf-8 -*-\n# the net\nx = 1\n"
    code = Code(text)
    assert text[closure.block_start(code, code.tree.body[0]) :] == "# the net\nx = 1\n"
