"""Whether a variant is what its recipe makes: read from its header, its source and its text. Runs no model, writes nothing."""

from __future__ import annotations

import difflib
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from codegen import emit, inputs, pristine, records, sources, syntax
from codegen.errors import CodegenError
from codegen.types import Request
from codegen.version import __version__

# what can be said of a variant, and what to do about it
PROBLEMS = {
    "missing": "the file is not there: codegen build makes it",
    "no-header": "the file has no header of codegen: it was ejected, or written by something else",
    "recipe-changed": "the recipe says another command than the header: codegen build makes it anew",
    "module-changed": "a file that the variant copies from is another one than then: codegen build makes it anew",
    "upstream-changed": "the source is another one than that it was made from: codegen build makes it anew",
    "source-missing": "the source cannot be found here",
    "edited-by-hand": "the text below the header was changed since it was made: codegen build --force overwrites that",
    "other-version": "another version of codegen made it: codegen build makes it anew",
}


@dataclass(frozen=True)
class Problem:
    """One thing that is not as it was made. old, new: what stands in the header, and what it would say now."""

    kind: str  # a key of PROBLEMS
    detail: str = ""
    old: str = ""
    new: str = ""


@dataclass(frozen=True)
class State:
    """What was found of one variant; it is as its recipe makes it where there are no problems."""

    name: str
    output: Path
    problems: tuple[Problem, ...] = ()
    diff: tuple[str, ...] = ()  # where it is asked for

    @property
    def kinds(self) -> set[str]:
        """The names of its problems."""
        return {problem.kind for problem in self.problems}


def state(name: str, output: Path, requests: Sequence[Request], *, recipe: bool = True) -> State:
    """Look at one variant. requests: of its recipe, or (recipe=False) what its header says, where there is only the file."""
    if not output.is_file():
        return State(name, output, (Problem("missing"),))
    try:
        text, _ = syntax.read(output)
        header = emit.headers(text)[0]
    except CodegenError as error:
        return State(name, output, (Problem("no-header", error.message),))
    found = []
    if header.body != emit.body_digest(emit.without_header(text)):
        found.append(Problem("edited-by-hand", "" if header.body else "the header has no digest of the text"))
    if header.version != __version__:
        found.append(Problem("other-version", f"{header.version}, not {__version__}", header.version, __version__))
    of_source = _source(header, requests[0] if recipe else None)
    same = not any(problem.kind == "recipe-changed" for problem in of_source)  # another recipe may need no such file
    modules = [_module(*each) for each in inputs.changed(header.inputs, requests)] if same else []
    return State(name, output, (*of_source, *modules, *found))


def _module(name: str, old: str, new: str) -> Problem:
    """What is wrong with a file that a class was copied from. new: its digest, "" where it is gone."""
    if not new:
        return Problem("source-missing", f"{name}, which the variant copies from")
    return Problem("module-changed", name, f"sha256 {old}", f"sha256 {new}")


def _source(header: emit.Header, request: Request | None) -> list[Problem]:
    """What the source, and the recipe, say otherwise than the header."""
    recorded = shlex.join(["codegen", *header.words])
    try:
        source = sources.resolve(request.source if request else header.words[1])
    except CodegenError as error:
        return [Problem("source-missing", error.message)]
    found = []
    wanted = emit.recorded_line(request, source) if request else recorded
    if wanted != recorded:
        found.append(Problem("recipe-changed", "", recorded, wanted))
    digest = emit.digest(source.file)
    if digest != header.digest:
        where = source.distribution or source.file.path.name
        found.append(Problem("upstream-changed", where, f"sha256 {header.digest}", f"sha256 {digest}"))
    return found


def diff(state: State) -> list[str]:
    """What the header says and what it would say now, line by line; what was edited by hand as a diff from what was made."""
    lines: list[str] = []
    for problem in state.problems:
        if problem.old or problem.new:
            lines += difflib.unified_diff([problem.old], [problem.new], problem.kind, str(state.output), lineterm="", n=0)
        if problem.kind == "edited-by-hand":
            lines += _by_hand(state.output)
    return lines


def _by_hand(output: Path) -> list[str]:
    """The file as it was made -> as it stands, where a commit of it or the cache has the first."""
    mine, _ = syntax.read(output)
    made = next(pristine.find(output, mine), None)
    if made is None:
        what = "what it was made as is in no commit of it and not in the cache"
        return [f"{output}: {what}; codegen update merges your edits where it can, codegen build --force makes it anew"]
    return records.unified(made, mine, Path(emit.portable(str(output))).as_posix(), ("made", "edited"))
