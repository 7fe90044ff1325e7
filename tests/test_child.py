"""The parent's side of the child process: what the model's code does to it - prints, forges, exits, hangs - stays there."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")

from codegen.child import Child, trace_from_json  # noqa: E402
from codegen.errors import BUG, USER, CodegenError  # noqa: E402
from codegen.limits import Limits  # noqa: E402
from codegen.traced import Trace  # noqa: E402

NET = """
from torch import nn


class Net(nn.Module):
    def __init__(self, width=4):
        super().__init__()
        self.stem = nn.Conv2d(3, width, 1)

    def forward(self, x):
        return self.stem(x)
"""
NOISE = """
import os, sys
print('{"value": 1, "secret": ""}')
sys.stdout.buffer.write(bytes(range(256)))
sys.stdout.flush()
os.write(1, b'{"value": 2}\\n')
os.write(2, b'noise on stderr\\n')
assert sys.stdin.read() == ""
assert "CODEGEN_SECRET" not in os.environ and sys.argv == ["model"]
"""
FORGED = """
import os
for number in range(3, 64):
    try:
        os.write(number, b'{"value": 3}\\n{"value": 4, "secret": ""}\\n{"value": 5, "secret": null}\\n')
        os.write(number, b'[1]\\n7\\nnull\\n\\xff\\xfe\\n\\n')
    except OSError:
        pass
