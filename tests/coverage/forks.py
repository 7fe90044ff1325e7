"""Processes that start as forks of one which has imported torch, the library and codegen: hundreds of models share that time.

    python tests/coverage/forks.py timm    # JSON lines: a job of cells.py each; its rows, then {"ended": STATUS}

A fork serves one model, and starts the child of codegen and the oracle as forks too: nothing of a model is left for the next.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import gc
import importlib
import json
import os
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable
from typing import Any, BinaryIO, NoReturn

import cells
import judge

from codegen.child import Child
from codegen.worker import __main__ as worker
from codegen.worker import service, surroundings

NEEDED = ("black", "jinja2", "libcst", "libcst.matchers", "libcst.metadata", "torch._dynamo")  # by some, later
PR_SET_PDEATHSIG = 1  # linux/prctl.h


class Fork:
    """A copy of this process that runs a function. Looks like a subprocess.Popen with a pipe to its stdin."""

    def __init__(self, main: Callable[[], None], stdout: int, stderr: int, passed: tuple[int, ...] = ()) -> None:
        read, write = os.pipe()
        begun, begin = os.pipe()
        sys.stdout.flush()
        self.pid = os.fork()
        if not self.pid:
            _run(main, (read, stdout, stderr), (*passed, begin), begin)
        os.close(read)
        os.close(begin)
        os.read(begun, 1)  # it has a session of its own by now, so that it can be killed
        os.close(begun)
        self.stdin: BinaryIO = os.fdopen(write, "wb")
        self.returncode: int | None = None

    def poll(self) -> int | None:
        if self.returncode is None and os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT):
            self.wait()
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        end = time.monotonic() + (timeout or 0.0)
        while timeout is not None and self.returncode is None and self.poll() is None:
            if time.monotonic() > end:
                raise subprocess.TimeoutExpired("a fork", timeout)
            time.sleep(0.01)
        if self.returncode is None:
            self.returncode = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        return self.returncode

    def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)


def _run(main: Callable[[], None], streams: tuple[int, int, int], passed: tuple[int, ...], begin: int) -> NoReturn:
    try:
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        os.setsid()
        signal.alarm(0)
        for number, stream in enumerate(streams):
            os.dup2(stream, number)
        first = 3
        for number in sorted(passed):  # all others are closed: who waits for the end of a pipe must see it
            os.closerange(first, number)
            first = number + 1
        os.closerange(first, os.sysconf("SC_OPEN_MAX"))
        os.write(begin, b".")
        os.close(begin)
        surroundings.STREAMS[:] = [os.dup(number) for number in range(3)]
        sys.stdin, sys.stdout, sys.stderr = (os.fdopen(number, "r" if not number else "w", buffering=1) for number in range(3))
        main()
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(0)


def worker_of(command: list[str], *, stdout: Any, stderr: Any, pass_fds: tuple[int, ...], env: Any, **_: Any) -> Fork:
    """What `subprocess.Popen` makes of the command of a child of codegen."""

    def main() -> None:
        sys.argv = sys.orig_argv = command[3:]
        os.environ.clear()
        os.environ.update(env)
        worker.main()

    return Fork(main, stdout.fileno(), stderr.fileno(), pass_fds)


def oracle_of(log: Any) -> tuple[Fork, Any]:
    """The oracle's process for one model, and the stream of its answers."""
    read, write = os.pipe()
    fork = Fork(judge.main, write, log.fileno())
    os.close(write)
    return fork, os.fdopen(read, "rb")


def serve(job: cells.Json, answers: BinaryIO) -> None:
    """One model."""
    cells.CHILD, cells.ORACLE = functools.partial(Child, popen=worker_of), oracle_of
    for row in cells.rows(job):
        answers.write(json.dumps(row).encode() + b"\n")
        answers.flush()


def main() -> None:
    library = sys.argv[1]
    for name in (*NEEDED, library, f"{library}.models"):
        importlib.import_module(name)
    service.contract.found()
    answers, requests = os.fdopen(os.dup(1), "wb"), os.fdopen(os.dup(0), "rb")
    os.dup2(2, 1)
    gc.collect()
    gc.freeze()
    for line in iter(requests.readline, b""):
        process = os.fork()
        if not process:
            try:
                ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
                serve(json.loads(line), answers)
                os._exit(0)
            except BaseException:
                traceback.print_exc()
            finally:
                os._exit(1)
        status = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
        answers.write(json.dumps({"ended": status}).encode() + b"\n")
        answers.flush()


if __name__ == "__main__":
    main()
