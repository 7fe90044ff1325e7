"""carry: edits of a text find their places in the same text as a person went on with it, or say that they cannot."""

from __future__ import annotations

import pytest

from codegen import carry, rewrite
from codegen.errors import CodegenError
from codegen.types import Edit

OLD = "a\nb\nnew\nc\nd\n"
OUT = Edit(4, 8, "")  # takes `new` out


@pytest.mark.parametrize(
    ("new", "result"),
    [
        (OLD, "a\nb\nc\nd\n"),
        ("0\na\nb\nnew\nc\nd\n", "0\na\nb\nc\nd\n"),
        ("a\nb\nnew\n0\nc\nd\n", "a\nb\n0\nc\nd\n"),
        ("a\nB\nnew\nC\nd", "a\nB\nC\nd"),
        ("new\n", ""),
        ("a\nb\nnew\nc\nnew\nd\n", "a\nb\nc\nnew\nd\n"),
    ],
)
def test_lines_are_taken_out_where_they_went(new: str, result: str) -> None:
    assert rewrite.apply(new, carry.carried([OUT], OLD, new, "net.py")) == result


@pytest.mark.parametrize(
    ("edit", "new", "result"),
    [
        (Edit(4, 4, "put\n"), "a\nb\n0\nnew\nc\nd\n", "a\nb\nput\n0\nnew\nc\nd\n"),
        (Edit(4, 4, "put\n"), "a\n0\nnew\nc\nd\n", "a\n0\nput\nnew\nc\nd\n"),
        (Edit(0, 0, "put\n"), "a\nb\nnew\nc\n", "put\na\nb\nnew\nc\n"),
        (Edit(12, 12, "put\n"), "0\n" + OLD, "0\n" + OLD + "put\n"),
        (Edit(5, 6, "E"), "0\n" + OLD, "0\na\nb\nnEw\nc\nd\n"),
    ],
)
def test_text_is_put_where_it_stood(edit: Edit, new: str, result: str) -> None:
    assert rewrite.apply(new, carry.carried([edit], OLD, new, "net.py")) == result


@pytest.mark.parametrize("new", ["a\nb\nnew!\nc\nd\n", "a\nb\nc\nd\n", ""])
def test_lines_that_are_not_as_they_were(new: str) -> None:
    with pytest.raises(CodegenError, match="net.py has no more, or has changed, .*`new`") as refused:
        carry.carried([OUT], OLD, new, "net.py")
    assert refused.value.name == "edited-by-hand"


def test_blank_lines_above_stand_for_those_below() -> None:
    old = "a\n\n\nnew\n\n\nb\n"
    new = old.replace("\n\nb", "\n# of a person\n\nb")
    edits = carry.carried([Edit(4, 10, "")], old, new, "net.py")
    assert rewrite.apply(new, edits) == "a\n\n# of a person\n\nb\n"


def test_a_line_between_those_that_are_taken_out_together() -> None:
    with pytest.raises(CodegenError) as refused:
        carry.carried([Edit(2, 8, "")], OLD, "a\nb\n0\nnew\nc\nd\n", "net.py")
    assert refused.value.name == "edited-by-hand"


def test_which_lines_stayed() -> None:
    assert carry.kept(["a", "b", "c", "d"], ["a", "x", "c", "d", "e"]) == {0: 0, 2: 2, 3: 3}
    assert carry.kept(["a", "a"], ["a", "a", "a"]) == {0: 0, 1: 1} and carry.kept([], ["a"]) == {}
