"""`codegen sweep` as a person uses it: what it prints and how it ends; and on real models."""

from __future__ import annotations

import contextlib
import json
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from conftest import Run, command, environment
from small_sweep_source import INPUT, written
from test_sweep_store import Workers, row, until, workers

from codegen import ending
from codegen.errors import CodegenError
from codegen.sweeps import store

__all__ = ["workers"]  # a fixture
GRID = ("sweep", "net.py", "--modules", "se,cat(se, eca)", "--sites", "a,nope")


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Any:
    """said(words) -> exit code, stdout, stderr of the command."""

    def run(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["codegen", *words])
        with pytest.raises(SystemExit) as leaving:
            ending.main()
        return (int(leaving.value.code or 0), *capfd.readouterr())

    return run


def test_the_plan_of_a_dry_run(said: Any, workers: Workers) -> None:
    code, out, err = said(*GRID, "--dry-run", "--arg", "reduction=4,8")
    lines = [line.split() for line in out.splitlines()]
    assert code == 0 and lines[0] == ["n", "source", "module", "arguments", "operation", "site", "state"]
    assert lines[1] == ["0", "net.py", "se", "reduction=4", "after", "a"]
    assert lines[2][-2:] == ["refused:", "unknown-site"] and lines[5] == ["4", "net.py", "cat(se,", "eca)", "after", "a"]
    assert out.splitlines()[-1] == "6 cells: 3 to make, 3 refused by name. Nothing was made: --dry-run"
    assert not Path("sweeps").exists()
    told = json.loads(said(*GRID, "--dry-run", "--json")[1])
    assert told["cells"] == 4 and [cell["state"] for cell in told["plan"]] == ["to make", "refused: unknown-site"] * 2
    assert told["plan"][0]["output"].startswith("variants/net_se_a_")


def test_what_came_of_it(said: Any, workers: Workers) -> None:
    workers.instead = lambda n, cell: row(cell, "failed") if n else row(cell)
    code, out, err = said(*GRID)
    assert code == 3 and out.splitlines()[0] == "4 rows: 1 passed, 2 refused, 1 failed"
    assert "  refused: 2 x unknown-site, first net.py se after nope" in out and "    hint: make it even" in out
    assert "made in " in out and "sweeps/net/store.sqlite, sweeps/net/variants/" in out
    assert out.splitlines()[-1] == "codegen report sweeps/net -o report.html"
    assert "failed net.py cat(se, eca) after a: odd: it is odd" in err and "4 of 4 rows" in err
    code, out, err = said(*GRID)
    assert code == 3 and "nothing to do; sweeps/net/" in out and "failed" not in err
    code, out, err = said("sweep", "sweeps/net", "--export", "rows.md")
    assert code == 3 and "exported to rows.md" in out and Path("rows.md").read_text().count("\n") == 6
    workers.instead = lambda n, cell: row(cell)
    code, out, err = said(*GRID, "--retry", "--json")
    told = json.loads(out)
    assert (code, err, told["made"], told["passed"], told["refused"]) == (0, "", 3, 2, 2)
    assert told["results"][0]["costs"]["flops"] == [100, 110] and "diff" not in told["results"][0]


@pytest.mark.parametrize(
    ("words", "name"),
    [
        (("sweep",), "usage"),
        (("sweep", "net.py"), "empty-grid"),
        (("sweep", "net.py", "--modules", ",", "--sites", "a"), "empty-grid"),
        (("sweep", "net.py", "--modules", "se,ec(", "--sites", "a"), "bad-expression"),
        (("sweep", "net.py", "--modules", "se,eac", "--sites", "a"), "unknown-module"),
        (("sweep", "net.py", "--modules", "se", "--sites", "nope", "--strict"), "unknown-site"),
        (("sweep", "nowhere.py", "--modules", "se", "--sites", "a", "--strict"), "unreadable-source"),
        (("sweep", "net.py", "--modules", "se", "--sites", "a", "--include", "vit*"), "empty-grid"),
        (("sweep", "net.py", "--modules", "se", "--sites", "a", "--arg", "reductoin=4"), "unknown-argument"),
        (("sweep", "net.py", "--modules", "se", "--sites", "a", "--limit", "0"), "usage"),
        (("sweep", "net.py", "--modules", "se", "--sites", "a", "--export", "rows.txt"), "usage"),
        (("sweep", "study"), "no-recipes"),
        (("sweep", "--merge", "a"), "usage"),
        (("sweep", "--merge", "a", "b", "-o", "c"), "no-store"),
    ],
)
def test_bad_input_is_two_lines(words: tuple[str, ...], name: str, said: Any, workers: Workers) -> None:
    code, out, err = said(*words)
    told = [line for line in err.splitlines() if not line.startswith("looking at ")]
    assert code == 2 and not out and len(told) == 2 and not workers.cells
    assert told[0].startswith(f"error[{name}]: ") and told[1].startswith("hint: ")
    assert json.loads(said(*words, "--json")[1])["error"]["name"] == name
    assert {path.name for path in Path.cwd().iterdir()} <= {"net.py", "mine.py"}  # nothing is left behind


