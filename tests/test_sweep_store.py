"""The store of a sweep: nothing is lost, nothing is made twice, and nobody else writes there. No model runs in these tests."""

from __future__ import annotations

import contextlib
import csv
import dataclasses
import errno
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from conftest import environment
from small_sweep_source import written

import codegen
from codegen.errors import CodegenError
from codegen.sweeps import coordinator, executors, exports, locking, places, planning, store
from codegen.sweeps.coordinator import Sweep
from codegen.sweeps.places import Map, Seen
from codegen.sweeps.rows import Base, Cell, Costs, Row, Settings
from codegen.sweeps.store import Kept

SEEN = places.as_json(Map([Seen(name, "Conv2d", 1, 9, (2, 8, 8, 8), "NCHW") for name in ("", "a", "b", "c")], ()))
COSTS = Costs((100, 110), (1000, 1500), (0.01, 0.02), (1.9, 2.0, 2.1), "passed")
FAKE = '''
import os, sys, time
from codegen.sweeps import coordinator, executors
from test_sweep_store import SEEN, row

def run(cells, settings, chosen, done):
    for cell in cells:
        time.sleep(float(os.environ["PAUSE"]))
        done(row(cell))

coordinator._looked = lambda *all: SEEN
executors.run = run
from codegen.ending import main
main()
'''


def row(cell: Cell, status: str = "passed", **changes: Any) -> Row:
    """What a worker hands back."""
    request = cell.request
    plain = {name: getattr(request, name) for name in ("source", "operation", "site", "module")}
    text = f"# {request.module} after {request.site}, {cell.arguments}\n"
    known = {"record": {"text": text, "encoding": "utf-8", "host": "Net"}, "parameters": 50, "new_parameters": 5, "drift": 0.25}
    known = known if status == "passed" else {"error": "odd", "message": "it is odd", "hint": "make it even"}
    whole = {**plain, "arguments": cell.arguments, "command": "codegen insert", "status": status, "costs": COSTS, **known}
    return Row(cell.key, cell.number, **{**whole, **changes})


class Workers:
    """Stand in for the executors: which cells came, and what is done instead of handing back a row."""

    def __init__(self) -> None:
        self.cells: list[Cell] = []
        self.instead: Callable[[int, Cell], Row | None] = lambda n, cell: row(cell)
        self.twice = False

    def run(self, cells: Sequence[Cell], settings: Settings, chosen: Any, done: Callable[[Row | Base], None]) -> None:
        done(Base("net.py", "", {"sites": []}))
        for number, cell in enumerate(cells):
            self.cells.append(cell)
            if made := self.instead(number, cell):
                done(made)
                if self.twice:
                    done(made)


