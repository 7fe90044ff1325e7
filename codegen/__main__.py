"""`codegen` and `python -m codegen`: start the command line. So small that Ctrl-C is answered from the first moment on."""

from __future__ import annotations

import contextlib
import gc
import io
import os
import signal
import sys
from types import FrameType

ENDING = ("SIGTERM", "SIGHUP")  # by which others end a command; each leaves as Ctrl-C does: nothing half written, no child


class Ended(KeyboardInterrupt):
    """Somebody else ended the command. code: as of a program that the signal ended."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.code = 128 + number


def start() -> None:
    """Entry point of the console script."""
    gc.set_threshold(100_000)  # syntax trees are large and live as long as the run: looking through them frees nothing
    try:
        _prepare()
        from codegen.ending import main

        main()
        if sys.stdout:
            sys.stdout.flush()
    except BrokenPipeError:  # codegen diff FILE | head: nobody reads on
        _mute()
        sys.exit(141)  # as a program that SIGPIPE ends
    except KeyboardInterrupt as ended:
        _say("error[interrupted]: stopped; a file is written whole or not at all\nhint: run the command again\n")
        sys.exit(ended.code if isinstance(ended, Ended) else 130)
    except OSError as error:  # what main() itself could not print
        _mute()
        _say(f"error[system-error]: the output cannot be written: {error.strerror}\nhint: give it more room\n")
        sys.exit(2)


def _prepare() -> None:
    """Signals that end the command do it cleanly; a terminal that cannot show a character gets an escape."""
    for number in range(3):  # a closed stdout's number would go to the next file that is opened
        with contextlib.suppress(OSError):
            try:
                os.fstat(number)
            except OSError:
                os.open(os.devnull, os.O_RDWR)
    for name in ENDING:
        ending = getattr(signal, name, None)
        if ending and signal.getsignal(ending) is signal.SIG_DFL:  # nohup has reasons
            signal.signal(ending, _ended)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _ended(number: int, _: FrameType | None) -> None:
    signal.signal(number, signal.SIG_IGN)  # once is enough
    raise Ended(number)


def _mute() -> None:
    """What is left to be printed goes nowhere: Python flushes when it ends."""
    with contextlib.suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def _say(text: str) -> None:
    with contextlib.suppress(OSError, ValueError, AttributeError):
        sys.stderr.write(text)
        sys.stderr.flush()


if __name__ == "__main__":
    start()