def test_the_help_tells_what_a_cell_is(said: Any) -> None:
    code, out, _ = said("sweep", "--help")
    assert code == 0 and "every-block         each block, a cell for each" in out and "Exit code: 0" in out


# --- real models ----------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_sweep_that_is_killed_goes_on(codegen: Run, tmp_path: Path) -> None:
    """The whole way: the model runs, the variants are proved, the coordinator is killed in between."""
    written(tmp_path)
    sites = "every-stage,stem,all(every-block)"
    words = ["sweep", "net.py", "--modules", "se,mine.py:Mine", "--sites", sites, "--input", INPUT]
    with subprocess.Popen(command(*words), cwd=tmp_path, env=environment(), stderr=subprocess.DEVNULL) as first:
        until(lambda: rows(tmp_path) >= 2, first)
        first.send_signal(signal.SIGKILL)
    before = rows(tmp_path)
    assert 2 <= before < 8
    deadline = time.monotonic() + 60
    while left := running_in(tmp_path):  # workers end with the coordinator, and their children with them
        assert time.monotonic() < deadline, left
        time.sleep(0.2)
    told = json.loads(codegen(*words, "--json", cwd=tmp_path).stdout)
    assert (told["cells"], told["passed"], told["made"]) == (8, 8, 8 - before), told
    assert json.loads(codegen(*words, "--json", cwd=tmp_path).stdout)["made"] == 0
    one = next(each for each in told["results"] if each["site"] == "layer*.*")
    checked = codegen("verify", f"sweeps/net/{one['output']}", cwd=tmp_path)
    assert checked.returncode == 0, checked.stderr
    made = codegen(*shlex.split(one["command"])[1:], "-o", "again.py", cwd=tmp_path)  # the command makes the same file
    assert made.returncode == 0, made.stderr
    assert (tmp_path / "again.py").read_text() == (tmp_path / "sweeps/net" / one["output"]).read_text()


def running_in(folder: Path) -> list[str]:
    """The processes whose working folder this is."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if (process / "cwd").readlink() == folder:
                found.append((process / "cmdline").read_text().replace("\0", " "))
    return found


def rows(folder: Path) -> int:
    try:
        return len(store.read(folder / "sweeps/net").rows)
    except CodegenError:
        return 0


@pytest.mark.slow
def test_a_grid_over_models_of_timm(codegen: Run, tmp_path: Path) -> None:
    (tmp_path / "codegen.toml").write_text(
        '[sweep.study]\nsources = ["timm:test_resnet", "timm:test_vit", "timm:test_nothing"]\nmodules = ["se", "eca"]\n'
        'sites = ["every-stage", "before-head", "layer1"]\nexclude = ["* eca after every-stage"]\n'
    )
    parts = [json.loads(codegen("sweep", "study", "--shard", f"{i}/2", "--json", cwd=tmp_path).stdout) for i in (1, 2)]
    assert all(not part["failed"] for part in parts), parts
    merged = codegen("sweep", "--merge", "sweeps/study-1of2", "sweeps/study-2of2", "-o", "sweeps/study", cwd=tmp_path)
    assert merged.returncode == 0, merged.stderr
    told = json.loads(codegen("sweep", "study", "--json", cwd=tmp_path).stdout)
    assert told["made"] == 0 and told["rows"] == told["cells"] == sum(part["rows"] for part in parts)
    errors = {(each["source"], each["error"]) for each in told["results"] if each["status"] != "passed"}
    assert errors == {("timm:test_vit", "unknown-site"), ("timm:test_nothing", "unknown-source")}
    assert told["passed"] >= 8
