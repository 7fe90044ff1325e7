"""What is told of a sweep: report."""

from __future__ import annotations

from typing import TYPE_CHECKING

from codegen import given
from codegen.given import Spec

if TYPE_CHECKING:
    from codegen.reports.writing import Written


def report(sweep: Spec, *, output: Spec = "", force: bool = False) -> Written:
    """Show a sweep as one page that needs nothing else, or as Markdown for a pull request: `codegen report`.

    sweep: its folder, or its name where that is sweeps/NAME.
    output: a .html or .md file; default: report.html in the folder. force: over a file that exists.

    Returns a Written: `output`, `rows`, `size` (bytes), `summary` (its sentences).
    Raises CodegenError("usage", "no-sweep", "empty-sweep", "output-exists", "bad-store", "store-version", "read-only").
    """
    options = given.checked(locals())
    from codegen.reports import writing

    return writing.run(options["sweep"], options["output"], force=force)
