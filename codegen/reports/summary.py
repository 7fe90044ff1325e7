"""A sweep in a few sentences, for a page and for Markdown: how many there are, which is cheapest, which changes least."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from codegen.reports import formats, measures
from codegen.reports.measures import MEASURES, Measure
from codegen.sweeps.rows import STATUSES, Row


@dataclass(frozen=True)
class Part:
    """A piece of a sentence; one that names a variant has its place in the rows."""

    text: str
    row: int | None = None


@dataclass(frozen=True)
class Sentence:
    """What is told of one cost; of the whole, where `topic` is empty."""

    topic: str
    parts: tuple[Part, ...]

    def __str__(self) -> str:
        return "".join(part.text for part in self.parts)


@dataclass(frozen=True)
class Phrase:
    """How the least and the most of a cost are told: verbs of one and of several, then what is least, nothing, most."""

    verbs: tuple[str, str]
    least: str
    most: str
    nothing: str = ""
    no: tuple[str, str] | None = None  # the verbs where there is nothing of it


PHRASES = {
    "parameters": Phrase(("adds", "add"), "the fewest parameters", "the most", "no parameters"),
    "drift": Phrase(
        *(("changes", "change"), "the outputs least at initialisation", "them most"),
        *("the outputs as they are at initialisation", ("leaves", "leave")),
    ),
    "latency": Phrase(("is", "are"), "the fastest", "the slowest"),
    "flops": Phrase(("adds", "add"), "the fewest operations", "the most", "no operations"),
    "memory": Phrase(("takes", "take"), "the least memory", "the most", "no more memory"),
}


def told(rows: Sequence[Row], cells: int = 0) -> list[Sentence]:
    """The sentences, most important first. cells: how many were asked for, where some have no row yet."""
    passed = [(index, row) for index, row in enumerate(rows) if row.status == "passed"]
    every = (_extremes(passed, next(m for m in MEASURES if m.key == key), phrase) for key, phrase in PHRASES.items())
    left = max(cells - len(rows), 0)
    more = f" {formats.number(left, 'more variant')} {'is' if left == 1 else 'are'} not made yet." if left else ""
    return [Sentence("", (Part(counted(rows) + more),)), *(sentence for sentence in every if sentence)]


def counted(rows: Sequence[Row]) -> str:
    """`48 variants of 2 backbones, 6 modules at 12 sites: 46 passed, 2 refused (in-place).`"""
    sources = len({row.source for row in rows})
    modules = len({measures.module(row) for row in rows})
    sites = len({(row.source, row.operation, row.site) for row in rows})
    many = f"{formats.number(len(rows), 'variant')} of {formats.number(sources, 'backbone')}"
    grid = f"{formats.number(modules, 'module')} at {formats.number(sites, 'place')}"
    parts = []
    for status in STATUSES:
        alike = [row for row in rows if row.status == status]
        errors = Counter(row.error for row in alike if row.error)
        why = formats.listed([f"{name} {n:,}" if len(errors) > 1 else name for name, n in errors.most_common(4)])
        parts += [f"{len(alike):,} {status}" + (f" ({why})" if why else "")] if alike else []
    return f"{many}, {grid}: {', '.join(parts)}."


def _extremes(passed: Sequence[tuple[int, Row]], measure: Measure, phrase: Phrase) -> Sentence | None:
    """The least and the most of one cost, where they differ."""
    known = [(value, index, row) for index, row in passed if (value := measure.value(row)) is not None]
    values = [value for value, _, _ in known]
    if len(known) < 2 or min(values) == max(values):
        return None
    least, most = ([found for found in known if found[0] == end] for end in (min(values), max(values)))
    nothing = phrase.nothing and not min(values)
    verbs = phrase.no if nothing and phrase.no else phrase.verbs
    who, many = _who(least)
    what = phrase.nothing if nothing else f"{phrase.least} ({measure.text(min(values))})"
    others, several = _who(most)
    end = f" {phrase.verbs[several]} {phrase.most} ({measure.text(max(values))})."
    return Sentence(measure.title, (*who, Part(f" {verbs[many]} {what}; "), *others, Part(end)))


def _who(alike: Sequence[tuple[float, int, Row]]) -> tuple[tuple[Part, ...], bool]:
    """These variants, by name where they are few, and whether they are several."""
    modules = list(dict.fromkeys(measures.module(row) for _, _, row in alike))
    if len(alike) == 1:
        return (Part(measures.named(alike[0][2]), alike[0][1]),), False
    models = list(dict.fromkeys(measures.model(row.source) for _, _, row in alike))
    if len(modules) == len(models) == 1 and len(alike) < 4:
        places = formats.listed([measures.place(row) for _, _, row in alike])
        return (Part(f"{modules[0]} {places} of {models[0]}"),), False
    if len(modules) > 3:
        return (Part(formats.number(len(alike), "variant")),), True
    return (Part(f"{formats.listed(modules)} ({formats.number(len(alike), 'variant')})"),), len(modules) > 1
