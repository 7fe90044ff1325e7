"""A disk that fails, and a process that is killed: every call of the writing path with every error, SIGKILL at any moment.

Processes are forked, not started: a kill costs milliseconds, and lands where it is meant to.
"""

from __future__ import annotations

import errno
import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from codegen import writing
from faults import NET, STATIC, run

ERRORS = (errno.ENOSPC, errno.EACCES, errno.EIO, errno.EROFS)
CALLS = ("open", "write", "fsync", "chmod", "link", "replace", "unlink", "close", "mkdir")
PLACES = ("new", "forced", "in place")
PIECE = 256  # bytes that a write takes where the disk is to be full in the middle


@dataclass(frozen=True)
class Kills:
    """moments: of a kill; inside: of them those while a file was half written; torn: outputs that were neither old nor new;
    left: temporary files beside them, which only a kill can leave."""

    moments: int
    inside: int
    torn: int
    left: int


@contextmanager
def failing(call: str, number: int, error: int) -> Iterator[list[int]]:
    """While active, the N-th call of os.CALL below the working folder fails. What is given: how often it was called."""
    whole: Callable[..., Any] = getattr(os, call)
    count = [0]

    def broken(*given: Any, **named: Any) -> Any:
        path = given[0] if isinstance(given[0], (str, os.PathLike)) else ""
        if call in ("open", "mkdir") and not str(path).startswith((".", os.getcwd(), "generated")):
            return whole(*given, **named)  # not of the output
        count[0] += 1
        if count[0] == number:
            raise OSError(error, os.strerror(error))
        if call == "write":
            return whole(given[0], bytes(given[1][:PIECE]))
        return whole(*given, **named)

    setattr(os, call, broken)
    try:
        yield count
    finally:
        setattr(os, call, whole)


def injected(folder: Path, call: str, number: int, error: int, place: str) -> tuple[bool, list[str]]:
    """(the call was reached, what does not hold) of one static insertion with one failing call."""
    net, out = folder / "net.py", folder / "generated" / "net_se.py"
    net.write_text(NET)
    if place == "forced":
        out.parent.mkdir(exist_ok=True)
        out.write_text("old\n")
    words = {"new": STATIC, "forced": (*STATIC, "--force"), "in place": (*STATIC, "--in-place")}[place]
    target = net if place == "in place" else out
    before = target.read_bytes() if target.exists() else None
    with failing(call, number, error) as count:
        outcome = run(words, folder)
    found = [f"traceback: {outcome.raised or outcome.err}"] if outcome.raised or "Traceback" in outcome.err else []
    after = target.read_bytes() if target.exists() else None
    whole = after is not None and b".se(" in after and after.endswith(b"flatten(1))\n")
    if not whole and after != before:
        found.append(f"torn: {after and after[-60:]!r}")
    if outcome.code not in (0, 2) or (outcome.code == 0) != whole:
        found.append(f"exit code {outcome.code}, and the file is {'whole' if whole else 'as it was'}: {outcome.err}")
    names = {path.name for path in folder.rglob("*") if path.is_file()} - {"net.py", "net_se.py"}
    if names and call != "unlink":  # what cannot be removed stays
        found.append(f"left: {names}")
    if place == "new" and outcome.code and (folder / "generated").exists() and call != "unlink":
        found.append("left: an empty folder")
    return count[0] >= number, found


def ended(work: Callable[[], object], after: float, sent: int = signal.SIGKILL) -> int:
    """Fork, let the child work, send it a signal after so many seconds; the status of its end."""
    pid = os.fork()
    if pid == 0:
        try:
            work()
        finally:
            os._exit(0)
    time.sleep(after)
    os.kill(pid, sent)
    return os.waitpid(pid, 0)[1]


def killed_inside(folder: Path, moments: int, seed: int = 0) -> Kills:
    """SIGKILL while a file of some megabytes is written again and again."""
    out, chance = folder / "out.bin", random.Random(seed)
    first, second = (bytes([letter]) * (4 << 20) for letter in b"ab")
    writing.write(out, first)
    inside = torn = left = 0

    def work() -> None:
        while True:
            writing.write(out, second)
            writing.write(out, first)

    for _ in range(moments):
        ended(work, chance.uniform(0.001, 0.02))
        torn += out.read_bytes() not in (first, second)
        half = [path for path in folder.iterdir() if path != out]
        inside += bool(half)
        left += len(half)
        for path in half:
            path.unlink()
    return Kills(moments, inside, torn, left)


def killed_anywhere(folder: Path, moments: int, seed: int = 0) -> Kills:
    """SIGKILL at any moment of a whole command, from its first to its last: `insert --static --in-place`."""
    net, chance = folder / "net.py", random.Random(seed)
    net.write_text(NET)
    start = time.monotonic()
    assert run((*STATIC, "--in-place", "--force"), folder).code == 0
    whole, seconds = net.read_bytes(), time.monotonic() - start
    inside = torn = left = 0
    for _ in range(moments):
        net.write_text(NET)
        ended(lambda: run((*STATIC, "--in-place"), folder), chance.uniform(0, 1.3 * seconds))
        torn += net.read_bytes() not in (NET.encode(), whole)
        half = [path for path in folder.iterdir() if path != net]
        inside += bool(half)
        left += len(half)
        for path in half:
            path.unlink()
    return Kills(moments, inside, torn, left)


def writers(folder: Path, count: int, *, force: bool) -> tuple[int, list[str]]:
    """(how many succeeded, what does not hold) of so many commands at once on one output, each with a module of its own."""
    (folder / "net.py").write_text(NET)
    out = folder / "out.py"
    out.unlink(missing_ok=True)
    pids = []
    for number in range(count):
        words = (*STATIC, f"--name=se{number}", "-o", "out.py", *(["--force"] if force else []))
        pid = os.fork()
        if pid == 0:
            code = 99
            try:
                outcome = run(words, folder)
                exists = "error[output-exists]" in outcome.err
                code = 0 if outcome.code == 0 else 7 if exists and outcome.code == 2 else 98
            finally:
                os._exit(code)
        pids.append(pid)
    codes = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids]
    text = out.read_text()
    whole = text.endswith("flatten(1))\n") and sum(f"self.se{n} =" in text for n in range(count)) == 1
    found = [] if whole else [f"not one whole file: {text[-80:]!r}"]
    found += [f"exit codes {sorted(set(codes))}"] if not {*codes} <= {0, 7} else []
    found += [f"left: {left}"] if (left := {p.name for p in folder.iterdir()} - {"net.py", "out.py"}) else []
    return codes.count(0), found
