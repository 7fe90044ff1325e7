"""The parent's side of the child process that runs the model's code: start it, ask it, stop it. Never imports torch."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import os
import secrets
import select
import selectors
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from codegen import traced
from codegen.errors import CodegenError
from codegen.limits import Limits

KNOWN = 64  # answers that a child keeps: a trace is large
LOOK = 1.0  # second between looks at a process that says nothing
FLOOD = 256 << 20  # bytes of a log: nobody reads more
ENDING = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}


class Child:
    """A process that imports torch at once and then answers requests, one JSON line each.

    What the model's code prints goes to a log, shown with `--verbose`; only lines that carry the run's secret count.
    """

    def __init__(self, limits: Limits, popen: Callable[..., Any] = subprocess.Popen) -> None:
        """popen: what starts the process, as `subprocess.Popen` does."""
        self.limits = limits
        self.deadline = time.monotonic() + limits.seconds
        self.asked = 0  # so many requests: an answer carries the number of its own
        self.known: dict[str, Any] = {}  # answers of `ask_once`
        self.secret = secrets.token_hex(16)
        self.log = tempfile.TemporaryFile()  # noqa: SIM115 - closed by stop()
        # for the child's temporary files: it may be killed
        self.folder = tempfile.TemporaryDirectory(prefix="codegen-", ignore_cleanup_errors=True)
        read, write = os.pipe()
        self.run = f"CODEGEN_RUN={secrets.token_hex(8)}"  # in the environment of all that it starts
        environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "TMPDIR": self.folder.name}
        environment |= dict([self.run.split("=")])
        # the kernel ends it with the thread that started it: the main thread lives as long as the command
        environment["CODEGEN_TIED"] = "1" if threading.current_thread() is threading.main_thread() else ""
        environment["PYTHONPATH"] = _python_path(Path(__file__).resolve().parent.parent, os.environ.get("PYTHONPATH", ""))
        self.answers = os.fdopen(read, "rb", buffering=0)
        # a Ctrl-C in the middle of the start waits until the process is known, then ends it
        before = signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)
        try:
            self.process = popen(
                [sys.executable, "-P", "-m", "codegen.worker", str(write), str(_memory(limits))],
                stdin=subprocess.PIPE,
                stdout=self.log,
                stderr=self.log,
                pass_fds=(write,),
                start_new_session=True,
                env=environment,
            )
            os.close(write)
            self._send(self.secret.encode())  # not in the environment, which /proc shows for ever
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        except BaseException:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
            self.stop()
            raise

    def ask(self, verb: str, request: dict[str, Any]) -> Any:
        """The answer to one request. Raises what the child reports, or ("model-timeout", "model-exited") of its own."""
        self.asked += 1
        self._send(json.dumps({"verb": verb, "request": request, "number": self.asked}).encode())
        answer = self._read()
        if "error" in answer:
            error = answer["error"]
            raise CodegenError(
                error["name"], error["message"], error["hint"], error["exit_code"], error["details"] or self.output()
            )
        return answer["value"]

    def _send(self, line: bytes) -> None:
        assert self.process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.write(line + b"\n")
            self.process.stdin.flush()

    def ask_once(self, verb: str, request: dict[str, Any], read: Callable[[Any], Any]) -> Any:
        """What `read` makes of the answer to a request whose answer stays the same: asked again it is the one of before."""
        key = hashlib.sha256(json.dumps([verb, request]).encode()).hexdigest()
        if key not in self.known:
            while len(self.known) >= KNOWN:
                del self.known[next(iter(self.known))]
            self.known[key] = read(self.ask(verb, request))
        return self.known[key]

    def _read(self) -> dict[str, Any]:
        buffer = b""
        with selectors.DefaultSelector() as selector:
            selector.register(self.answers, selectors.EVENT_READ)
            while True:
                left = self.deadline - time.monotonic()
                said = selector.select(max(0.0, min(left, LOOK)))
                if not said and left > LOOK:
                    self._look()
                    continue
                if not said:
                    raise self._late()
                chunk = os.read(self.answers.fileno(), 1 << 20)
                if not chunk:
                    raise self._exited()
                buffer += chunk
                if len(buffer) > FLOOD:
                    raise self._flooded()
                while b"\n" in buffer:
                    line, _, buffer = buffer.partition(b"\n")
                    answer = _parsed(line)
                    if answer.get("secret") == self.secret and answer.get("number") == self.asked:
                        return answer

    def _look(self) -> None:
        """Between answers: raise CodegenError where none will come, though some other process holds the pipe, or in a flood."""
        if self.process.poll() is not None and not select.select([self.answers], [], [], 0)[0]:
            raise self._exited()
        if os.fstat(self.log.fileno()).st_size > FLOOD:
            raise self._flooded()

    def _flooded(self) -> CodegenError:
        what = f"the model's code printed more than {FLOOD >> 20} MB"
        return CodegenError("model-floods", what, "let it print less; --verbose shows the last of it", details=self.output())

    def _late(self) -> CodegenError:
        return CodegenError(
            "model-timeout",
            f"the model's code ran for more than {self.limits.seconds:g} s",
            "give it longer with --timeout SECONDS, or a smaller model with --build",
            details=self.output(),
        )

    def _exited(self) -> CodegenError:
        try:
            code = self.process.wait(max(0.0, self.deadline - time.monotonic()))
        except subprocess.TimeoutExpired:  # it only closed the pipe
            return self._late()
        how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"exited with status {code}"
        last = [line for line in self.output().splitlines() if line.strip()][-1:]
        return CodegenError(
            "model-exited",
            f"the process that runs the model's code {how}" + (f": {last[0][:200]}" if last else ""),
            "look for exit calls or too much memory in the model's file; --memory raises the limit, --verbose shows its output",
            details=self.output(),
        )

    def output(self) -> str:
        """The last of what the model's code printed."""
        self.log.seek(0, os.SEEK_END)
        self.log.seek(max(0, self.log.tell() - 20_000))
        return self.log.read().decode(errors="replace")

    def stop(self) -> None:
        """End the process and all that it started, in its own group or not."""
        if process := getattr(self, "process", None):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            with contextlib.suppress(OSError):
                process.stdin.close()
            _kill_marked(self.run.encode())
        self.answers.close()
        self.log.close()
        self.folder.cleanup()

    def __enter__(self) -> Child:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


