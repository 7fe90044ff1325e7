"""Every named fault: the right exit code, one error line and one hint, nothing changed, left behind or executed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from faults import Fault, Shared, children, modules, outputs, problems, sites, sources

READ = [fault for part in (sources, sites, modules, outputs, children) for fault in part.FAULTS]


def tried(fault: Fault, folder: Path) -> list[str]:
    (folder / "here").mkdir()
    (folder / "temporary").mkdir()
    return problems(fault, folder / "here", folder / "temporary")


@pytest.fixture(scope="module")
def shared() -> Iterator[Shared]:
    made = Shared()
    with made.used():
        yield made


@pytest.mark.parametrize("fault", [fault for fault in READ if not fault.runs], ids=lambda fault: fault.name)
def test_what_is_read_only(fault: Fault, tmp_path: Path) -> None:
    assert tried(fault, tmp_path) == []


@pytest.mark.slow
@pytest.mark.parametrize("fault", [fault for fault in READ if fault.runs], ids=lambda fault: fault.name)
def test_what_runs_a_model(fault: Fault, shared: Shared, tmp_path: Path) -> None:
    assert tried(fault, tmp_path) == []
