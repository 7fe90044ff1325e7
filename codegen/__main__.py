"""`codegen` and `python -m codegen`: start the command line. So small that Ctrl-C is answered from the first moment on."""

from __future__ import annotations

import gc
import os
import sys


def start() -> None:
    """Entry point of the console script."""
    gc.set_threshold(100_000)  # syntax trees are large and live as long as the run: looking through them frees nothing
    try:
        from codegen.ending import main

        main()
        sys.stdout.flush()
    except BrokenPipeError:  # codegen diff FILE | head: nobody reads on
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        sys.exit(141)  # as a program that SIGPIPE ends
    except KeyboardInterrupt:
        sys.stderr.write("error[interrupted]: stopped by the user, nothing was written\nhint: run the command again\n")
        sys.exit(130)


if __name__ == "__main__":
    start()
