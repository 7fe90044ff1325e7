"""`codegen` and `python -m codegen`: start the command line. So small that Ctrl-C is answered from the first moment on."""

from __future__ import annotations

import gc
import sys


def start() -> None:
    """Entry point of the console script."""
    gc.set_threshold(100_000)  # syntax trees are large and live as long as the run: looking through them frees nothing
    try:
        from codegen.cli import main

        main()
    except KeyboardInterrupt:
        sys.stderr.write("error[interrupted]: stopped by the user, nothing was written\nhint: run the command again\n")
        sys.exit(130)


if __name__ == "__main__":
    start()