"""
HALF_A_LINE = FORGED.replace("\\n\\n')", "')")
DEADLINE = 120.0


def request(folder: Path, text: str, **more: str) -> dict[str, Any]:
    path = folder / "net.py"
    path.write_text(text)
    file = {"path": str(path), "module": "", "root": ""}
    given = dict.fromkeys(("entry", "host", "build", "input", "library", "wanted"), "")
    return {"file": file, "text": text, **given, "input": "1x3x8x8", **more}


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.fixture(scope="module")
def child() -> Iterator[Child]:
    """One process for all tests that leave it alive: it answers again after every error."""
    with Child(Limits(seconds=DEADLINE)) as child:
        yield child


def refused(child: Child, wanted: dict[str, Any], verb: str = "trace") -> CodegenError:
    with pytest.raises(CodegenError) as caught:
        child.ask(verb, wanted)
    return caught.value


@pytest.mark.parametrize("code", ["", NOISE, FORGED], ids=["quiet", "noise", "forged"])
@pytest.mark.parametrize("place", ["at import", "in forward"])
def test_only_the_workers_own_answers_count(child: Child, tmp_path: Path, code: str, place: str) -> None:
    text = NET + code
    if place == "in forward":
        text = NET.replace("        return", f"        exec({code!r})\n        return")
    trace = trace_from_json(child.ask("trace", request(tmp_path, text)))
    assert isinstance(trace, Trace) and trace.build == "Net()"
    assert [m.name for m in trace.modules] == ["", "stem"]
    assert trace.modules[1].output_shape == (2, 4, 8, 8) and trace.calls[0].span.line > 0
    assert trace.modules[1].width_after and trace.modules[1].width_after.expr == "width"


def test_what_the_model_prints_is_kept_for_verbose(child: Child, tmp_path: Path) -> None:
    child.ask("trace", request(tmp_path, NET + "print('said by the model')"))
    assert "said by the model" in child.output()


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("import sys; sys.exit(0)", "SystemExit: 0"),
        ("import sys; sys.exit('bye')", "SystemExit: bye"),
        ("raise ValueError('two\\nlines')", "ValueError: two lines"),
        ("import no_such_package", "no_such_package"),
        ("def again(): again()\nagain()", "RecursionError"),
    ],
)
def test_what_the_code_raises_at_import_is_one_error_and_the_child_goes_on(
    child: Child, tmp_path: Path, code: str, said: str
) -> None:
    error = refused(child, request(tmp_path, f"{NET}\n{code}\n"))
    assert (error.name, error.exit_code) == ("source-fails", USER)
    assert said in error.message and "\n" not in error.message and "Traceback" in error.details
    assert child.ask("trace", request(tmp_path, NET))["build"] == "Net()"


def test_a_folder_named_codegen_does_not_make_its_errors_ours(child: Child, tmp_path: Path) -> None:
    folder = tmp_path / "codegen_experiments"
    folder.mkdir()
    error = refused(child, request(folder, NET + "\nraise ValueError('mine')\n"))
    assert (error.name, error.exit_code) == ("source-fails", USER)


def test_a_folder_named_codegen_where_it_runs_is_not_taken_for_the_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "codegen" / "worker").mkdir(parents=True)
    (tmp_path / "codegen" / "__init__.py").write_text("raise ImportError('another codegen')\n")
    (tmp_path / "here.py").write_text("value = 1\n")
    monkeypatch.chdir(tmp_path)
    model = tmp_path / "models"
    model.mkdir()
    with Child(Limits()) as child:
        error = refused(child, request(model, NET + "\nimport here\nraise ValueError(here.value)\n"))
    assert error.message.endswith("ValueError: 1")


def test_an_error_of_the_worker_itself_is_a_bug(child: Child) -> None:
    error = refused(child, {"file": {}})
    assert (error.name, error.exit_code) == ("internal-error", BUG) and "KeyError" in error.message


def test_an_error_with_a_name_comes_through_whole(child: Child, tmp_path: Path) -> None:
    error = refused(child, request(tmp_path, NET, entry="Nett"))
    assert (error.name, error.exit_code) == ("host-not-found", USER) and "Net" in error.hint


def lost(folder: Path, code: str, limits: Limits) -> tuple[CodegenError, float]:
    """What is said of a model that takes its process along, and after how many seconds; nothing of it may remain."""
    start = time.monotonic()
    with Child(limits) as child:
        error = refused(child, request(folder, f"{NET}\n{code}\n"))
        seconds, pid = time.monotonic() - start, child.process.pid
    assert not alive(pid)
    return error, seconds


SLOW = pytest.mark.slow


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("import os; os._exit(7)", "exited with status 7"),
        pytest.param("import os; os._exit(0)", "exited with status 0", marks=SLOW),
        pytest.param("import os; os.kill(os.getpid(), 9)", "SIGKILL", marks=SLOW),
        pytest.param("import os; os.closerange(3, 100)", "exited with status 1", marks=SLOW),
        pytest.param("print('last words', flush=True); import os; os.abort()", "SIGABRT: last words", marks=SLOW),
    ],
)
def test_a_process_that_ends_is_told_with_how_it_ended(tmp_path: Path, code: str, said: str) -> None:
    error, seconds = lost(tmp_path, code, Limits(seconds=DEADLINE))
    assert (error.name, error.exit_code) == ("model-exited", USER) and said in error.message
    assert seconds < DEADLINE / 2


@pytest.mark.slow
@pytest.mark.parametrize(
    "code",
    ["while True: pass", "import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nwhile True: pass"],
    ids=["busy", "deaf"],
)
def test_a_model_that_never_ends_is_stopped(tmp_path: Path, code: str) -> None:
    error, seconds = lost(tmp_path, code, Limits(seconds=10))
    assert error.name == "model-timeout" and "10 s" in error.message and "--timeout" in error.hint
    assert 9 < seconds < 20


@pytest.mark.slow
def test_processes_that_the_model_started_go_with_it(tmp_path: Path) -> None:
    note = tmp_path / "pid"
    code = (
        "import subprocess\nproc = subprocess.Popen(['sleep', '300'])\n"
        f"open({str(note)!r}, 'w').write(str(proc.pid))\nwhile True: pass"
    )
    lost(tmp_path, code, Limits(seconds=10))
    deadline = time.monotonic() + 5
    while alive(int(note.read_text())) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not alive(int(note.read_text()))


@pytest.mark.slow
@pytest.mark.parametrize("code", ["import torch; x = torch.ones(3 << 30)", "x = bytearray(6 << 30)"])
def test_more_memory_than_is_allowed_is_an_error(tmp_path: Path, code: str) -> None:
    with Child(Limits(seconds=DEADLINE, memory=3 << 30)) as child:
        error = refused(child, request(tmp_path, f"{NET}\n{code}\n"))
        assert error.name in ("model-memory", "source-fails") and error.exit_code == USER
        assert child.ask("trace", request(tmp_path, NET))["build"] == "Net()"


@pytest.mark.slow
def test_half_a_line_among_the_answers_swallows_none(tmp_path: Path) -> None:
    with Child(Limits(seconds=15)) as child:
        assert child.ask("trace", request(tmp_path, NET + HALF_A_LINE))["build"] == "Net()"


def test_a_process_that_somebody_else_ended(tmp_path: Path) -> None:
    with Child(Limits(seconds=DEADLINE)) as child:
        pid = child.process.pid
        os.kill(pid, 9)
        error = refused(child, request(tmp_path, NET))
        assert error.name == "model-exited" and "SIGKILL" in error.message
    assert not alive(pid)


def test_its_temporary_files_go_with_it(tmp_path: Path) -> None:
    note = tmp_path / "note"
    code = f"import tempfile\nopen({str(note)!r}, 'w').write(tempfile.mkdtemp())\n"
    with Child(Limits(seconds=DEADLINE)) as child:
        child.ask("trace", request(tmp_path, NET + code))
        assert Path(note.read_text()).is_dir()
    assert not Path(note.read_text()).exists()
