"""Bad input, as a user meets it: one error line, one hint line, the right exit code, no file left or changed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
from conftest import Run, children_of, command, environment, is_alive

NET = """
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self, in_chans=3, dim=8):
        super().__init__()
        self.stem = nn.Conv2d(in_chans, dim, 3, padding=1)
        self.spare = nn.Conv2d(dim, dim, 1)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.head = nn.Linear(dim, 10)

    def forward(self, x):
        x = self.stem(x)
        return self.head(self.pool(x).flatten(1))
""".lstrip()
TOP = ("import torch\n", "import torch\n{}\n")  # what runs at import
INSIDE = ("        x = self.stem(x)\n", "        {}\n        x = self.stem(x)\n")  # what runs in forward
BUILDING = ("        super().__init__()\n", "        super().__init__()\n        {}\n")

MINE = """
import torch
from torch import nn


class Fold(nn.Module):
    def __init__(self, dim):
        super().__init__()

    def forward(self, x):
        return x.flatten(1)


class Narrow(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.conv = nn.Conv2d(dim, dim // 2, 1)

    def forward(self, x):
        return self.conv(x)


class Raising(nn.Module):
    def __init__(self, dim):
        super().__init__()

    def forward(self, x):
        raise RuntimeError("two\\nlines\\x1b[31m")
"""


IGNORING = "import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nwhile True: pass"


class Folder:
    """A folder with net.py and mine.py in which codegen runs; `check` compares it with how it was."""

    def __init__(self, path: Path, run: Run) -> None:
        self.path, self.run = path, run
        (path / "mine.py").write_text(MINE)

    def write(self, place: tuple[str, str], code: str) -> None:
        """net.py with a piece of code in one of the places above."""
        assert place[0] in NET
        (self.path / "net.py").write_text(NET.replace(place[0], place[1].format(code), 1))

    def files(self) -> dict[str, bytes]:
        return {str(p.relative_to(self.path)): p.read_bytes() for p in self.path.rglob("*") if p.is_file()}

    def insert(self, *words: str, site: str = "--after=stem", module: str = "se") -> subprocess.CompletedProcess[bytes]:
        return self.run("insert", "net.py", f"--module={module}", site, *words, cwd=self.path)

    def refuses(
        self, *words: str, code: int = 2, site: str = "--after=stem", module: str = "se"
    ) -> tuple[str, str, str]:
        """(name, message, hint) of the one error."""
        before = self.files()
        done = self.insert(*words, site=site, module=module)
        err = done.stderr.decode()
        assert (done.returncode, done.stdout) == (code, b""), err
        lines = err.splitlines()
        assert len(lines) == 2 and lines[0].startswith("error[") and lines[1].startswith("hint: "), err
        assert "Traceback" not in err and "\x1b" not in err and len(lines[0]) < 1000
        assert self.files() == before, "files were left or changed"
        name, _, message = lines[0].removeprefix("error[").partition("]: ")
        return name, message, lines[1].removeprefix("hint: ")


@pytest.fixture
def folder(tmp_path: Path, codegen: Run) -> Folder:
    made = Folder(tmp_path, codegen)
    (tmp_path / "net.py").write_text(NET)
    return made


def test_an_unknown_site_gets_the_nearest_names(folder: Folder) -> None:
    name, message, hint = folder.refuses(site="--after=stme")
    assert name == "unknown-site" and "stme" in message and "stem" in hint


@pytest.mark.slow
def test_a_site_that_is_never_called(folder: Folder) -> None:
    name, message, _ = folder.refuses(site="--after=spare")
    assert name == "site-never-called" and "spare" in message


@pytest.mark.parametrize("words", [["--class=Nett"], pytest.param(["--class=Net\n"], marks=pytest.mark.slow)])
def test_a_host_that_is_not_there(folder: Folder, words: list[str]) -> None:
    name, _, hint = folder.refuses(*words)
    assert name == "host-not-found" and "Net" in hint


@pytest.mark.slow
def test_a_model_whose_class_is_torchs(folder: Folder) -> None:
    """Made by no function, at whose end a module could be put into the list."""
    (folder.path / "net.py").write_text("from torch import nn\n\nnet = nn.Sequential(nn.Conv2d(3, 8, 1))\n")
    name, message, _ = folder.refuses("--build=net", site="--after=0")
    assert name == "host-not-found" and "torch's own" in message and "0" in message


def test_a_syntax_error_costs_no_time(folder: Folder) -> None:
    (folder.path / "net.py").write_text(NET + "def f(:\n")
    start = time.monotonic()
    name, message, _ = folder.refuses()
    assert name == "syntax-error" and f"net.py:{len(NET.splitlines()) + 1}:" in message
    assert time.monotonic() - start < 4


@pytest.mark.parametrize(
    ("place", "code", "said"),
    [
        (TOP, "import no_such_package_at_all", "no_such_package_at_all"),
        pytest.param(TOP, "raise ValueError('at import')", "at import", marks=pytest.mark.slow),
        (BUILDING, "raise ValueError('while\\nbuilding')", "building"),
        (INSIDE, "raise ValueError('while running')", "while running"),
        pytest.param(INSIDE, "self.stem(torch.zeros(1, 5, 3, 3))", "5", marks=pytest.mark.slow),
        pytest.param(INSIDE, "raise KeyboardInterrupt", "", marks=pytest.mark.slow),
        pytest.param(TOP, "raise BaseException('base')", "base", marks=pytest.mark.slow),
        pytest.param(INSIDE, "(lambda f: f(f))(lambda f: f(f))", "recursion", marks=pytest.mark.slow),
    ],
)
def test_a_model_that_cannot_be_imported_built_or_run(
    folder: Folder, place: tuple[str, str], code: str, said: str
) -> None:
    folder.write(place, code)
    _, message, hint = folder.refuses()
    assert said in message and hint


@pytest.mark.slow
def test_verbose_shows_the_models_own_traceback(folder: Folder) -> None:
    folder.write(INSIDE, "raise ValueError('while running')")
    done = folder.insert("--verbose")
    assert done.returncode == 2 and b"Traceback" in done.stderr and b"net.py" in done.stderr


@pytest.mark.parametrize(
    ("place", "code"),
    [
        (INSIDE, "\n        while True: pass"),
        pytest.param(TOP, "import time; time.sleep(600)", marks=pytest.mark.slow),
        pytest.param(TOP, IGNORING, marks=pytest.mark.slow),
    ],
)
def test_a_model_that_never_ends(folder: Folder, place: tuple[str, str], code: str) -> None:
    folder.write(place, code)
    start = time.monotonic()
    name, message, hint = folder.refuses("--timeout=8")
    assert name == "model-timeout" and "8 s" in message and "--timeout" in hint
    assert time.monotonic() - start < 20


@pytest.mark.parametrize(
    ("place", "code"),
    [
        pytest.param(TOP, "import os; os._exit(0)", marks=pytest.mark.slow),
        (INSIDE, "import sys; sys.exit(0)"),
        pytest.param(TOP, "import sys; sys.exit(3)", marks=pytest.mark.slow),
        pytest.param(INSIDE, "import os; os._exit(7)", marks=pytest.mark.slow),
        pytest.param(TOP, "import os; os.kill(os.getpid(), 11)", marks=pytest.mark.slow),
        pytest.param(TOP, "import os; os.closerange(3, 100)", marks=pytest.mark.slow),
        pytest.param(BUILDING, "quit()", marks=pytest.mark.slow),
    ],
)
def test_a_model_that_exits(folder: Folder, place: tuple[str, str], code: str) -> None:
    folder.write(place, code)
    name, message, hint = folder.refuses()
    assert name and message and hint


FIELDS = ["output", "host", "site", "attribute", "class_name", "build", "input", "width", "layout", "call_sites"]
FIELDS += ["new_parameters", "drift", "checks", "seconds"]
GARBAGE = """
import os, sys
print('{"error": 1}'); print('x' * 100_000); sys.stdout.buffer.write(bytes(range(256)))
sys.stderr.write('noise\\x1b[31m')
for number in range(3, 64):
    try: os.write(number, b'{"value": 3}\\n\\xff\\n')
    except OSError: pass
"""


@pytest.mark.slow
def test_garbage_on_stdout_reaches_nobody(folder: Folder) -> None:
    folder.write(TOP, GARBAGE)
    done = folder.insert("--json")
    assert done.returncode == 0, done.stdout
    report = json.loads(done.stdout)
    assert set(FIELDS) <= set(report)
    assert done.stderr == b""


def test_a_model_that_takes_too_much_memory(folder: Folder) -> None:
    folder.write(TOP, "hog = torch.zeros(8 << 30, dtype=torch.uint8) + 1")
    start = time.monotonic()
    folder.refuses("--memory=2G")
    assert time.monotonic() - start < 60


@pytest.mark.parametrize(
    "module", [pytest.param(f"mine.py:{name}", marks=pytest.mark.slow) for name in ("Narrow", "Fold", "Raising")]
)
def test_a_module_that_does_not_fit(folder: Folder, module: str) -> None:
    name, message, hint = folder.refuses(module=module)
    assert name == "module-does-not-fit" and message and hint


@pytest.mark.slow
@pytest.mark.parametrize("module", ["torch.nn:BatchNorm1d", "torch.nn:Linear"])
def test_a_known_module_that_does_not_fit(folder: Folder, module: str) -> None:
    done = folder.insert(module=module)
    assert done.returncode in (2, 3) and done.stderr.startswith(b"error[") and len(done.stderr.splitlines()) == 2, (
        done.stderr
    )


def test_an_output_that_exists_is_refused_before_anything_runs(folder: Folder) -> None:
    (folder.path / "out.py").write_text("mine\n")
    start = time.monotonic()
    name, _, hint = folder.refuses("-o", "out.py")
    assert name == "output-exists" and "--force" in hint and time.monotonic() - start < 3


def test_the_source_itself_is_no_output(folder: Folder) -> None:
    assert folder.refuses("-o", "net.py")[0] == "output-is-source"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_folder(folder: Folder) -> None:
    folder.path.chmod(0o555)
    try:
        assert folder.refuses()[0] == "read-only"
    finally:
        folder.path.chmod(0o755)


@pytest.mark.parametrize("output", [pytest.param(path, marks=pytest.mark.slow) for path in ("/proc/none/x.py", "mine.py/x.py")])
def test_a_folder_that_cannot_be_made(folder: Folder, output: str) -> None:
    assert folder.refuses("-o", output)[0] == "read-only"


@pytest.mark.parametrize("whom", ["group", "parent"])
@pytest.mark.parametrize("moment", ["the child starts", "the model runs"])
def test_ctrl_c_leaves_nothing_behind(folder: Folder, whom: str, moment: str) -> None:
    folder.write(TOP, "import os, time\nopen('pid', 'w').write(str(os.getpid()))\ntime.sleep(60)")
    words = command("insert", "net.py", "--module", "se", "--after", "stem")
    process = subprocess.Popen(
        # a shell's background jobs ignore Ctrl-C, and hand that on: this command shall listen
        ["env", "--default-signal=INT", *words],
        cwd=folder.path,
        env=environment(),
        start_new_session=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    pid = folder.path / "pid"
    reached = {"the child starts": lambda: children_of(process.pid), "the model runs": pid.exists}
    deadline = time.monotonic() + 60
    while not reached[moment]() and time.monotonic() < deadline:
        time.sleep(0.01)
    children = children_of(process.pid)
    (os.killpg if whom == "group" else os.kill)(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=20)
    assert process.returncode == 130, err.decode()
    assert b"Traceback" not in err and out == b""
    assert [line.split(b":")[0] for line in err.splitlines()] == [b"error[interrupted]", b"hint"]
    children += [int(pid.read_text())] if pid.exists() and pid.read_text() else []
    assert not [child for child in children if is_alive(child)]
    assert set(folder.files()) <= {"net.py", "mine.py", "pid"}


TOKENS_OF_ANY_SIZE = """from torch import nn


class Net(nn.Module):
    def __init__(self, dim=32):
        super().__init__()
        self.stem = nn.Conv2d(3, dim, 16, 16)
        self.norm = nn.LayerNorm(dim)

    def forward(self, x):
        return self.norm(self.stem(x).flatten(2).transpose(1, 2)).mean(1)
"""


@pytest.mark.slow
def test_a_grid_that_no_name_says_is_the_hint_where_it_holds_for_one_size_only(codegen: Run, tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text(TOKENS_OF_ANY_SIZE)
    done = codegen("insert", "net.py", "--input", "1x3x64x64", "--module", "cbam", "--after", "norm", cwd=tmp_path)
    assert done.returncode == 3 and b"error[contract-failed]: shape" in done.stderr
    assert b"no name in the code says the grid of the tokens at other input sizes ((4, 4) here)" in done.stderr
