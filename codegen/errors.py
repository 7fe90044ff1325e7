"""The one exception of codegen. Raised anywhere, caught once, in `cli`."""

from __future__ import annotations

import traceback
from dataclasses import dataclass

USER, CONTRACT, BUG, INTERRUPTED = 2, 3, 1, 130
LONGEST = 800  # characters of a line that is printed; --json has all of them


@dataclass(eq=False)  # not frozen: contextlib sets the traceback of an exception that passes through it
class CodegenError(Exception):
    """Something that the user can mend, or a variant that does not hold its contract.

    `name` is a stable word for scripts (`unknown-site`), `message` says what and where, `hint` what to do.
    `details` (a traceback of the model's own code, say) is shown with `--verbose`. `sites`: names each of which may be served
    alone, where the one that was given means several; `edit`: the number of the edit that it is of, 0 where there is one.
    """

    name: str
    message: str
    hint: str
    exit_code: int = USER
    details: str = ""
    sites: tuple[str, ...] = ()
    edit: int = 0

    def __str__(self) -> str:
        return f"{self.name}: {self.message}"


def told(error: Exception) -> CodegenError:
    """Any exception as one that is told in two lines: of the machine, of code that is too deep, or a bug of codegen."""
    if isinstance(error, CodegenError):
        return error
    if isinstance(error, OSError):  # a full disk, no temporary folder, too many open files
        where = f" ({error.filename})" if error.filename else ""
        return CodegenError("system-error", f"{error.strerror or error}{where}", "mend that, then run the command again")
    if isinstance(error, MemoryError):
        return CodegenError("system-error", "there is not enough memory", "close other programs, or give a smaller file")
    if isinstance(error, RecursionError):
        what = "the code is nested too deeply: a thousand blocks or operators in one another"
        return CodegenError("syntax-error", what, "write it flatter")
    details = "".join(traceback.format_exception(error))
    what = f"{type(error).__name__}: {error}"
    return CodegenError("internal-error", what, "this is a bug of codegen: please report it with the command", BUG, details)


def one_line(text: str) -> str:
    """Text of whatever origin as it is printed: control characters escaped, the middle of a very long one left out."""
    return printable(text if len(text) <= LONGEST else f"{text[: LONGEST // 2]} ... {text[-LONGEST // 4 :]}")


def printable(text: str) -> str:
    """Text with its control characters escaped: no terminal takes it for a command."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)
