"""Files that codegen wrote -> what each costs beside its base: grouped by base, each group measured in one child process.

Prints nothing and writes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from codegen import commandlines, emit, imports, pipeline, sources, steps, syntax
from codegen.child import Child
from codegen.errors import CodegenError
from codegen.types import Request, Source

SAME = "no difference is seen"
NOISY = 0.2  # quartiles of the base's own time further apart than this share of its median: others use the machine
Quartiles = tuple[float, float, float]  # lower quartile, median, upper quartile


@dataclass(frozen=True)
class Way:
    """How models are timed."""

    device: str = "cpu"
    compiled: bool = False
    train: bool = False  # forward and backward, not forward alone
    batch: int = 1
    runs: int = 30
    threads: int = 0  # of torch on the CPU; 0: as many as it takes by itself


@dataclass(frozen=True)
class Measured:
    """One model. None: not measurable, and `reasons` says why."""

    file: str  # "" for the base
    build: str
    parameters: int
    flops: int | None  # of one forward at batch 1; a multiply-add counts two
    memory: int | None  # bytes at the peak of a training step, beyond parameters, gradients, buffers and input
    seconds: Quartiles | None
    ratio: Quartiles | None  # to the base's run of the same round
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True)
class Bench:
    """A base and its variants, measured in one run. memory_batch: how many samples the training step had."""

    source: str
    input: str
    way: Way
    threads: int
    memory_batch: int
    base: Measured
    control: Quartiles | None  # the ratio of a second model of the base to the first: what chance and the machine make of 1
    variants: tuple[Measured, ...]
    notes: tuple[str, ...] = ()

    def verdict(self, variant: Measured) -> str:
        """What a ratio says in words, "" where there is none: a difference is one whose quartiles lie outside the control's."""
        if variant.ratio is None:
            return ""
        low, median, high = variant.ratio
        least, _, most = self.control or (1.0, 1.0, 1.0)
        if low <= max(1, most) and high >= min(1, least):
            return SAME
        if median >= 2:
            return f"takes {median:.1f} times as long"
        return f"{100 * abs(median - 1):.1f} % {'slower' if median > 1 else 'faster'}"


@dataclass(frozen=True)
class _File:
    path: str
    text: str
    encoding: str
    build: str
    request: Request
    source: Source

    @property
    def key(self) -> tuple[str, ...]:
        """What it shares with the others of its base."""
        request, entry = self.request, self.source.entry
        return str(self.source.file.path), entry, "" if entry else request.host, request.build, request.input


def run(files: Sequence[str], way: Way, **options: Any) -> tuple[Bench, ...]:
    """Measure files beside the bases that their headers name.

    Raises CodegenError("usage", "no-recipe", "no-gpu", "cannot-run") and what the source's name raises.
    """
    imports.forget()
    if not files:
        raise CodegenError("usage", "give at least one FILE", "one that codegen insert wrote")
    groups: dict[tuple[str, ...], list[_File]] = {}
    for path in dict.fromkeys(files):
        found = _read(path, options)
        groups.setdefault(found.key, []).append(found)
    return tuple(_group(group, way) for group in groups.values())


def _read(path: str, options: dict[str, Any]) -> _File:
    text, encoding = syntax.read(Path(path))
    if not emit.header_of(text):
        hint = "give files that codegen wrote; their headers name the base"
        raise CodegenError("no-recipe", f"{path} has no header of codegen", hint)
    build = emit.headers(text)[0].build
    request = steps.first(commandlines.recorded(text, "", **options))
    return _File(path, text, encoding, build, request, sources.resolve(request.source))


def _group(files: Sequence[_File], way: Way) -> Bench:
    first = files[0]
    asked = {
        "file": pipeline.located(first.source),
        "text": first.source.file.text,
        "entry": first.source.entry,
        "library": first.source.library,
        "host": first.request.host,
        "build": first.request.build,
        "input": first.request.input,
        "variants": [{"file": f.path, "text": f.text, "encoding": f.encoding, "build": f.build} for f in files],
    }
    with Child(first.request.limits) as child:
        answer = child.ask("bench", {**asked, **vars(way)})
    base, control, *others = answer["models"]
    bench = Bench(
        source=first.source.spec,
        input=answer["input"],
        way=way,
        threads=answer["threads"],
        memory_batch=max(2, way.batch),
        base=_measured("", answer["build"], base),
        control=tuple(control["ratio"]) if control["ratio"] else None,
        variants=tuple(_measured(file.path, file.build, found) for file, found in zip(files, others, strict=True)),
    )
    return replace(bench, notes=tuple(_notes(files, bench)))


def _measured(file: str, build: str, found: dict[str, Any]) -> Measured:
    times = {name: tuple(found[name]) if found[name] else None for name in ("seconds", "ratio")}
    return Measured(file, build, **{**found, **times, "reasons": tuple(found["reasons"])})


def _notes(files: Sequence[_File], bench: Bench) -> list[str]:
    """What a reader should know: what was not measured, and a source that has changed."""
    notes = [f"{each.file or 'the base'}: {reason}" for each in (bench.base, *bench.variants) for reason in each.reasons]
    low, median, high = bench.base.seconds or (1.0, 1.0, 1.0)
    if (high - low) / median > NOISY:
        hint = "something else uses the machine" + (": --threads 1 is steadier" if bench.threads > 1 else "")
        notes.append(f"the base's own time varies by {100 * (high - low) / median:.0f} % between its quartiles: {hint}")
    for file in files:
        if emit.headers(file.text)[0].digest != emit.digest(file.source.file):
            notes.append(f"{file.path} was made from another version of {bench.source}: the base here is that of today")
    return notes
