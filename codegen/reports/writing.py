"""`codegen report`: the folder of a sweep -> a page or Markdown, written. Makes no variant and changes no row."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from codegen import emit
from codegen.errors import CodegenError
from codegen.reports import markdown, page, summary
from codegen.sweeps import store
from codegen.sweeps.store import Contents

SWEEPS = Path("sweeps")  # where a sweep goes that has a name


@dataclass(frozen=True)
class Written:
    """A report that was written. size: in bytes."""

    output: str
    rows: int
    size: int
    summary: tuple[str, ...]


def run(sweep: str, output: str, *, force: bool) -> Written:
    """Write the report of a sweep. Raises what `codegen.report` says."""
    folder = _folder(sweep)
    target = Path(output) if output else folder / "report.html"
    if target.suffix not in FORMS:
        what = f"-o {target.name}: the suffix is none of {', '.join(FORMS)}"
        raise CodegenError("usage", what, "-o report.html is a page, -o report.md a comment for a pull request")
    emit.check_target(target, force)
    contents = store.read(folder)
    if not contents.rows:
        raise CodegenError("empty-sweep", f"{folder} has no rows yet", "codegen sweep makes them; a part of them can be shown")
    data = FORMS[target.suffix](contents, folder.resolve().name).encode()
    emit.write(target, data)
    told = summary.told(contents.rows, contents.cells)
    return Written(str(target), len(contents.rows), len(data), tuple(map(str, told)))


def _folder(sweep: str) -> Path:
    """The folder that is meant. Raises CodegenError("no-sweep")."""
    for folder in (Path(sweep), SWEEPS / sweep):
        if (folder / store.FILE).is_file():
            return folder
    known = sorted(path.parent.name for path in SWEEPS.glob(f"*/{store.FILE}"))
    near = difflib.get_close_matches(sweep, known, 3) or known[:3]
    hint = f"there are {', '.join(near)} in {SWEEPS}/" if near else "codegen sweep makes one: give its folder, or its name"
    raise CodegenError("no-sweep", f"{sweep} is no folder of a sweep: there is no {store.FILE}", hint)


def _html(contents: Contents, name: str) -> str:
    return page.html(contents, name)


def _markdown(contents: Contents, name: str) -> str:
    return markdown.text(contents.rows, name, contents.cells)


FORMS: dict[str, Callable[[Contents, str], str]] = {".html": _html, ".md": _markdown}
