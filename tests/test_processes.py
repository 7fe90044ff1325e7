"""What only a process of its own shows: signals, streams, limits, what is missing around it, and a disk that fails."""

# ruff: noqa: E501 - commands stand in a line

from __future__ import annotations

import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import children_of, command, environment, is_alive
from faults import MARK, NET, STATIC, disk

RUN = ("insert", "net.py", "--module=se", "--after=stem")
SLOW = pytest.mark.slow
HERE = pytest.mark.skipif(not Path("/proc").is_dir(), reason="it looks into /proc")


READING = (("diff", "made.py"), ("check", "made.py"), ("build", "--dry-run", "made.py"), ("sites", "--static", "net.py"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "net.py").write_text(NET)
    return tmp_path


def shell(line: str, folder: Path, words: tuple[str, ...] = STATIC, **more: str) -> subprocess.CompletedProcess[bytes]:
    """A line of sh in which $CODEGEN is the command."""
    given = {**environment(), **more, "CODEGEN": shlex.join(command(*words)), "PYTHON": sys.executable}
    return subprocess.run(["sh", "-c", line], cwd=folder, env=given, capture_output=True, timeout=120, check=False)


def told(done: subprocess.CompletedProcess[bytes]) -> str:
    """What was printed; there is no traceback in it."""
    text = (done.stdout + done.stderr).decode(errors="backslashreplace")
    assert "Traceback" not in text and "Exception ignored" not in text, text
    return text


def made(folder: Path, words: tuple[str, ...] = STATIC, **more: str) -> bytes:
    """The variant that the plain command makes."""
    done = shell("eval $CODEGEN", folder, words, **more)
    assert done.returncode == 0, told(done)
    data = (folder / "generated" / "net_se.py").read_bytes()
    (folder / "generated" / "net_se.py").unlink()
    return data


def test_a_reader_that_goes_away(folder: Path) -> None:
    done = shell("eval $CODEGEN | head -1; echo left", folder, ("modules",))
    assert told(done).count("\n") == 2
    assert shell("(eval $CODEGEN; echo $? >&2) | true", folder, ("modules",)).stderr.strip() in (b"141", b"0")


@SLOW
@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_streams_that_are_closed(folder: Path, closed: str) -> None:
    done = shell(f"eval $CODEGEN {closed}", folder)
    assert done.returncode == 0, told(done)
    assert (folder / "generated" / "net_se.py").read_text().endswith("flatten(1))\n")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
def test_a_stdout_that_is_full(folder: Path) -> None:
    done = shell("eval $CODEGEN >/dev/full", folder, ("modules",))
    assert done.returncode == 2 and "error[system-error]" in told(done)


@SLOW
def test_a_terminal_that_is_not_utf_8(folder: Path) -> None:
    (folder / "net.py").write_text(NET.replace("        x = self.stem(x)\n", "        x = self.stem(x)  # é 中\n"))
    done = shell("eval $CODEGEN --diff", folder, PYTHONIOENCODING="ascii", LC_ALL="C")
    assert done.returncode == 0 and "self.se" in told(done)


@SLOW
@pytest.mark.parametrize(
    "line",
    [
        "env -u HOME -u XDG_CACHE_HOME $CODEGEN",
        "HOME=/nonexistent TMPDIR=/nonexistent $CODEGEN",
        "HOME= TMPDIR= PATH= $CODEGEN",
        "env -u LANG -u LC_ALL $CODEGEN",
        "COLUMNS=0 LINES=x TERM=klingon $CODEGEN",
        "PYTHONHASHSEED=1 $CODEGEN",
        "PYTHONHASHSEED=2 PYTHONUTF8=0 LC_ALL=C $CODEGEN",
        "ulimit -n 20; $CODEGEN",
        "ulimit -c 0 -s 1024; $CODEGEN",
        "umask 022; $PYTHON -O -m codegen " + shlex.join(STATIC),
        "$PYTHON -OO -m codegen " + shlex.join(STATIC),
        "$PYTHON -W error -m codegen " + shlex.join(STATIC),
        "$PYTHON -X dev -W error -m codegen " + shlex.join(STATIC),
        "$PYTHON -X utf8=0 -b -m codegen " + shlex.join(STATIC),
    ],
)
def test_the_same_bytes_whatever_is_missing_around_it(folder: Path, line: str) -> None:
    data = made(folder)
    done = shell(line.replace("$CODEGEN", shlex.join(command(*STATIC))), folder)
    assert done.returncode == 0, told(done)
    told(done)
    assert (folder / "generated" / "net_se.py").read_bytes() == data
    assert {path.name for path in folder.iterdir()} == {"net.py", "generated"}


def test_the_same_bytes_without_asserts_and_with_few_files(folder: Path) -> None:
    data = made(folder)
    assert shell("ulimit -n 20; $PYTHON -O -W error -m codegen " + shlex.join(STATIC), folder).returncode == 0
    assert (folder / "generated" / "net_se.py").read_bytes() == data


@SLOW
def test_a_warning_of_the_source_is_no_error(folder: Path) -> None:
    (folder / "net.py").write_text(NET + 'x = "\\d"\ny = 1 is 1\nassert (1, 2)\n')
    done = shell("$PYTHON -W error -m codegen " + shlex.join(STATIC), folder)
    assert done.returncode == 0 and "Warning" not in told(done)


@SLOW
def test_too_few_file_descriptors_are_told(folder: Path) -> None:
    done = shell("ulimit -n 6; $PYTHON -m codegen " + shlex.join(RUN), folder)
    assert done.returncode in (1, 2) and (folder / "net.py").read_text() == NET
    assert {path.name for path in folder.iterdir()} == {"net.py"}


def test_a_working_folder_that_is_gone(folder: Path) -> None:
    line = "mkdir gone; cd gone; rmdir ../gone; $PYTHON -m codegen " + shlex.join(("insert", str(folder / "net.py"), *STATIC[2:]))
    done = shell(line, folder)
    assert done.returncode == 2 and "error[" in told(done)


@SLOW
def test_a_limit_of_a_file_s_size_is_told_and_nothing_is_left(folder: Path) -> None:
    done = shell("ulimit -f 1; $PYTHON -m codegen " + shlex.join(STATIC), folder)
    assert done.returncode == 2 and "error[read-only]" in told(done)
    assert {path.name for path in folder.iterdir()} == {"net.py"}


@pytest.mark.parametrize(
    "words",
    [STATIC, *(pytest.param(words, marks=SLOW) for words in READING)],
)
def test_nothing_of_the_source_is_executed(folder: Path, words: tuple[str, ...]) -> None:
    """Python's own audit events: no code of a file in the folder is executed, and no process is started but git."""
    (folder / "net.py").write_text(MARK + NET)
    assert shell("eval $CODEGEN", folder, (*STATIC, "-o", "made.py")).returncode == 0
    hook = (
        "import sys, os\n"
        "here = os.getcwd()\n"
        "def hear(event, given):\n"
        "    name = str(getattr(given[0], 'co_filename', '')) if given else ''\n"
        "    if event == 'exec' and name.startswith(here): os._exit(77)\n"
        "    if event in ('os.system', 'os.fork', 'os.exec'): os._exit(78)\n"
        "    if event == 'subprocess.Popen' and given[0] != 'git': os._exit(79)\n"
        "sys.addaudithook(hear)\n"
        f"sys.argv = ['codegen', *{words!r}]\n"
        "from codegen.__main__ import start\nstart()\n"
    )
    done = subprocess.run([sys.executable, "-c", hook], cwd=folder, env=environment(), capture_output=True, timeout=60, check=False)
    assert done.returncode in (0, 3), (done.returncode, told(done))
    assert not (folder / "MARKER").exists()


def started(folder: Path, code: str, *words: str) -> subprocess.Popen[bytes]:
    """A command whose model waits, once it does."""
    (folder / "net.py").write_text(NET.replace("\n\nclass", f"\n{code}\nopen('pid', 'w').write(str(os.getpid()))\ntime.sleep(300)\n\nclass", 1))
    process = subprocess.Popen(
        command(*RUN, *words), cwd=folder, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
    )
    deadline = time.monotonic() + 60
    while not (folder / "pid").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    return process


def gone(pids: list[int]) -> bool:
    """Whether these processes end within some seconds."""
    deadline = time.monotonic() + 10
    while any(map(is_alive, pids)) and time.monotonic() < deadline:
        time.sleep(0.02)
    return not any(map(is_alive, pids))


ORPHAN = "import os, time\nif os.fork() == 0:\n    os.setsid()\n    open('orphan', 'w').write(str(os.getpid()))\n    time.sleep(300)\n"
WAIT = "import os, time"


@HERE
@SLOW
@pytest.mark.parametrize(("sent", "code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129), (signal.SIGKILL, -9)])
def test_a_signal_takes_the_child_along(folder: Path, sent: int, code: int) -> None:
    process = started(folder, WAIT)
    pids = [int((folder / "pid").read_text()), *children_of(process.pid)]
    process.send_signal(sent)
    out, err = process.communicate(timeout=20)
    assert process.returncode == code and b"Traceback" not in err and out == b""
    assert [line.split(b":")[0] for line in err.splitlines()] == ([b"error[interrupted]", b"hint"] if code > 0 else [])
    assert gone(pids) and {path.name for path in folder.iterdir()} == {"net.py", "pid"}


@HERE
@SLOW
def test_a_process_that_left_its_session_goes_too(folder: Path) -> None:
    process = started(folder, ORPHAN)
    while not (folder / "orphan").exists() or not (folder / "orphan").read_text():
        time.sleep(0.02)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=20)
    assert gone([int((folder / name).read_text()) for name in ("pid", "orphan")])


@SLOW
def test_a_source_that_changes_while_it_is_worked_on(folder: Path) -> None:
    text = NET.replace("\n\nclass", "\nimport os\nif not os.path.exists('seen'):\n    open('seen', 'w').close()\n    open('net.py', 'a').write('# a line of a person\\n')\n\nclass", 1)
    (folder / "net.py").write_text(text)
    done = shell("eval $CODEGEN", folder, (*RUN, "--in-place"))
    assert done.returncode == 2 and "error[source-changed]" in told(done)
    assert (folder / "net.py").read_text() == text + "# a line of a person\n"


@SLOW
@pytest.mark.parametrize("line", ["$PYTHON -O -m codegen", "$PYTHON -W error -m codegen", "ulimit -n 40; $PYTHON -m codegen"])
def test_a_run_of_a_model(folder: Path, line: str) -> None:
    done = shell(f"{line} {shlex.join(RUN)}", folder)
    assert done.returncode == 0, told(done)


# -- a disk that fails, runs that are killed, runs at the same time: more of each by `python tests/faults/table.py` ---------

FEW = [(call, place) for call in disk.CALLS for place in disk.PLACES]


@SLOW
@pytest.mark.parametrize(("call", "place"), FEW)
def test_a_call_that_fails_tears_nothing(tmp_path: Path, call: str, place: str) -> None:
    error = disk.ERRORS[FEW.index((call, place)) % len(disk.ERRORS)]
    _, found = disk.injected(tmp_path, call, 1, error, place)
    assert found == []


@pytest.mark.parametrize("sweep", [disk.killed_inside, pytest.param(disk.killed_anywhere, marks=SLOW)])
def test_a_kill_tears_nothing(tmp_path: Path, sweep: Callable[[Path, int], disk.Kills]) -> None:
    kills = sweep(tmp_path, 12)
    assert kills.torn == 0 and kills.moments == 12


@SLOW
@pytest.mark.parametrize("force", [True, False])
def test_many_runs_on_one_output(tmp_path: Path, force: bool) -> None:
    made, found = disk.writers(tmp_path, 6, force=force)
    assert found == [] and made == (6 if force else 1)


@SLOW
def test_the_sweeps_see_what_is_torn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A sweep over a plain open(...).write(...) finds torn files: it can fail."""

    def plain(path: Path, data: bytes, *, replaces: bool = True) -> None:
        with open(path, "wb", buffering=0) as stream:
            for start in range(0, len(data), 1 << 16):
                stream.write(data[start : start + (1 << 16)])

    monkeypatch.setattr(disk.writing, "write", plain)
    assert disk.killed_inside(tmp_path, 30).torn > 0

