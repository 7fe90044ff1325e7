"""What a variant changes of its base: a file's by its header, or that of a run. Executes nothing."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from codegen import commandlines, emit, imports, records, sources, static, steps, syntax
from codegen.types import Report


@dataclass(frozen=True)
class Diff:
    """A unified diff, its lines without line ends; as text it is one that `patch` takes."""

    file: str
    lines: tuple[str, ...]

    def __str__(self) -> str:
        return "".join(f"{line}\n" for line in self.lines)


def of_file(file: Path, against: str) -> Diff:
    """Base -> variant of a file that codegen wrote. Raises CodegenError("no-recipe") and what the source's name raises."""
    imports.forget()
    text, _ = syntax.read(file)
    request = steps.first(commandlines.recorded(text, against))
    plain = request.base and not request.edits  # a base: what changed is what makes the source stand alone
    source = emit.with_header(sources.resolve(request.source).file.text, emit.header_of(text)) if plain else ""
    base = source or static.base(request, text)
    return Diff(str(file), tuple(records.unified(base, text, str(file))))


def of_report(report: Report) -> Diff:
    """What a run changed; where it took an insertion out again, variant -> base."""
    variant = report.variant
    assert variant is not None
    if takes_out(report):
        return Diff(report.output, tuple(records.unified(variant.base, variant.text, report.output, ("variant", "base"))))
    header = emit.header_of(variant.text)  # it is no edit: it stands on both sides
    base = emit.with_header(variant.base, header) if header else variant.base
    return Diff(report.output, tuple(records.unified(base, variant.text, report.output)))


def takes_out(report: Report) -> bool:
    """Whether the run took an insertion out of a file: the headers of what it began with record more than those behind it."""
    assert report.variant is not None
    return _edits(report.variant.base) > _edits(report.variant.text)


def _edits(text: str) -> int:
    """How many edits the headers of a file record."""
    return sum(command.count("--edit") or command[0] != "base" for command in emit.recorded_commands(text))
