"""The engine of a sweep: what it makes is what the command makes, and no cell is at another's mercy."""

from __future__ import annotations

import json
import pickle
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import Run
from small_sweep import cells, rows, written

from codegen.child import Child
from codegen.limits import Limits
from codegen.sweeps import engine
from codegen.sweeps.engine import Session
from codegen.sweeps.rows import Base, Settings

QUICK = ["import", "shape", "placement", "weights", "seed", "gradient"]


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    written(tmp_path)
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    engine.stop_all()


class Counted(Child):
    count = 0

    def __init__(self, limits: Limits) -> None:
        type(self).count += 1
        super().__init__(limits)


def session(place: Path, **more: object) -> Session:
    return Session(str(place), str(place), **more)  # type: ignore[arg-type]


def test_rows_and_one_base(place: Path, codegen: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "Child", Counted)
    monkeypatch.setattr(Counted, "count", 0)
    asked = cells(["se", "Good", "Missing"], ["stem", "nowhere"])
    found = pickle.loads(pickle.dumps(engine.work(asked, Settings(place), session(place))))
    got, bases = rows(found), [each for each in found if isinstance(each, Base)]
    assert [(row.status, row.error) for row in got.values()] == [
        ("passed", ""),
        ("refused", "unknown-site"),
        ("passed", ""),
        ("refused", "unknown-site"),
        ("refused", "unknown-module"),
        ("refused", "unknown-site"),
    ], got
    assert Counted.count == 1  # what is refused costs no child
    assert [base.source for base in bases] == ["net.py"] and bases[0].structure["host"] == "Net"
    assert not engine.work([], Settings(place), session(place))
    told = engine.work(asked[:1], Settings(place), session(place, told=frozenset({"net.py"})))
    assert [type(each).__name__ for each in told] == ["Row"]
    row = got[0]
    assert [check["name"] for check in row.record["checks"]] == QUICK
    assert {check["status"] for check in row.record["checks"]} == {"passed"}
    assert row.new_parameters and row.parameters and row.drift is not None and "+class SqueezeExcite" in row.diff
    done = codegen(*shlex.split(row.command)[1:], "-o", "alone.py", "--json", cwd=place)
    alone = json.loads(done.stdout)
    assert Path(place, "alone.py").read_text() == row.record["text"]
    same = ("host", "site", "build", "input", "width", "layout", "call_sites", "new_parameters", "parameters", "drift")
    assert {name: alone[name] for name in same} == json.loads(json.dumps({name: row.record[name] for name in same}))


@pytest.mark.slow
def test_the_full_contract_on_request(place: Path) -> None:
    row = rows(engine.work(cells(["se"]), Settings(place, full=True), session(place)))[0]
    assert row.status == "passed" and {*QUICK, "paths", "init", "identity"} <= {c["name"] for c in row.record["checks"]}


@pytest.mark.slow
@pytest.mark.parametrize("isolate", ["", "fork"])
def test_a_crash_a_hang_and_too_much_memory_are_rows(place: Path, isolate: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "Child", Counted)
    monkeypatch.setattr(Counted, "count", 0)
    names = ["Good", "Exits", "se", "Segfaults", "eca", "Eats", "Raises", "Good"]
    asked = cells(names, seconds=90, memory=8 << 30)
    got = rows(engine.work(asked, Settings(place, isolate=isolate), session(place)))
    assert [row.status for row in got.values()] == [
        *("passed", "failed", "passed", "failed", "passed", "failed", "failed", "passed")
    ], got
    assert (got[1].error, got[3].error) == ("model-exited", "model-exited")
    assert "status 3" in got[1].message and "SIGSEGV" in got[3].message
    assert "memory" in got[5].message and "not today" in got[6].message
    assert Counted.count == 1 if isolate else Counted.count > 4
    hung = cells(["Hangs", "Good"], seconds=12)
    got = rows(engine.work(hung, Settings(place, isolate=isolate), session(place)))
    assert (got[0].status, got[0].error, got[1].status) == ("failed", "model-timeout", "passed")


@pytest.mark.slow
def test_a_source_that_cannot_be_run_is_told_in_every_row(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "Child", Counted)
    monkeypatch.setattr(Counted, "count", 0)
    (place / "net.py").write_text("raise RuntimeError('no')\n")
    got = rows(engine.work(cells(["se", "eca", "cbam"]), Settings(place), session(place)))
    assert {(row.status, row.error) for row in got.values()} == {("failed", "source-fails")}
    assert Counted.count <= 3


@pytest.mark.slow
def test_another_run_knows_nothing_of_the_one_before(place: Path) -> None:
    first = rows(engine.work(cells(["se"]), Settings(place), session(place)))[0]
    (place / "net.py").write_text((place / "net.py").read_text().replace("width=16", "width=24"))
    second = rows(engine.work(cells(["se"]), Settings(place), Session("another", str(place))))[0]
    assert first.record["width"]["value"] == 16 and second.record["width"]["value"] == 24
