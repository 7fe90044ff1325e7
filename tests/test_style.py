"""style: our own lines in the manner of the file: indentation, line length, line ends."""

from __future__ import annotations

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
