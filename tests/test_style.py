"""style: our own lines in the manner of the file: indentation, line length, line ends."""

from __future__ import annotations

import itertools

import black
import pytest

from codegen import style
from codegen.syntax import Code

FILE = "class Net:\n    def forward(self, x):\n        if x:\n            return x\n"
CALL = f"self.se = SE(dim, {'a' * 20}=1, {'b' * 20}=2, {'c' * 20}=3)"  # 87 characters


def test_a_block_is_formatted_and_stands_at_its_indentation() -> None:
    assert style.block("x=self.se( x )", Code(FILE), "        ") == "        x = self.se(x)\n"


def test_several_statements_and_what_is_below_them() -> None:
    text = style.block("if a:\n    b = 1\nc = 2", Code(FILE), "    ")
    assert text == "    if a:\n        b = 1\n    c = 2\n"


def test_blank_lines_carry_no_white_space() -> None:
    assert style.block("import a\ndef f():\n    pass", Code(FILE), "    ").splitlines()[1] == ""


@pytest.mark.parametrize(("unit", "indent"), [("\t", "\t\t"), ("  ", "    "), ("        ", "  ")])
def test_the_files_own_step_of_indentation(unit: str, indent: str) -> None:
    text = style.block("if a:\n    b = 1", Code(FILE.replace("    ", unit)), indent)
    assert text == f"{indent}if a:\n{indent}{unit}b = 1\n"


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_the_files_own_line_ends(newline: str) -> None:
    code = Code(FILE.replace("\n", newline))
    assert style.block("a = 1\nb = 2", code) == f"a = 1{newline}b = 2{newline}"


@pytest.mark.parametrize(
    ("longest", "length"),
    [(40, 88), (88, 88), (100, 100), (120, 120), (200, 120)],
)
def test_the_line_length_is_what_the_longest_line_of_code_shows(longest: int, length: int) -> None:
    assert style.line_length(f"x = {'1' * (longest - 4)}\n") == length


def test_comments_show_no_line_length() -> None:
    assert style.line_length(f"x = 1\n    # {'-' * 115}\n") == 88


def test_a_call_is_broken_where_it_passes_the_files_line_length() -> None:
    assert style.block(CALL, Code(FILE), "        ").count("\n") > 1
    long = f"x = '{'1' * 110}'\n"
    assert style.block(CALL, Code(FILE + long), "        ") == f"        {CALL}\n"


def test_tabs_count_as_four_columns() -> None:
    line = "x = " + "1" * 82  # 86 columns, in black's 88 without the two tabs
    assert style.block(f"self.m(aaaa, {line})".replace("x = ", "x="), Code(FILE.replace("    ", "\t")), "\t\t").count("\n") > 1


def test_what_is_deep_inside_still_has_forty_columns() -> None:
    assert style.block("x = self.se(x, 123456)", Code(FILE), " " * 76).count("\n") == 1


def test_our_definitions_take_the_files_indentation() -> None:
    ours = "class SE:\n    def f(self, x):\n        return (x,\n                x)\n\n\nA = 1\n"
    assert style.reindented(ours, Code(FILE)) == ours
    tabbed = style.reindented(ours, Code(FILE.replace("    ", "\t")))
    assert tabbed == "class SE:\n\tdef f(self, x):\n\t\treturn (x,\n\t\t\t\tx)\n\n\nA = 1\n"
    assert style.reindented(ours, Code(FILE.replace("    ", "  "))).splitlines()[2] == "    return (x,"


def test_columns_that_are_no_whole_step_stay_columns() -> None:
    text = "def f():\n    x = (1,\n         2)\n"
    assert style.reindented(text, Code(FILE.replace("    ", "\t"))) == "def f():\n\tx = (1,\n\t\t 2)\n"


def test_below_a_line_the_step_is_that_of_its_neighbourhood() -> None:
    mixed = Code("class A:\n\tdef f(self):\n\t\tpass\n\n\nclass B:\n  def f(self):\n    pass\n\n  def g(self):\n  \tpass\n")
    text = "if a:\n    b()"
    assert style.block(text, mixed, "\t\t") == "\t\tif a:\n\t\t\tb()\n"
    assert style.block(text, mixed, "    ") == "    if a:\n      b()\n"
    assert style.block(text, mixed, "  \t") == "  \tif a:\n  \t\tb()\n"
    assert style.block(text, mixed) == "if a:\n\tb()\n"


PASSED = ["x", "self.dim", "dims[-1]", "12", "a * b", "c[2] * block.expansion - 1", "k=2", "k=a + b", "**dd", "bias=False"]
HEADS = [
    *("", "x = ", "self.se = ", "if layer is self.layer3:\n    x = ", "if blk is self.blocks[-1]:\n    "),
    "with torch.random.fork_rng(devices=[]):  # the same numbers\n    self.se = ",
    "for module in self.modules():\n    if isinstance(module, Block):\n        module.se = ",
    "self.se = lambda: ",
]


def test_black_leaves_what_is_taken_for_formatted() -> None:
    given = [", ".join(pair) for n in range(3) for pair in itertools.product(PASSED, repeat=n)]
    lines = [f"{head}self.m({text})" for head, text in itertools.product(HEADS, given)]
    assert all(style._is_formatted(line, 88) for line in lines)
    for line in lines[::7]:
        assert black.format_str(line, mode=black.Mode()) == style.formatted(line) == line + "\n"
    both = "\n".join([lines[7], lines[-7], lines[60]])
    assert style._is_formatted(both, 88)
    assert black.format_str(both, mode=black.Mode()) == both + "\n"


@pytest.mark.parametrize(
    "text",
    ["return(x)", "x = not(y)", "f( a)", "f(a,b)", "x=f(a)", "f(a,)", "f('a')", "f(0XFF)", "f(a**b)", "f(-1)", "f(a)\n\ng(b)"],
)
def test_what_black_may_change_is_left_to_black(text: str) -> None:
    assert not style._is_formatted(text, 88)


def test_a_line_that_is_too_long_is_left_to_black() -> None:
    assert style._is_formatted("f(aaaa, b)", 10)
    assert not style._is_formatted("f(aaaa, b)", 9)
