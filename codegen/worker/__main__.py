"""`python -m codegen.worker FD MEMORY`: answer the parent's requests, one JSON line each, until its input ends."""

from __future__ import annotations

import contextlib
import ctypes
import dataclasses
import gc
import json
import os
import resource
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

from codegen.errors import BUG, CodegenError

PR_SET_PDEATHSIG = 1  # linux/prctl.h
LOCAL = (None, "", "localhost", "127.0.0.1", "::1")


def main() -> None:
    """Read requests from stdin and write answers to the file descriptor FD; stdout belongs to the model's code."""
    answers = os.fdopen(int(sys.argv[1]), "wb")
    os.set_inheritable(answers.fileno(), False)
    requests = os.fdopen(os.dup(0), "rb")
    secret = requests.readline().strip().decode()
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    sys.argv = ["model"]
    _guard()
    resource.setrlimit(resource.RLIMIT_DATA, (int(sys.orig_argv[-1]), resource.RLIM_INFINITY))
    try:
        _serve(requests, answers, secret)
    except BaseException:
        traceback.print_exc()
        sys.stderr.flush()
    finally:
        os._exit(1)  # no waiting for the threads and hooks of the model's code


def _guard() -> None:
    """Signals work as ever, the process ends with its parent, and nothing of the model's code reaches a network.

    A guard, and no wall: code that means harm can go round an audit hook, with ctypes or another process.
    """
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT, signal.SIGTERM, signal.SIGHUP})
    parent = os.getppid()
    if os.environ.pop("CODEGEN_TIED", "") and sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it ended before that
            os._exit(0)
    sys.addaudithook(_refuse_network)


def _refuse_network(event: str, given: tuple[Any, ...]) -> None:
    address = given[-1] if event in ("socket.connect", "socket.sendto", "socket.sendmsg") else None
    host = address[0] if isinstance(address, tuple) else given[0] if event == "socket.getaddrinfo" else None
    if host not in LOCAL:
        raise PermissionError(f"codegen runs a model without the network: {host} is not asked")


def _serve(requests: BinaryIO, answers: BinaryIO, secret: str) -> None:
    from codegen.worker import service  # imports torch: before the first request comes

    sys.path.insert(0, "")  # as for any script; only now, so that a codegen/ or a torch.py here is not taken for the package
    own = os.getpid()
    gc.freeze()  # what torch made stays anyway: looking through it again and again is a tenth of the time
    gc.set_threshold(20_000, 10, 10)

    for line in requests:
        message = json.loads(line)
        with service.kept():
            answer = _answer(service.VERBS[message["verb"]], message["request"])
        if os.getpid() != own:  # the model's code forked, and this is the copy
            os._exit(0)
        answer["number"] = message["number"]
        # a line end first: the model's code may have left half a line there
        answers.write(b"\n" + json.dumps({**answer, "secret": secret}).encode() + b"\n")
        answers.flush()
    os._exit(0)  # no teardown of torch: a fifth of the time


def _answer(verb: Callable[[dict[str, Any]], Any], request: dict[str, Any]) -> dict[str, Any]:
    try:
        return {"value": verb(request)}
    except CodegenError as error:
        return {"error": dataclasses.asdict(error)}
    except MemoryError:
        details = traceback.format_exc()
        return _error(
            "model-memory", "the model's code needs more memory than --memory allows", "raise --memory", details
        )
    except (Exception, SystemExit) as error:  # the model's own code: anything can come out of it
        details = traceback.format_exc()
        last = traceback.extract_tb(error.__traceback__)[-1].filename
        own = Path(last).is_relative_to(Path(__file__).parent)
        reason = f"{type(error).__name__}: {' '.join(_text(error).split())[:300]}"
        if own and not isinstance(error, SystemExit):
            return _error(
                "internal-error", reason, "this is a bug of codegen: please report it with the command", details, BUG
            )
        hint = "does the file import by itself? --verbose shows the traceback"
        return _error("source-fails", f"running the source's code failed: {reason}", hint, details)


def _text(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:  # it is the model's own class
        return "an exception that cannot be printed"


def _error(name: str, message: str, hint: str, details: str, exit_code: int = 2) -> dict[str, Any]:
    return {"error": {"name": name, "message": message, "hint": hint, "exit_code": exit_code, "details": details}}


if __name__ == "__main__":
    main()
