"""`python -m codegen.worker FD MEMORY`: answer the parent's requests, one JSON line each, until its input ends."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import json
import os
import resource
import select
import signal
import sys
import threading
import time
import traceback
from typing import Any, BinaryIO

from codegen.worker import answering

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
    threading.Thread(target=_outlive, args=(requests.fileno(), os.getppid()), daemon=True).start()
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


def _outlive(requests: int, parent: int) -> None:
    """End with the parent, also in the middle of a model that hangs: nobody waits for its answer any more."""
    poll = select.poll()
    poll.register(requests, 0)  # wakes when the other end of the pipe is closed
    poll.poll()
    while os.getppid() == parent:  # it has only closed the pipe
        time.sleep(0.5)
    os._exit(1)


def _serve(requests: BinaryIO, answers: BinaryIO, secret: str) -> None:
    from codegen.worker import service  # imports torch: before the first request comes

    sys.path.insert(0, "")  # as for any script; only now, so that a codegen/ or a torch.py here is not taken for the package
    own = os.getpid()
    gc.freeze()  # what torch made stays anyway: looking through it again and again is a tenth of the time
    gc.set_threshold(20_000, 10, 10)

    for line in requests:
        message = json.loads(line)
        with service.kept():
            answer = answering.answer(service.VERBS[message["verb"]], message["request"])
        if os.getpid() != own:  # the model's code forked, and this is the copy
            os._exit(0)
        answer["number"] = message["number"]
        # a line end first: the model's code may have left half a line there
        answers.write(b"\n" + json.dumps({**answer, "secret": secret}).encode() + b"\n")
        answers.flush()
    os._exit(0)  # no teardown of torch: a fifth of the time


if __name__ == "__main__":
    main()
