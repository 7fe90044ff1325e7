"""Take an insertion out of a variant again: it is made once more from its header, and the very edits are reversed.

Lines that a person added or changed elsewhere stay. Only what was measured is run again, not the contract.
"""

from __future__ import annotations

import ast
import itertools
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from codegen import basing, carry, emit, expressions, pipeline, rewrite, selfcheck, sources, static, syntax, writing
from codegen.calls import held
from codegen.child import Child
from codegen.draft import Draft, Lesson
from codegen.edits import words as words_of
from codegen.emit import Header
from codegen.errors import CONTRACT, CodegenError
from codegen.pipeline import Subject
from codegen.syntax import Code
from codegen.traced import Trace
from codegen.types import Check, Report, Request, Source
from codegen.version import __version__

CHECKPOINT = "checkpoint"  # what a checkpointing, which has no attribute, is called in --name


@dataclass(frozen=True)
class Reversal:
    """A file without its insertion. base: the same, had nobody changed a line of the file by hand; kept: such lines."""

    text: str
    base: str
    kept: int


def run(request: Request, file: Path, name: str) -> Report:
    """Take what the header of `file` records out of it. request: that recipe, with where the result goes; name: what is meant.

    What comes out is the source byte for byte, where that is a file of the user's; of a library's model it is the base: the
    source made standalone. Raises CodegenError("no-recipe", "source-changed", "unknown-name", "ambiguous-name",
    "edited-by-hand", "still-used", "undo-failed") and what making the variant raises. Nothing is written then.
    """
    watch = pipeline.Stopwatch()
    with watch.stage("read"):
        text, encoding = syntax.read(file)
        found = emit.headers(text)
        _demand_one_meaning(found, name, Code(text, str(file)))
        source = recorded_source(request, found[0], file)
        target = output(request, source, file)
        if not request.dry_run:
            emit.check_target(target, request.force or request.in_place)
    with watch.stage("trace"):
        made, trace = made_again(replace(request, in_place=False), source, emit.without_header(text))
        _demand_name(made, name, found, file)
    with watch.stage("rewrite"):
        reversal = undone(made, source, text, file.name, of_base=request.base)
        result = _base_again(request, source, trace, reversal) if request.base and trace else reversal.text
    selfcheck.demand_parses(Code(result, target.name))
    checks = (Check("parses", "passed"), Check("base", "passed", _held(source, reversal, of_base=request.base)))
    if not request.dry_run:
        if request.in_place:
            writing.demand_unchanged(file, text.encode(encoding))
        emit.write(target, result.encode(encoding), replaces=request.force or request.in_place)
    build = made.origin.build if is_own(source) and not request.base else made.variant.build
    variant = replace(made.variant, base=text, text=result, encoding=encoding, build=build)
    renamed = f"it is built by {build}: the library's own name must not be entered into its registry a second time"
    notes = () if build == made.origin.build else (renamed,)
    seconds = (*watch.seconds.items(),)
    return Report(str(target), request, made.site, variant, made.input, checks=checks, notes=notes, seconds=seconds)


def is_own(source: Source) -> bool:
    """Whether the source is a file of the user's, not of an installed library."""
    return not (source.library or source.distribution)


def recorded_source(request: Request, header: Header, file: Path) -> Source:
    """The source that the header records. Raises CodegenError("source-changed", "unreadable-source", "unknown-source")."""
    try:
        source = sources.resolve(request.source)
    except CodegenError as error:
        hint = "--against SOURCE names the base; a path in a header is meant from the folder where codegen ran"
        raise CodegenError(error.name, error.message, hint) from None
    if (digest := emit.digest(source.file)) != header.digest:
        what = f"{file.name} was made from a {source.file.path.name} of sha256 {header.digest}, which is now {digest}"
        raise CodegenError("source-changed", what, "give the file as it was then: --against SOURCE")
    return source


def output(request: Request, source: Source, file: Path) -> Path:
    """Where the result goes: -o, the file itself (--in-place), else generated/<source stem>.py."""
    if request.in_place:
        return file
    if request.output:
        writing.demand_other(Path(request.output), file)
        writing.demand_other(Path(request.output), source.file.path)
    if request.base:
        return basing.output(request, source)
    return Path(request.output) if request.output else Path("generated", f"{source.entry or source.file.path.stem}.py")


def undone(made: Draft, source: Source, text: str, name: str, *, of_base: bool = False) -> Reversal:
    """A variant's text with its edits reversed. Raises CodegenError("edited-by-hand", "still-used", "undo-failed")."""
    header, plain = emit.headers(text)[0], emit.without_header(text)
    start, encoding = source.file.text, source.file.encoding
    variant = rewrite.apply(start, made.origin.variant)
    own = is_own(source) and not of_base
    edits = rewrite.back(start, () if own else made.origin.base, made.origin.variant)
    base = rewrite.apply(variant, edits)
    wanted = source.file.path.read_bytes() if own else made.variant.base.encode(encoding)
    if base.encode(encoding) != wanted:
        raise CodegenError("undo-failed", f"{name} without its insertion is not its base", "report it", CONTRACT)
    try:
        result = rewrite.apply(plain, carry.carried(edits, variant, plain, name))
    except CodegenError as error:
        other = f"codegen {header.version} made the file and this is {__version__}: take it out with that version, or by hand"
        raise CodegenError(error.name, error.message, error.hint if header.version == __version__ else other) from None
    _demand_unused(Code(result, name), Code(base), Code(variant), held(made.variant))
    lines = [Code(each).lines for each in (variant, plain)]
    return Reversal(result, base, len(lines[1]) - len(carry.kept(*lines)))


