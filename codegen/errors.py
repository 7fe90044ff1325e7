"""The one exception of codegen. Raised anywhere, caught once, in `cli`."""

from __future__ import annotations

from dataclasses import dataclass

USER, CONTRACT, BUG, INTERRUPTED = 2, 3, 1, 130


@dataclass(eq=False)  # not frozen: contextlib sets the traceback of an exception that passes through it
class CodegenError(Exception):
    """Something that the user can mend, or a variant that does not hold its contract.

    `name` is a stable word for scripts (`unknown-site`), `message` says what and where, `hint` what to do.
    `details` (a traceback of the model's own code, say) is shown with `--verbose`.
    """

    name: str
    message: str
    hint: str
    exit_code: int = USER
    details: str = ""

    def __str__(self) -> str:
        return f"{self.name}: {self.message}"
