"""`python -m codegen.worker FD MEMORY`: answer the parent's requests, one JSON line each, until its input ends."""

from __future__ import annotations

import gc
import json
import os
import resource
import select
import sys
import threading
import time
from typing import BinaryIO

from codegen.worker import answering

sys.path.insert(0, "")  # as for any script; behind `-P`, so that a folder `codegen` here is not taken for the package


def main() -> None:
    """Read requests from stdin and write answers to the file descriptor FD; stdout belongs to the model's code."""
    answers = os.fdopen(int(sys.argv[1]), "wb")
    os.set_inheritable(answers.fileno(), False)
    secret = os.environ.pop("CODEGEN_SECRET", "")
    requests = os.fdopen(os.dup(0), "rb")
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    sys.argv = ["model"]
    resource.setrlimit(resource.RLIMIT_DATA, (int(sys.orig_argv[-1]), resource.RLIM_INFINITY))
    threading.Thread(target=_outlive, args=(requests.fileno(), os.getppid()), daemon=True).start()
    _serve(requests, answers, secret)


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

    gc.freeze()  # what torch made stays anyway: looking through it again and again is a tenth of the time
    gc.set_threshold(20_000, 10, 10)

    for line in requests:
        message = json.loads(line)
        answer = answering.answer(service.VERBS[message["verb"]], message["request"])
        # a line end first: the model's code may have left half a line there
        answers.write(b"\n" + json.dumps({**answer, "secret": secret}).encode() + b"\n")
        answers.flush()
    os._exit(0)  # no teardown of torch: a fifth of the time


if __name__ == "__main__":
    main()
