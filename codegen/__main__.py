"""`codegen` and `python -m codegen`: start the command line. So small that Ctrl-C is answered from the first moment on."""

from __future__ import annotations

import sys


def start() -> None:
    """Entry point of the console script."""
    try:
        from codegen.cli import main

        main()
    except KeyboardInterrupt:
        sys.stderr.write("error[interrupted]: stopped by the user, nothing was written\nhint: run the command again\n")
        sys.exit(130)


if __name__ == "__main__":
    start()