@pytest.fixture
def workers(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Workers:
    """net.py and mine.py in the working directory, where nothing is really looked at or made."""
    monkeypatch.chdir(tmp_path)
    written(tmp_path)
    stands = Workers()
    monkeypatch.setattr(executors, "run", stands.run)
    monkeypatch.setattr(coordinator, "_looked", lambda *all: SEEN)
    return stands


def swept(*sources: str, **options: Any) -> Sweep:
    grid = {"modules": ["se,eca"], "sites": ["a,b,c"]} if not sources or sources[0].endswith(".py") else {}
    return codegen.sweep(*(sources or ("net.py",)), **{**grid, **options})


def refused(call: Callable[[], object]) -> CodegenError:
    with pytest.raises(CodegenError) as caught:
        call()
    assert caught.value.message and caught.value.hint
    return caught.value


def variants(folder: str = "sweeps/net") -> dict[str, str]:
    return {path.name: path.read_text() for path in Path(folder, "variants").glob("*")}


# --- one run, and the next ------------------------------------------------------------------------------------------------


def test_rows_and_files_are_there(workers: Workers) -> None:
    found = swept()
    assert [f"{r.module} {r.site}" for r in found.rows] == ["se a", "se b", "se c", "eca a", "eca b", "eca c"]
    assert {r.status for r in found.rows} == {"passed"}
    assert found.made == found.cells == 6 and not found.failed and found.folder == Path("sweeps/net")
    assert {path.name for path in found.folder.iterdir()} == {"store.sqlite", "sweep.lock", "variants"}
    assert len(variants()) == 6 and all((found.folder / each.output).read_text().startswith("# ") for each in found.rows)
    contents = store.read(found.folder)
    assert contents.rows == found.rows and contents.bases == (Base("net.py", "", {"sites": []}),)
    assert contents.rows[0].record == {"host": "Net", "output": contents.rows[0].output}  # the text is the file
    assert contents.rows[0].costs == COSTS


def test_every_field_of_a_row_is_kept(tmp_path: Path) -> None:
    """A field that is added to Row or Costs needs a column."""
    texts = {f.name: f"its {f.name}" for f in dataclasses.fields(Row) if f.type == "str"}
    whole = Row(**{**texts, "key": "k", "number": 3, "record": {"a": [1]}, "drift": 0.5, "seconds": 2.0, "costs": COSTS})
    whole = dataclasses.replace(whole, parameters=1, new_parameters=2)
    plain = dataclasses.replace(whole, key="l", costs=Costs(), parameters=None, new_parameters=None, drift=None)
    with store.opened(tmp_path, create=True) as opened:
        opened.keep(Kept(whole, "k", "digest"))
        opened.keep(Kept(plain, "l", ""))
        assert opened.kept() == {"k": Kept(whole, "k", "digest"), "l": Kept(plain, "l", "")}


def test_a_finished_sweep_does_nothing_and_a_killed_one_goes_on(workers: Workers) -> None:
    def die(number: int, cell: Cell) -> Row:
        if number == 2:
            raise KeyboardInterrupt
        return row(cell)

    workers.instead = die
    error = refused(swept)
    assert (error.name, error.exit_code) == ("interrupted", 130) and "2 of 6 rows are kept" in error.message
    workers.instead, workers.cells = (lambda n, cell: row(cell)), []
    assert swept().made == 4 and len(workers.cells) == 4
    workers.cells = []
    before = {path: path.stat().st_mtime_ns for path in Path("sweeps").rglob("*.py")}
    assert swept().made == 0 and not workers.cells
    assert before == {path: path.stat().st_mtime_ns for path in Path("sweeps").rglob("*.py")} and len(before) == 6


def test_a_row_that_comes_twice_is_one_and_one_that_does_not_come_is_told(workers: Workers) -> None:
    workers.twice = True
    assert len(swept().rows) == 6
    workers.twice, workers.instead = False, lambda n, cell: None if n == 1 else row(cell)
    error = refused(lambda: swept(full=True))
    assert error.name == "rows-missing" and "1 of 6" in error.message
    assert len(store.read(Path("sweeps/net")).rows) == 5


@pytest.mark.parametrize("change", ["module", "source", "version", "settings", "file gone", "file edited"])
def test_only_what_changed_is_made_again(change: str, workers: Workers, monkeypatch: pytest.MonkeyPatch) -> None:
    grid: dict[str, Any] = {"modules": ["se", "mine.py:Mine"], "sites": ["a"]}
    first = codegen.sweep("net.py", **grid)
    names = set(variants())
    workers.cells, again = [], {"module": ["mine.py:Mine"], "file gone": ["se"], "file edited": ["se"]}.get(change)
    if change in ("module", "source"):
        path = Path("mine.py" if change == "module" else "net.py")
        path.write_text(path.read_text() + "\n# changed\n")
    elif change == "version":
        monkeypatch.setattr(planning, "__version__", "99")
    elif change.startswith("file"):
        path = first.folder / first.rows[0].output
        path.unlink() if change == "file gone" else path.write_text("mine now")
    second = codegen.sweep("net.py", **grid, full=change == "settings")
    assert [cell.request.module for cell in workers.cells] == (again or ["se", "mine.py:Mine"])
    assert set(variants()) == names and len(second.rows) == 2
    with store.opened(first.folder) as opened:
        assert len(opened.kept()) == 2  # the rows of before are gone
    assert codegen.sweep("net.py", **grid, full=change == "settings").made == 0


def test_a_variant_that_passes_no_more_has_no_file(workers: Workers) -> None:
    swept()
    workers.instead = lambda n, cell: row(cell, "failed" if n else "refused")
    found = swept(full=True)
    assert not variants() and found.failed == 5
    workers.instead = lambda n, cell: row(cell)
    assert swept(full=True).made == 0
    assert swept(full=True, retry=True).made == 6 and len(variants()) == 6


def test_cells_of_another_grid_stay_unseen_until_they_are_asked_for(workers: Workers) -> None:
    swept()
    few = swept(limit=2)
    assert few.made == 0 and few.cells == len(few.rows) == len(store.read(few.folder).rows) == 2
    other = swept(modules=["se", "cbam"])
    assert other.made == 3 and [r.number for r in other.rows] == [*range(6)]
    assert swept().made == 0


def test_a_dry_run_writes_nothing(workers: Workers) -> None:
    found = swept(dry_run=True)
    assert found.cells == 6 and not found.rows and not Path("sweeps").exists() and not workers.cells
    swept(limit=2)
    before = Path("sweeps/net/store.sqlite").read_bytes()
    found = swept(dry_run=True)
    assert [bool(planned.row) for planned in found.grid] == [True] * 2 + [False] * 4
    assert Path("sweeps/net/store.sqlite").read_bytes() == before and len(workers.cells) == 2


def test_unknown_sites_are_rows_and_strict_stops(workers: Workers) -> None:
    error = refused(lambda: swept(sites=["a,nope"], strict=True))
    assert error.name == "unknown-site" and "nope" in error.message and not workers.cells
    found = swept(sites=["a,nope"])
    assert [(r.status, r.error) for r in found.rows] == [("passed", ""), ("refused", "unknown-site")] * 2
    assert found.rows[1].command == "codegen insert net.py --module se --after nope" and not found.failed
    assert len(workers.cells) == 2 and swept(sites=["a,nope"]).made == 0


def test_a_source_that_did_not_run_is_looked_at_again_with_retry(workers: Workers, monkeypatch: pytest.MonkeyPatch) -> None:
    error = {"name": "source-fails", "message": "no", "hint": "mend it", "exit_code": 2}
    looks: list[int] = []
    monkeypatch.setattr(coordinator, "_looked", lambda *all: looks.append(1) or {"error": error})
    assert [r.error for r in swept(sites=["a"]).rows] == ["source-fails"] * 2
    swept(sites=["a"])
    assert len(looks) == 1
    monkeypatch.setattr(coordinator, "_looked", lambda *all: SEEN)
    assert swept(sites=["a"], retry=True).made == 2 and len(variants()) == 2


# --- SIGKILL, and two at once ---------------------------------------------------------------------------------------------

WORDS = ("sweep", "net.py", "--modules", "se,eca,cbam,gc,gct,srm,ese,fca", "--sites", "a,b,c")  # 24 cells


@contextlib.contextmanager
def process(folder: Path, pause: float, *more: str) -> Iterator[subprocess.Popen[bytes]]:
    """`codegen sweep` as a process, whose workers take `pause` seconds for a row."""
    variables = environment() | {"PAUSE": str(pause)}
    variables["PYTHONPATH"] = os.pathsep.join([str(Path(__file__).parent), variables["PYTHONPATH"]])
    words = [sys.executable, "-c", FAKE, *WORDS, *more]
    running = subprocess.Popen(words, cwd=folder, env=variables, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        yield running
    finally:
        running.kill()
        running.communicate()


def kept_in(folder: Path) -> set[str]:
    """Rows that are committed, as another process sees them."""
    with contextlib.suppress(CodegenError), store.opened(folder / "sweeps/net") as opened:
        return set(opened.kept())
    return set()


def until(found: Callable[[], bool], running: subprocess.Popen[bytes]) -> None:
    for _ in range(3000):
        if found() or running.poll() is not None:
            return
        time.sleep(0.01)
    raise AssertionError("it did not come to that")


def test_sigkill_loses_at_most_the_row_that_is_being_made(tmp_path: Path) -> None:
    written(tmp_path)
    before: set[str] = set()
    for count in (1, 9):
        with process(tmp_path, 0.01) as running:
            until(lambda count=count: len(kept_in(tmp_path)) >= count, running)
            assert running.poll() is None
            seen = kept_in(tmp_path)
            running.send_signal(signal.SIGKILL)
            running.wait()
        after = kept_in(tmp_path)
        assert before <= seen <= after and count <= len(after) < 24
        before = after
    with process(tmp_path, 0, "--json") as running:
        out, _ = running.communicate()
    told = json.loads(out)
    assert running.returncode == 0 and told["made"] == 24 - len(before) and told["passed"] == told["rows"] == 24
    files = {path.name for path in (tmp_path / "sweeps/net/variants").glob("*.py")}
    assert files == {Path(each["output"]).name for each in told["results"]} and len(files) == 24  # no half of a file either


@pytest.mark.slow
def test_two_sweeps_in_one_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written(tmp_path)
    with process(tmp_path, 0.2) as first:
        until(lambda: bool(kept_in(tmp_path)), first)
        with process(tmp_path, 0) as second:
            out, err = second.communicate()
        assert second.returncode == 2 and not out
        assert err.startswith(f"error[sweep-running]: process {first.pid} ".encode()) and err.count(b"\n") == 2
        assert len(store.read(tmp_path / "sweeps/net").rows) >= 1  # it may be read meanwhile
        first.send_signal(signal.SIGINT)
        _, err = first.communicate()
        assert first.returncode == 130 and b"error[interrupted]" in err and b"rows are kept" in err
    with process(tmp_path, 0) as third:
        assert third.wait() == 0  # the lock went with the process


def test_two_sweeps_of_one_process(workers: Workers) -> None:
    with locking.locked(Path("sweeps/net")):
        assert refused(swept).name == "sweep-running"
    assert swept().made == 6


# --- what is wrong with the folder -------------------------------------------------------------------------------------------


def test_other_stores_are_told_apart(workers: Workers) -> None:
    folder = Path("sweeps/net")
    folder.mkdir(parents=True)
    (folder / "store.sqlite").write_text("not at all " * 200)
    assert refused(swept).name == "bad-store"
    assert (folder / "store.sqlite").read_text().startswith("not at all")
    (folder / "store.sqlite").unlink()
    with contextlib.closing(sqlite3.connect(folder / "store.sqlite")) as other:
        other.execute("CREATE TABLE mine (a)")
        other.commit()
    assert refused(swept).name == "bad-store"
    shutil.rmtree(folder)
    swept()
    with contextlib.closing(sqlite3.connect(folder / "store.sqlite")) as other:
        other.execute("PRAGMA user_version = 99")
    error = refused(swept)
    assert error.name == "store-version" and "99" in error.message
    assert refused(lambda: codegen.sweep("sweeps/net")).name == "store-version"


def test_a_file_in_the_place_of_the_folder_and_a_folder_that_cannot_be_written(workers: Workers) -> None:
    Path("taken").write_text("")
    assert refused(lambda: swept(output="taken")).name == "output-is-file"
    assert refused(lambda: swept(output="taken/below")).name == "read-only"
    assert refused(lambda: swept(output="/proc/sweep")).name == "read-only"
    assert not workers.cells


def test_a_full_disk_loses_nothing(workers: Workers, monkeypatch: pytest.MonkeyPatch) -> None:
    swept(limit=2)
    opened = sqlite3.connect

    def full(*all: Any, **options: Any) -> sqlite3.Connection:
        connection = opened(*all, **options)
        connection.execute("PRAGMA max_page_count = 1")  # as many as there are
        return connection

    with monkeypatch.context() as patch:
        patch.setattr(sqlite3, "connect", full)
        workers.instead = lambda n, cell: row(cell, diff="x" * 100_000)
        error = refused(swept)
    assert error.name == "disk-full" and "goes on" in error.hint
    workers.instead = lambda n, cell: row(cell)
    assert swept().made == 4  # the two of before are there


def test_a_full_disk_for_a_variants_file(workers: Workers, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, data: bytes) -> None:
        path.touch()
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", full)
        assert refused(swept).name == "disk-full"
    assert not variants() and swept().made == 6


# --- shards, exports, names ---------------------------------------------------------------------------------------------------


def test_shards_are_merged(workers: Workers) -> None:
    for i in (1, 2, 3):
        found = swept(shard=f"{i}/3")
        assert found.made == 2 and found.folder == Path(f"sweeps/net-{i}of3")
    merged = codegen.sweep("sweeps/net-1of3", "sweeps/net-2of3", "sweeps/net-3of3", merge=True, output="sweeps/net")
    assert merged.cells == len(merged.rows) == 6 and [r.number for r in merged.rows] == [*range(6)]
    workers.cells = []
    assert swept().made == 0 and not workers.cells and len(variants()) == 6
    again = codegen.sweep("sweeps/net-1of3", merge=True, output="sweeps/net")
    assert again.rows == merged.rows


def test_shards_that_contradict_are_refused(workers: Workers) -> None:
    swept(shard="1/2")
    swept(modules=["se,gc"], shard="2/2", output="other")
    swept(shard="2/2", output="full", full=True)
    swept(shard="1/2", output="changed", full=True)
    workers.instead = lambda n, cell: row(cell, "failed" if n else "passed")
    swept(shard="1/2", output="unlike")
    for folder in ("changed", "unlike"):
        error = refused(lambda folder=folder: codegen.sweep("sweeps/net-1of2", folder, merge=True, output="joined"))
        assert error.name == "stores-differ" and not Path("joined").exists()
    assert refused(lambda: codegen.sweep("nowhere", merge=True, output="joined")).name == "no-store"
    assert codegen.sweep("sweeps/net-1of2", "full", merge=True, output="joined").cells == 6
    Path("other/variants").joinpath(*os.listdir("other/variants")[:1]).unlink()
    assert refused(lambda: codegen.sweep("other", merge=True, output="joined2")).name == "stores-differ"


@pytest.mark.parametrize("text", ["0/2", "3/2", "1", "a/b", "1/0", "-1/2", "1/2/3"])
def test_a_shard_is_a_part(text: str, workers: Workers) -> None:
    assert refused(lambda: swept(shard=text)).name == "usage"


def test_more_shards_than_cells(workers: Workers) -> None:
    assert refused(lambda: swept(limit=1, shard="1/2")).name == "empty-grid"


def test_rows_are_exported(workers: Workers) -> None:
    workers.instead = lambda n, cell: row(cell, "failed", message="a, \"b\"\n| c") if n == 4 else row(cell)
    found = swept(export="rows.csv")
    assert found.exported == "rows.csv" and found.made == 6
    with Path("rows.csv").open(newline="") as stream:
        rows = [*csv.DictReader(stream)]
    assert len(rows) == 6 and rows[4]["message"] == 'a, "b"\n| c' and rows[4]["parameters"] == ""
    assert rows[0] | {"site": "a"} == rows[0] and [rows[0][f"{side}flops{ratio}"] for side, ratio in
        (("base_", ""), ("", ""), ("", "_added"), ("", "_ratio"))] == ["100", "110", "10", "1.1"]
    assert [rows[0][name] for name in ("base_parameters", "parameters", "parameters_added")] == ["50", "55", "5"]
    assert rows[0]["latency_ratio"] == "2.0" and rows[0]["drift"] == "0.25"
    codegen.sweep("sweeps/net", export="rows.jsonl")
    lines = [json.loads(line) for line in Path("rows.jsonl").read_text().splitlines()]
    assert [line["status"] for line in lines] == ["passed"] * 4 + ["failed", "passed"] and lines[0]["memory_ratio"] == 1.5
    assert [*lines[0]] == [*rows[0]]
    codegen.sweep("sweeps/net", export="rows.md")
    table = Path("rows.md").read_text().splitlines()
    assert len(table) == 8 and {line.count("|") - line.count("\\|") for line in table} == {table[0].count("|")}
    assert "failed: odd" in table[6]


def test_a_replaced_module_has_a_difference_and_no_total() -> None:
    whole = {name: "" for name in ("source", "site", "module", "arguments", "command")}
    found = exports.columns(Row("k", 0, **whole, operation="replace", status="passed", parameters=30, new_parameters=10))
    assert (found["base_parameters"], found["parameters_added"], found["parameters_ratio"]) == (None, -20, None)


def test_an_export_that_cannot_be_is_told_first(workers: Workers, monkeypatch: pytest.MonkeyPatch) -> None:
    assert refused(lambda: swept(export="rows.xls")).name == "usage"
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    error = refused(lambda: swept(export="rows.parquet"))
    assert error.name == "missing-package" and "pip install pyarrow" in error.hint and not workers.cells


def test_rows_as_parquet(workers: Workers) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    swept(export="rows.parquet")
    rows = parquet.read_table("rows.parquet").to_pylist()
    assert len(rows) == 6 and rows[0]["flops_ratio"] == 1.1 and rows[0]["parameters"] == 55 and rows[0]["error"] == ""


TABLE = '[sweep.one]\nsources = ["net.py"]\nmodules = ["se", "eca"]\nsites = ["a", "b"]\nexclude = ["* eca *"]\n'


def test_a_sweep_with_a_name(workers: Workers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = '[sweep.two]\nsources = ["net.py"]\nmodules = ["se"]\nsites = ["c"]\noutput = "out/two"\n'
    Path("codegen.toml").write_text(TABLE + other)
    found = swept("one")
    assert found.folder == Path("sweeps/one") and [f"{r.module} {r.site}" for r in found.rows] == ["se a", "se b"]
    assert [r.site for r in swept("one", exclude=["* a"]).rows] == ["b"]
    (tmp_path / "below").mkdir()
    monkeypatch.chdir(tmp_path / "below")
    workers.cells = []
    again = swept("one", export="rows.csv")
    assert again.made == 0 and again.folder == Path("../sweeps/one")
    assert Path("rows.csv").is_file() and Path.cwd().name == "below"
    assert swept("two").folder == Path("../out/two") and (tmp_path / "out/two/store.sqlite").is_file()
    assert swept("two", output="here").folder == Path("here") and Path("here/store.sqlite").is_file()


def test_names_that_mean_nothing(workers: Workers) -> None:
    assert refused(lambda: swept("one")).name == "no-recipes"
    Path("codegen.toml").write_text(TABLE)
    error = refused(lambda: swept("ome"))
    assert error.name == "unknown-sweep" and error.hint == "there are one"
    assert refused(lambda: swept("one", "one")).name == "usage"
    assert refused(codegen.sweep).hint == "codegen.toml has one"
    error = refused(lambda: swept("one", modules=["se"]))
    assert error.name == "usage" and "--modules" in error.message
    assert refused(lambda: codegen.sweep("sweeps/none", export="rows.csv")).name in ("unknown-source", "empty-grid")


@pytest.mark.parametrize(
    "options",
    [
        {"modules": "se"},
        {"operations": ["behind"]},
        {"costs": ["time"]},
        {"workers": 0},
        {"executor": "slurm"},
        {"isolate": "thread"},
        {"executor": "local", "scheduler": "tcp://a:1"},
        {"limit": 0},
        {"args": {"reduction": {4}}},
        {"timeout": 0},
        {"merge": True},
    ],
)
def test_a_wrong_option_is_a_usage_error(options: dict[str, Any], workers: Workers) -> None:
    assert refused(lambda: swept(**options)).name == "usage" and not Path("sweeps").exists()


def test_options_say_nothing_beside_a_folder(workers: Workers) -> None:
    swept(limit=1)
    assert len(codegen.sweep("sweeps/net").rows) == 1
    assert refused(lambda: codegen.sweep("sweeps/net", modules=["se"])).name == "usage"
    assert refused(lambda: codegen.sweep("sweeps/net", workers=3)).name == "usage"


def test_lists_of_values_are_several(workers: Workers) -> None:
    found = swept(modules=["se"], sites=["a"], args={"reduction": [4, 8]})
    assert [r.arguments for r in found.rows] == ["reduction=4", "reduction=8"]
    found = swept(modules=["se"], sites=["a"], args=["reduction=8,4"])
    assert [r.arguments for r in found.rows] == ["reduction=8", "reduction=4"]