Start = Callable[[Limits], contextlib.AbstractContextManager[Child]]  # a child for one run: Child itself, or a warm one


def _kill_marked(mark: bytes) -> None:
    """Kill every process whose environment carries a mark: what left its session, too. Where there is a /proc."""
    for _ in range(5):  # one may start another meanwhile
        found = False
        for path in Path("/proc").glob("[0-9]*/environ"):
            with contextlib.suppress(OSError):
                if mark in path.read_bytes().split(b"\0"):
                    os.kill(int(path.parent.name), signal.SIGKILL)
                    found = True
        if not found:
            return
        time.sleep(0.01)


def _parsed(line: bytes) -> dict[str, Any]:
    try:
        value = json.loads(line)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _python_path(package_parent: Path, given: str) -> str:
    """Codegen's own folder, then the user's; the other way round where it is that of all installed packages."""
    installed = package_parent.name in ("site-packages", "dist-packages")
    return os.pathsep.join(filter(None, [given, str(package_parent)] if installed else [str(package_parent), given]))


def _memory(limits: Limits) -> int:
    if limits.memory:
        return limits.memory
    return int(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") * 0.75)


def _width(value: dict[str, Any] | None) -> traced.Width | None:
    return traced.Width(**value) if value else None


def _layout(value: dict[str, Any]) -> traced.Layout:
    return traced.Layout(**{**value, "grid": tuple(value["grid"]) if value["grid"] else None})


def _chosen(value: dict[str, Any] | None) -> traced.Chosen | None:
    if value is None:
        return None
    widths = {side: _width(value[side]) for side in ("width_after", "width_before")}
    return traced.Chosen(**{**value, **widths, "names": tuple(value["names"])})


def trace_from_json(data: dict[str, Any]) -> traced.Trace:
    """The Trace that a child sent."""
    modules = tuple(
        traced.TracedModule(
            **{
                **m,
                "input_shape": tuple(m["input_shape"]),
                "output_shape": tuple(m["output_shape"]),
                "mixed": tuple(m["mixed"]),
                "after": _layout(m["after"]),
                "before": _layout(m["before"]),
                "width_after": _width(m["width_after"]),
                "width_before": _width(m["width_before"]),
            }
        )
        for m in data["modules"]
    )
    calls = tuple(
        traced.Call(
            **{
                **c,
                "span": traced.Span(**c["span"]),
                "names": tuple(map(tuple, c["names"])),
                "misfits": tuple(c["misfits"]),
            }
        )
        for c in data["calls"]
    )
    hosts = tuple(traced.HostClass(**{**h, "instances": tuple(h["instances"])}) for h in data["hosts"])
    known = {f.name for f in dataclasses.fields(traced.Trace)}
    rest = {k: v for k, v in data.items() if k in known}
    lists = {
        "hosts": hosts,
        "modules": modules,
        "calls": calls,
        "paths": tuple(data["paths"]),
        "restless": tuple(data["restless"]),
        "early": tuple(data["early"]),
        "chosen": _chosen(data["chosen"]),
        "behind": tuple(_chosen(each) for each in data["behind"]),
        "taps": tuple(data["taps"]),
        "hooked": data["hooked"],
    }
    return traced.Trace(**{**rest, **lists})
