"""rewrite: edits are applied exactly, nothing else moves, overlaps are refused."""

from __future__ import annotations

import random

import pytest

from codegen import rewrite
from codegen.types import Edit


def test_no_edits_give_the_text_back() -> None:
    assert rewrite.apply("a\r\nb\tc\f", []) == "a\r\nb\tc\f"


def test_replacement_deletion_and_insertion_in_any_order_given() -> None:
    edits = [Edit(6, 6, "!"), Edit(0, 1, "A"), Edit(2, 4, "")]
    assert rewrite.apply("abcdef", edits) == "Abef!"


def test_insertions_at_one_place_keep_their_order() -> None:
    assert rewrite.apply("ab", [Edit(1, 1, "first "), Edit(1, 1, "second ")]) == "afirst second b"


def test_an_insertion_at_the_start_of_a_replacement_stands_in_front_of_it() -> None:
    assert rewrite.apply("abc", [Edit(1, 2, "X"), Edit(1, 1, "+")]) == "a+Xc"


def test_an_insertion_at_the_end_of_a_replacement_stands_behind_it() -> None:
    assert rewrite.apply("abc", [Edit(2, 2, "+"), Edit(1, 2, "X")]) == "aX+c"


def test_edits_that_touch_do_not_overlap() -> None:
    assert rewrite.apply("abcd", [Edit(0, 2, "x"), Edit(2, 4, "y")]) == "xy"


@pytest.mark.parametrize(
    "edits",
    [
        [Edit(0, 3, "x"), Edit(2, 4, "y")],
        [Edit(0, 4, "x"), Edit(1, 2, "y")],
        [Edit(0, 2, "x"), Edit(0, 2, "y")],
        [Edit(0, 4, "x"), Edit(2, 2, "y")],
        [Edit(3, 9, "x")],
        [Edit(3, 2, "x")],
        [Edit(-1, 2, "x")],
    ],
)
def test_overlaps_and_places_outside_the_text_are_refused(edits: list[Edit]) -> None:
    with pytest.raises(ValueError, match="overlaps"):
        rewrite.apply("abcd", edits)


def test_inside_moves_edits_to_a_piece_and_leaves_the_others_out() -> None:
    edits = [Edit(0, 1, "x"), Edit(3, 5, "y", "why"), Edit(6, 9, "z"), Edit(7, 7, "end")]
    assert rewrite.inside(edits, 2, 7) == [Edit(1, 3, "y", "why"), Edit(5, 5, "end")]


@pytest.mark.parametrize(
    ("old", "new", "edits"),
    [
        ([], [Edit(1, 1, "x\n")], [Edit(1, 3, "")]),
        ([], [Edit(1, 3, "")], [Edit(1, 1, "bc")]),
        ([Edit(1, 2, "B")], [Edit(1, 2, "B")], []),
        ([Edit(0, 1, "AA")], [Edit(0, 1, "AA"), Edit(3, 3, "!")], [Edit(4, 5, "")]),
        ([Edit(1, 1, "k\n")], [Edit(1, 1, "k\n"), Edit(1, 1, "n\n")], [Edit(3, 5, "")]),
        ([Edit(1, 2, "p\nq\n")], [Edit(1, 2, "p\nnew\nq\n")], [Edit(3, 7, "")]),
        ([Edit(0, 3, "")], [Edit(0, 1, ""), Edit(2, 4, "y")], [Edit(0, 2, "d")]),
    ],
)
def test_the_way_back(old: list[Edit], new: list[Edit], edits: list[Edit]) -> None:
    found = rewrite.back("abcd", old, new)
    assert found == edits and rewrite.apply(rewrite.apply("abcd", new), found) == rewrite.apply("abcd", old)


def test_the_way_back_from_any_edits() -> None:
    chance = random.Random(1)
    for _ in range(300):
        text = "".join(chance.choice("ab\n") for _ in range(60))
        cuts = sorted(chance.choices(range(61), k=16))
        every = [Edit(a, b, chance.choice(["", "x\n", "y\nz\n", "w"])) for a, b in zip(cuts[::2], cuts[1::2], strict=True)]
        old, new = ([edit for edit in every if chance.random() < 0.6] for _ in range(2))
        back = rewrite.back(text, old, new)
        assert rewrite.apply(rewrite.apply(text, new), back) == rewrite.apply(text, old)


def test_bytes_outside_the_edits_are_the_sources() -> None:
    chance = random.Random(0)
    text = "".join(chance.choice("ab\r\n\t\f中 ") for _ in range(400))
    cuts = sorted(chance.sample(range(len(text)), 20))
    edits = [Edit(a, b, f"<{i}>") for i, (a, b) in enumerate(zip(cuts[::2], cuts[1::2], strict=True))]
    pieces, at = [], 0
    for edit in edits:
        pieces += [text[at : edit.start], edit.text]
        at = edit.end
    assert rewrite.apply(text, chance.sample(edits, len(edits))) == "".join([*pieces, text[at:]])
