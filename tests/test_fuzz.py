"""Fuzz for a bounded time; `python tests/faults/table.py` gives it longer."""

from __future__ import annotations

import pytest
from faults import Outcome, fuzz

SECONDS = 4.0  # of each kind


@pytest.mark.slow
@pytest.mark.parametrize("kind", fuzz.KINDS)
def test_nothing_breaks(kind: str) -> None:
    if kind == "programs of hypothesmith":
        pytest.importorskip("hypothesmith")
    count = fuzz.fuzzed(kind, SECONDS)
    assert count.problems == [] and count.tried > 5 and count.worked > 0


def test_a_traceback_and_a_file_that_is_left_are_seen() -> None:
    count = fuzz.Count("none")
    files = {"net.py": ""}
    fuzz.note(count, Outcome(1, "", "", "ValueError: x", 1, ()), (), ["net.py"], files)
    fuzz.note(count, Outcome(0, "", "", "", 1, ("exec net.py",)), (), ["MARKER", "net.py"], files)
    fuzz.note(count, Outcome(2, "", "error[usage]: x\nhint: y\n", "", 61, ()), (), ["net.py"], files)
    fuzz.note(count, Outcome(2, "", "error[usage]: x\nhint: y\n", "", 1, ()), (), ["net.py"], files)
    assert count.tried == 4 and len(count.problems) == 3 and count.refused["usage"] == 2
