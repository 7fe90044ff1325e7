"""Named faults: what a user, a file, a model or a disk can do wrong, what must come out of it, and what must stay as it was.

A fault runs through the command line in this process: a process for each would take a second. What only a process shows is
in `processes`, what a model's code does to the process that runs it in `children`.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import stat
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from codegen import ending, running, variants
from codegen.child import Child
from codegen.errors import CodegenError
from codegen.limits import Limits

MARK = "open('MARKER', 'w').close()\n"  # runs where the file is executed
HEAD = "import torch\nfrom torch import nn\n"
NET = f"""{HEAD}

class Net(nn.Module):
    def __init__(self, in_chans=3, dim=8):
        super().__init__()
        self.stem = nn.Conv2d(in_chans, dim, 3, padding=1)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.head = nn.Linear(dim, 10)

    def forward(self, x):
        x = self.stem(x)
        return self.head(self.pool(x).flatten(1))
"""
STATIC = ("insert", "net.py", "--static", "--module=se", "--after=stem")
RUN = ("insert", "net.py", "--module=se", "--after=stem")
LONGEST = 60.0  # seconds that a run may take
ERROR = re.compile(r"error\[([a-z-]+)\]: ")

Files = dict[str, "str | bytes"]
Prepare = Callable[[Path], object]


@dataclass(frozen=True)
class Fault:
    """One thing that goes wrong, and what must come out: exit code, the error's name, words of its two lines.

    files: what stands in the folder where codegen runs, beside a sound net.py; prepare: what else is done there first.
    makes: the files that may be there afterwards; where there are none, nothing may change. runs: the model is run.
    after: what else must hold in the folder, given what was printed.
    """

    name: str
    words: tuple[str, ...] = STATIC
    error: str = ""  # "" where it must work
    says: tuple[str, ...] = ()
    files: Files = field(default_factory=dict)
    prepare: Prepare | None = None
    code: int = 2
    makes: tuple[str, ...] = ()
    runs: bool = False
    after: Callable[[Path, str], object] | None = None


@dataclass(frozen=True)
class Outcome:
    """What a run of codegen gave. raised: the exception that would have been a traceback."""

    code: int
    out: str
    err: str
    raised: str
    seconds: float
    events: tuple[str, ...]  # what audit hooks saw


_EVENTS: list[str] | None = None  # while a fault runs


def _hear(event: str, given: tuple[Any, ...]) -> None:
    """An audit hook stays for ever: it notes what executes files of the fault's folder, and what starts a process."""
    if _EVENTS is None:
        return
    if event == "exec" and getattr(given[0], "co_filename", "").startswith(os.getcwd()):
        _EVENTS.append(f"exec {given[0].co_filename}")
    elif event in ("subprocess.Popen", "os.system", "os.fork", "os.exec", "os.posix_spawn", "socket.connect"):
        _EVENTS.append(event)


sys.addaudithook(_hear)


@contextlib.contextmanager
def _inside(folder: Path, argv: list[str], temporary: Path) -> Iterator[None]:
    before = os.getcwd(), sys.argv, tempfile.tempdir
    os.chdir(folder)
    sys.argv, tempfile.tempdir = argv, str(temporary)
    try:
        yield
    finally:
        os.chdir(before[0])
        sys.argv, tempfile.tempdir = before[1:]


def run(words: tuple[str, ...], folder: Path, temporary: Path | None = None) -> Outcome:
    """`codegen WORDS` in a folder, in this process."""
    global _EVENTS  # noqa: PLW0603 - an audit hook has no other way
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True) for _ in range(2))
    code, raised, start, events = 0, "", time.monotonic(), list[str]()
    inside = _inside(folder, ["codegen", *words], temporary or Path(tempfile.gettempdir()))
    with inside, contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        _EVENTS = events
        try:
            ending.main()
        except SystemExit as leaving:
            code = leaving.code if isinstance(leaving.code, int) else int(leaving.code is not None)
        except BaseException as error:  # a user would see a traceback
            code, raised = 1, f"{type(error).__name__}: {error}"[:300]
        finally:
            _EVENTS = None
    texts = [stream.buffer.getvalue().decode(errors="backslashreplace") for stream in (out, err)]  # type: ignore[attr-defined]
    return Outcome(code, *texts, raised, time.monotonic() - start, tuple(events))


