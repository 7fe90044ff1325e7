"""Plots of a sweep as SVG: cost against drift, a heat map of modules by sites, latency with its spread.

Templates draw them, no plotting library does: those that write SVG fix the colours, which must follow the reader's light or
dark page, or need a script from elsewhere. What is drawn carries the place of its row, so that the page can show it.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from codegen.reports import formats, measures, scales, templates
from codegen.reports.measures import Measure
from codegen.sweeps.rows import Row

COLOURS = 10  # of modules; as many again are hollow, and what comes behind is grey
SHAPES = 4  # of backbones
SHADES = 7
SHOWN = 60  # intervals
Indexed = Sequence[tuple[int, Row]]


@dataclass(frozen=True)
class Plot:
    """One drawing, with the cost that it is about."""

    measure: Measure
    svg: str
    about: str


@dataclass(frozen=True)
class Dot:
    """One variant in a plane."""

    x: float
    y: float
    index: int
    kind: str  # classes of the style sheet
    shape: int


@dataclass(frozen=True)
class Cell:
    """One variant of a heat map."""

    x: float
    y: float
    text: str
    kind: str
    index: int


@dataclass(frozen=True)
class Interval:
    """The quartiles of a ratio."""

    y: float
    low: float
    middle: float
    high: float
    label: str
    ratio: str
    times: str  # seconds of the base and the variant
    kind: str
    index: int


def colours(rows: Sequence[Row]) -> dict[str, str]:
    """Class of the style sheet for each module: those that occur most have a colour of their own."""
    often = [module for module, _ in Counter(row.module for row in rows).most_common()]
    kinds = [f"m{i}" for i in range(COLOURS)] + [f"m{i} hollow" for i in range(COLOURS)]
    return {module: kinds[i] if i < len(kinds) else "others" for i, module in enumerate(often)}


def shapes(rows: Sequence[Row]) -> dict[str, int]:
    """A shape for each backbone."""
    return {source: min(i, SHAPES - 1) for i, source in enumerate(dict.fromkeys(row.source for row in rows))}


def planes(rows: Sequence[Row]) -> list[Plot]:
    """Each cost against the drift at initialisation."""
    drawn = [plane(rows, measure) for measure in measures.measured(rows) if measure.key != "drift"]
    return [plot for plot in drawn if plot]


def plane(rows: Sequence[Row], measure: Measure) -> Plot | None:
    """One cost against the drift; None where no variant has both."""
    known = [(i, row, x, row.drift) for i, row in enumerate(rows) if (x := measure.value(row)) is not None]
    found = [(i, row, x, y) for i, row, x, y in known if y is not None]
    if not found:
        return None
    across = scales.scale([x for _, _, x, _ in found], 62, 530, zero=measure.key != "latency")
    up = scales.scale([y for *_, y in found], 306, 14)
    kinds, forms = colours(rows), shapes(rows)
    dots = [Dot(across.at(x), up.at(y), i, kinds[row.module], forms[row.source]) for i, row, x, y in found]
    svg = templates.rendered(
        "plane.svg.jinja",
        title=f"{measure.title} against drift",
        dots=dots,
        across=across.marks(measure.text),
        up=up.marks(formats.share),
        label=f"{measure.title}: {measure.about}",
    )
    return Plot(measure, svg, measure.about)


@dataclass(frozen=True)
class Heat:
    """The heat map of one backbone."""

    source: str
    svg: str


def shades(rows: Sequence[Row], measure: Measure) -> list[float]:
    """What divides the values of a cost into the shades of a heat map."""
    return scales.edges([v for row in rows if row.status == "passed" and (v := measure.value(row)) is not None], SHADES)


def heats(rows: Sequence[Row], measure: Measure | None) -> list[Heat]:
    """A heat map for each backbone, of one cost; the page puts another in its place."""
    bounds = shades(rows, measure) if measure else []
    sources = dict.fromkeys(row.source for row in rows)
    indexed = list(enumerate(rows))
    return [Heat(source, _heat([each for each in indexed if each[1].source == source], measure, bounds)) for source in sources]


def _heat(rows: Indexed, measure: Measure | None, bounds: Sequence[float]) -> str:
    modules = list(dict.fromkeys(measures.module(row) for _, row in rows))
    places = list(dict.fromkeys(measures.place(row) for _, row in rows))
    left = 16 + min(240, max(6.9 * len(place) for place in places))
    heads = [_cut(module, 26) for module in modules]
    longest = max(map(len, heads))
    slanted = longest > 8
    top = 14 + 3.7 * longest if slanted else 24
    x, y = ({name: i for i, name in enumerate(names)} for names in (modules, places))
    seen: dict[tuple[str, str], Cell] = {}
    for index, row in rows:
        key = measures.place(row), measures.module(row)
        kind, text = shaded(row, measure, bounds)
        seen.setdefault(key, Cell(left + 66 * x[key[1]], top + 27 * y[key[0]], text, kind, index))
    return templates.rendered(
        "heat.svg.jinja",
        title=f"{measure.title if measure else 'status'} of {rows[0][1].source}",
        cells=list(seen.values()),
        columns=[(left + 66 * i + 32, head) for i, head in enumerate(heads)],
        lines=[(top + 27 * i + 17, _cut(place, 34)) for place, i in y.items()],
        left=left,
        top=top,
        slanted=slanted,
        width=left + 66 * len(modules) + (max(4, 5.7 * longest - 34) if slanted else 4),
        height=top + 27 * len(places) + 6,
    )


def shaded(row: Row, measure: Measure | None, bounds: Sequence[float]) -> tuple[str, str]:
    """The style sheet's class and the text of a cell."""
    value = measure.value(row) if measure else None
    if row.status != "passed":
        return row.status, row.status
    return (f"h{bisect_right(bounds, value)}", measure.text(value)) if measure and value is not None else ("none", "–")


@dataclass(frozen=True)
class Spread:
    """The intervals of the latency's ratio, and how many of the variants they are."""

    svg: str
    shown: int
    of: int


def spread(rows: Sequence[Row]) -> Spread | None:
    """The latency of each variant beside its base, with the quartiles; of very many the fastest and the slowest."""
    timed = [(i, row) for i, row in enumerate(rows) if row.costs.ratio]
    known = sorted(timed, key=lambda each: measures.LATENCY.value(each[1]) or 0.0)
    if not known:
        return None
    half = SHOWN // 2
    shown = known if len(known) <= SHOWN else known[:half] + known[-half:]
    every = [value for _, row in shown for value in row.costs.ratio or ()]
    across = scales.scale([1.0, *every], 366, 680, zero=False)
    kinds = colours(rows)
    lines = [_interval(row, index, 46 + 20 * i, across, kinds) for i, (index, row) in enumerate(shown)]
    svg = templates.rendered(
        "spread.svg.jinja",
        title="latency of the variant / latency of the base",
        lines=lines,
        ticks=across.marks(formats.times),
        one=across.at(1.0),
        cut=46 + 20 * half - 10 if len(known) > SHOWN else None,
        height=46 + 20 * len(shown) + 8,
    )
    return Spread(svg, len(shown), len(known))


def _interval(row: Row, index: int, y: float, across: scales.Scale, kinds: dict[str, str]) -> Interval:
    assert row.costs.ratio
    low, middle, high = row.costs.ratio
    label = measures.named(row)
    times = " → ".join(map(formats.seconds, row.costs.latency)) if row.costs.latency else ""
    places = (across.at(low), across.at(middle), across.at(high))
    return Interval(y, *places, _cut(label, 52), formats.times(middle), times, kinds[row.module], index)


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else f"{text[: length - 1]}…"