def made_again(request: Request, source: Source, text: str) -> tuple[Draft, Trace | None]:
    """The variant of a request made once more, and what was measured for it. Raises what making it raises."""
    if request.static:
        return static.drafted(request, source), None
    with Child(request.limits) as child:
        subject = pipeline.measure(child, source, request)
    return nearest(request, subject, text), subject.trace


def _base_again(request: Request, source: Source, trace: Trace, reversal: Reversal) -> str:
    """What came out, as the base that it is: under the header that it had, which tells lines by hand from it."""
    same = {name: getattr(request, name) for name in ("source", "build", "input", "suffix", "keep", "base")}
    plain = Request(**same)
    base = basing.drafted(plain, source, trace).text
    return base if reversal.text == reversal.base else emit.with_header(reversal.text, emit.header_of(base))


def nearest(request: Request, subject: Subject, text: str) -> Draft:
    """The draft that this text, without a header, was made as: what only a proof taught then is read off the text."""
    best, least = None, -1
    for made in _drafts(request, subject):
        variant = rewrite.apply(subject.source.file.text, made.origin.variant)
        if variant == text:
            return made
        ours, theirs = (Counter(Code(each).lines) for each in (variant, text))
        other = ((ours - theirs) + (theirs - ours)).total()
        if best is None or other < least:
            best, least = made, other
    assert best is not None
    return best


def _drafts(request: Request, subject: Subject) -> Iterator[Draft]:
    """The variant with every set of lessons that a proof may have taught, the fewest first."""
    other = Lesson.HOLDS_OLD if request.operation == "replace" else Lesson.FACTORIES
    sets = [frozenset(s) for size in range(3) for s in itertools.combinations((Lesson.STATELESS, other), size)]
    first: CodegenError | None = None
    drafted = 0
    for lessons in sets:
        try:
            yield pipeline.drafted(request, subject, lessons)
            drafted += 1
        except CodegenError as error:  # a set that teaches nothing here
            first = first or error
    if first is not None and not drafted:
        raise first


def _demand_one_meaning(found: Sequence[Header], name: str, code: Code) -> None:
    """Raise CodegenError("ambiguous-name") where insertions into two classes may have this name."""
    owners = {header.host: None for header in found if _may_be(header, name, code)}
    if "." not in name and len(owners) > 1:
        what = f"{Path(code.name).name} has an insertion named {name} in {' and in '.join(owners)}"
        raise CodegenError("ambiguous-name", what, f"name the class too: --name {next(iter(owners))}.{name}")


def _may_be(header: Header, name: str, code: Code) -> bool:
    """Whether the attribute is one that the header's command may have made: its class has it, and it is named so."""
    verb, *words = header.words
    if verb == "base":
        verb, *words = words_of(dict(itertools.pairwise(words)).get("--edit", "remove ?"))
    if verb == "wrap":
        return name == CHECKPOINT
    given = dict(itertools.pairwise(words))
    usual = expressions.called(given["--module"], given.get("--as-class", "")) if "--module" in given else ""
    wanted = [given.get("--name") or (usual if verb == "insert" else given.get("--site", "").rpartition(".")[2])]
    wanted += expressions.names(given["--module"]) if "--module" in given and "--name" not in given else []
    cls = syntax.find_class(code, header.host)
    has = cls is not None and any(isinstance(n, ast.Attribute) and n.attr == name for n in ast.walk(cls))
    return has and any(re.fullmatch(rf"{re.escape(each)}_?\d*", name) for each in wanted)


def _demand_name(made: Draft, name: str, found: Sequence[Header], file: Path) -> None:
    """Raise CodegenError("unknown-name") where the file's last insertion has another name."""
    host, every = made.variant.host, held(made.variant) if made.variant.attribute else (CHECKPOINT,)
    if name.removeprefix(f"{host}.") not in every:
        attribute = every[0]
        what = f"what codegen put last into {file.name} is named {host}.{' and '.join(every)}, not {name}"
        before = "; what was there before is taken out after it" if len(found) > 1 else ""
        raise CodegenError("unknown-name", what, f"give --name {attribute}{before}")


def _demand_unused(result: Code, base: Code, variant: Code, attributes: Sequence[str]) -> None:
    """Raise CodegenError("still-used") where lines of a person use what is taken out; "syntax-error" where they are broken."""
    old, made = ({name for s in code.tree.body for name in syntax.bound_names(s)} for code in (base, variant))
    used, before = _used(result.tree), _used(base.tree)  # a name that the base uses is there for others, too
    for name in sorted({*(f".{attribute}" for attribute in attributes), *(made - old)} & used.keys() - before.keys()):
        line = result.lines[used[name] - 1].strip()
        what = f"{result.name} uses {name.lstrip('.')}, which came with the insertion, in another line: {line}"
        raise CodegenError("still-used", what, "change that line first")


def _used(tree: ast.Module) -> dict[str, int]:
    """Every name that is read, and every attribute with a dot before it: a line where it is."""
    names = {n.id: n.lineno for n in ast.walk(tree) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)}
    return names | {f".{n.attr}": n.lineno for n in ast.walk(tree) if isinstance(n, ast.Attribute)}


def _held(source: Source, reversal: Reversal, *, of_base: bool) -> str:
    """What was compared, in words."""
    own = is_own(source) and not of_base
    base = f"{source.file.path.name} byte for byte" if own else f"the base of {source.spec}, standalone"
    if reversal.text == reversal.base:
        return base
    lines = f"{reversal.kept} lines" if reversal.kept > 1 else "one line" if reversal.kept else "lines"
    what = "added or changed" if reversal.kept else "taken out"
    return f"{base}, but for {lines} {what} by hand, which stay so"