def state(folder: Path) -> dict[str, tuple[object, ...]]:
    """Everything below a folder: kind, mode, and the bytes of files or the target of links."""
    found: dict[str, tuple[object, ...]] = {}
    for path in sorted(folder.rglob("*")):
        about = path.lstat()
        kind = stat.S_IFMT(about.st_mode)
        content: object = ""
        if stat.S_ISREG(about.st_mode):
            content = path.read_bytes() if about.st_size < 1 << 24 else (about.st_size, about.st_mtime_ns)
        elif stat.S_ISLNK(about.st_mode):
            content = os.readlink(path)
        found[str(path.relative_to(folder))] = kind, stat.S_IMODE(about.st_mode), content
    return found


def prepared(fault: Fault, folder: Path) -> None:
    """The folder as the fault wants it."""
    for name, content in {"net.py": NET, **fault.files}.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    if fault.prepare:
        fault.prepare(folder)


def problems(fault: Fault, folder: Path, temporary: Path) -> list[str]:
    """Run a fault in an empty folder: what of the promises does not hold; nothing where all do."""
    prepared(fault, folder)
    before = state(folder)
    outcome = run(fault.words, folder, temporary)
    found = list(_told(fault, outcome))
    changed = {name for name, value in (state(folder).items() ^ before.items())} - {*fault.makes}
    changed -= {parent for name in fault.makes for parent in map(str, Path(name).parents)}
    found += [f"changed or left: {sorted(changed)}"] if changed else []
    found += [f"not made: {name!r}" for name in fault.makes if not (folder / name).exists()]
    found += [f"left in the temporary folder: {left}"] if (left := os.listdir(temporary)) else []
    if fault.after:
        try:
            fault.after(folder, outcome.out + outcome.err)
        except AssertionError as error:
            found.append(f"afterwards: {error}")
    return found


def _told(fault: Fault, outcome: Outcome) -> Iterator[str]:
    """What is wrong with the exit code, what was printed, what was executed."""
    if outcome.raised or "Traceback" in outcome.out + outcome.err:
        yield f"traceback: {outcome.raised or outcome.err[-300:]}"
        return
    wanted = fault.code if fault.error else 0
    if outcome.code != wanted:
        yield f"exit code {outcome.code}, not {wanted}: {outcome.err[-300:]}"
    if strange := {c for c in outcome.out + outcome.err if not c.isprintable() and c not in "\n\t"}:
        yield f"printed control characters: {strange}"
    if fault.error:
        yield from _error(fault, outcome)
    if not fault.runs and outcome.events:
        yield f"executed: {outcome.events[:3]}"
    if outcome.seconds > LONGEST:
        yield f"took {outcome.seconds:.0f} s"


def _error(fault: Fault, outcome: Outcome) -> Iterator[str]:
    if "--json" in fault.words:
        said = json.loads(outcome.out).get("error", {})
        lines = [f"error[{said.get('name')}]: {said.get('message')}", f"hint: {said.get('hint')}"]
    else:
        lines = outcome.err.splitlines()
        if outcome.out:
            yield f"printed on stdout: {outcome.out[:100]!r}"
    name = ERROR.match(lines[0]) if lines else None
    if len(lines) != 2 or name is None or not lines[1].startswith("hint: ") or len(lines[1]) < 10:
        yield f"not one error line and one hint: {outcome.err[:300]!r}"
        return
    if name[1] not in fault.error.split("|"):
        yield f"error {name[1]}, not {fault.error}: {lines[0][:300]}"
    if max(map(len, lines)) > 1200:
        yield f"a line of {max(map(len, lines))} characters"
    yield from (f"does not say {word!r}: {lines}" for word in fault.says if word not in "\n".join(lines))


class Shared:
    """One child process for all faults that run a model, until one of them takes it along."""

    def __init__(self) -> None:
        self.child: Child | None = None
        self.lock = threading.Lock()

    @contextlib.contextmanager
    def start(self, limits: Limits) -> Iterator[Child]:
        """The child for one run."""
        if self.child is None or self.child.process.poll() is not None:
            self.stop()
            before, tempfile.tempdir = tempfile.tempdir, None  # it outlives the fault's folder
            self.child = Child(limits)
            tempfile.tempdir = before
        self.child.limits, self.child.known = limits, {}
        self.child.deadline = time.monotonic() + limits.seconds
        try:
            yield self.child
        except CodegenError as error:
            if error.name in ("model-timeout", "model-exited", "model-memory", "model-floods"):
                self.stop()
            raise

    def stop(self) -> None:
        """End it."""
        child, self.child = self.child, None
        if child:
            child.stop()

    @contextlib.contextmanager
    def used(self) -> Iterator[None]:
        """While active, commands that make a variant run their model in it."""
        whole = running.variants.run

        def shared(requests: Any) -> Any:
            return whole(requests, self.start)

        class Here:
            run = staticmethod(shared)

        running.variants = Here  # type: ignore[assignment]
        try:
            yield
        finally:
            running.variants = variants
            self.stop()
