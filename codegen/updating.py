"""Make variants anew on the source as it is now, and keep what was edited by hand: a three-way merge by `git merge-file`.

What a file was made as, before it was edited, comes from `pristine`, or is made again where the source is still the same,
or from the old source where the user says where that is (`earlier`). Where it is not known nothing is overwritten.
"""

from __future__ import annotations

import ast
import difflib
import re
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from codegen import earlier, emit, keeping, moving, pristine, sources, syntax, variants, warm, writing
from codegen.building import Job, Result, failed
from codegen.child import Child, Start
from codegen.errors import CONTRACT, CodegenError
from codegen.types import Report, Request
from codegen.version import __version__

MARKER = re.compile(r"^<{7} .*$.*^={7}$.*^>{7} ", re.MULTILINE | re.DOTALL)
OTHERWISE = {"upstream-changed", "module-changed", "source-missing", "other-version"}  # what made again is another file
SHOWN = 60  # lines of a two-way diff


def run(jobs: Sequence[Job], *, done: Callable[[Result], object], old_source: Path | None = None) -> list[Result]:
    """Update each variant in turn; `done` hears of each as it ends. old_source: where the sources are as they were."""
    results, worker = [], warm.Warm()
    try:
        for job in jobs:
            worker.serve(warm.family(job.requests[0].source))
            try:
                result = _updated(job, old_source, worker.start)
            except Exception as error:  # told in the result, and the others go on
                result = failed(job, error)
            done(result)
            results.append(result)
    finally:
        worker.stop()
    return results


def _updated(job: Job, old_source: Path | None, start: Start) -> Result:
    state = keeping.state(job.name, job.output, job.requests, recipe=job.recipe)
    if lost := next((problem for problem in state.problems if problem.kind in ("no-header", "source-missing")), None):
        detail = f" ({lost.detail})" if lost.detail else ""
        raise CodegenError("not-a-variant", f"{job.output}: {lost.kind}{detail}", keeping.PROBLEMS[lost.kind])
    by_hand = "edited-by-hand" in state.kinds
    mine, encoding = syntax.read(job.output) if by_hand else ("", "")
    if MARKER.search(mine):
        what = f"{job.output} has conflicts of an earlier update"
        hint = "settle what stands between <<<<<<< and >>>>>>>, then update again"
        raise CodegenError("merge-conflict", what, hint, CONTRACT)
    if state.kinds <= {"edited-by-hand"}:
        return Result(job.name, job.output, "up to date")
    before = job.output.read_bytes() if job.output.exists() else b""
    report = _replayed(job, start)
    pristine.keep(_text(report))  # at the next update it is what this file was made as
    if not by_hand:
        return _written(job, _text(report), report, before)
    old = next(_as_made(job, mine, old_source), None)
    if old is None:
        _refuse(job, mine, _text(report))
    assert old is not None
    merged, conflicts = merge(mine, old, _text(report), job.output.name)
    if not conflicts:
        _demand_python(job, merged)
        return _written(job, merged, report, before, "merged")
    writing.demand_unchanged(job.output, before)
    emit.write(job.output, merged.encode(encoding))
    what = f"{job.output}: {conflicts} conflict{'s' * (conflicts > 1)} between edits by hand and the new source"
    hint = "they stand in the file between <<<<<<< and >>>>>>>; settle them there"
    raise CodegenError("merge-conflict", what, hint, CONTRACT)


def _replayed(job: Job, start: Start) -> Report:
    """The variant on the source as it is now. Where a site is gone, the error says where it may be."""
    try:
        return _made(job.requests, start)
    except CodegenError as error:
        if error.name not in moving.GONE:
            raise
        old, _ = syntax.read(job.output)
        told = (moving.told(old, request, sources.resolve(request.source)) for request in job.requests)
        where = next(filter(None, told), "")
        raise replace(error, hint=f"{where}; {error.hint}" if where else error.hint) from None


def _demand_python(job: Job, merged: str) -> None:
    """Raise CodegenError("merge-conflict") where edits that touch no common line make no Python together."""
    try:
        ast.parse(merged)
    except SyntaxError as error:
        what = f"{job.output}: edits by hand and the new source are no Python together: line {error.lineno}: {error.msg}"
        raise CodegenError("merge-conflict", what, "nothing was written: carry your edits over by hand", CONTRACT) from None


def merge(mine: str, old: str, new: str, name: str) -> tuple[str, int]:
    """(text, conflicts) of a three-way merge, as `git merge-file` makes it. Raises CodegenError("no-git")."""
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder, part) for part in ("mine", "old", "new")]
        for path, text in zip(paths, (mine, old, new), strict=True):
            path.write_bytes(text.encode("utf-8", "surrogateescape"))
        labels = [f"{name} as it stands", f"{name} as it was made", f"{name} as it is made now"]
        words = [word for label in labels for word in ("-L", label)]
        try:
            result = subprocess.run(["git", "merge-file", "-p", *words, *map(str, paths)], capture_output=True, check=False)
        except OSError as error:
            raise CodegenError("no-git", f"git cannot be run: {error}", "install git: it merges edits by hand") from None
    if result.returncode < 0 or result.returncode > 127:
        said = result.stderr.decode(errors="replace").strip()
        raise CodegenError("no-git", f"git merge-file failed: {said}", "git 2 or later merges edits by hand")
    return result.stdout.decode("utf-8", "surrogateescape"), result.returncode


def _as_made(job: Job, mine: str, old_source: Path | None) -> Iterator[str]:
    """The file as codegen wrote it, before it was edited: as it was kept, else made again by its header."""
    header = emit.headers(mine)[0]
    yield from pristine.find(job.output, mine)
    by_itself = keeping.state(job.name, job.output, job.recorded, recipe=False)
    if job.recorded and not by_itself.kinds & OTHERWISE:
        yield from pristine.same(_text(_made(job.recorded)), mine)
    if job.recorded and old_source:
        with earlier.asked(old_source, job.recorded, mine) as requests:
            text = _text(_made(requests))
        yield from pristine.same(text, mine)
        what = f"codegen {__version__} makes another file of the old source than codegen {header.version} made as {job.output}"
        raise CodegenError("wrong-old-source", what, "carry your edits over by hand, or update with the version of then")


def _made(requests: Sequence[Request], start: Start = Child) -> Report:
    """The variant as it is made now, in no file."""
    asked = [replace(request, dry_run=True) for request in requests]
    return variants.run(asked, start)


def _text(report: Report) -> str:
    assert report.variant
    return report.variant.text


def _written(job: Job, text: str, report: Report, before: bytes, status: str = "made") -> Result:
    """before: the file when the update began."""
    assert report.variant
    if job.output.exists() or before:
        writing.demand_unchanged(job.output, before)
    emit.write(job.output, text.encode(report.variant.encoding))
    return Result(job.name, job.output, status, report)


def _refuse(job: Job, mine: str, new: str) -> None:
    lines = difflib.unified_diff(
        mine.splitlines(), new.splitlines(), f"{job.output} as it stands", f"{job.output} as it is made now", lineterm=""
    )
    changed = [*lines]
    more = [f"... {len(changed) - SHOWN} more lines"] if len(changed) > SHOWN else []
    what = f"{job.output} was edited by hand, and what it was made as is neither in a commit of it nor in the cache"
    hint = "nothing was written: --old-source FILE|FOLDER names the source of then; codegen build --force overwrites your edits"
    raise CodegenError("no-merge-base", what, hint, details="\n".join([*changed[:SHOWN], *more]))
