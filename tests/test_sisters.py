"""Which other entries of a file a width is proved on: those that build the class most differently."""

from __future__ import annotations

import ast

import pytest

from codegen.worker.sisters import differing

ARGUMENTS = """
def net_18():
    return make(dict(block=Basic, layers=(2, 2)))

def net_34():
    return make(dict(block=Basic, layers=(3, 4)))

def net_50():
    return make(dict(block=Bottleneck, layers=(3, 4)))

def net_mixed():
    return make(dict(block=[Basic, Bottleneck], layers=(1, 1)))
"""
TABLE = """
cfgs = dict(
    one=Cfg(stem=32, features=1280),
    two=Cfg(stem=64, features=1280),
    three=Cfg(stem=(32, 64)),
    four=Cfg(stem=64, features=0),
)
more = {"five": dict(stem=None, features=8)}

def one():
    return create("one")

def two():
    return create("two")

def three():
    return create("three")

def four():
    return create("four")

def five():
    return create("five")
"""
PLAIN = "".join(f"def net_{i}():\n    return Net({i})\n\n" for i in range(9))


def test_entries_that_pass_other_kinds_of_values_come_first() -> None:
    names = ["net_34", "net_50", "net_mixed"]
    assert differing(ast.parse(ARGUMENTS), names, "net_18", 2) == ["net_50", "net_mixed"]
    assert differing(ast.parse(ARGUMENTS), names, "net_18", 9) == ["net_50", "net_mixed", "net_34"]


def test_what_an_entry_names_in_the_tables_of_the_file_counts() -> None:
    chosen = differing(ast.parse(TABLE), ["two", "three", "four", "five"], "one", 3)
    assert chosen == ["three", "four", "five"]  # a tuple and no features, no features by 0, no stem


@pytest.mark.parametrize(("limit", "chosen"), [(3, ["net_0", "net_3", "net_6"]), (1, ["net_0"])])
def test_entries_that_show_nothing_are_spread_over_the_file(limit: int, chosen: list[str]) -> None:
    names = [f"net_{i}" for i in range(9)]
    assert differing(ast.parse(PLAIN), names, "", limit) == chosen


def test_there_may_be_none() -> None:
    assert differing(ast.parse(ARGUMENTS), [], "net_18", 3) == []
