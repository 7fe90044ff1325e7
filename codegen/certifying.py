"""A module expression -> Certificate: the module by itself, in every layout that it takes. Prints nothing.

Here each layout's module is only written as a text; the child runs it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from codegen import composing
from codegen.child import Child
from codegen.errors import CodegenError
from codegen.traced import HostClass, Layout, TracedModule, Width
from codegen.types import Check, Component, Request, Site

LAYOUTS = (  # in the order in which they are tried; the child makes grids of several sizes
    Layout("NCHW"),
    Layout("NLC", 0, (13, 7), "grid_given"),
    Layout("NLC", 1, (13, 7), "grid_given"),
    Layout("NHWC"),
    Layout("NC"),
    Layout("NCL"),
)
KINDS = tuple(dict.fromkeys(layout.kind for layout in LAYOUTS))
WIDTH, MAKE = "width_given", "made_for_certificate"


@dataclass(frozen=True)
class Fitting:
    """A layout and what the module makes of it: "takes", "differs" (it computes something else there) or "refuses"."""

    layout: Layout
    status: str
    detail: str = ""
    checks: tuple[Check, ...] = ()


@dataclass(frozen=True)
class Certificate:
    """What was found. checks: those of all the layouts that it takes, as one; of the nearest one where it takes none."""

    module: str
    construct: str
    width: int
    parameters: int
    layouts: tuple[Fitting, ...]
    checks: tuple[Check, ...]
    notes: tuple[str, ...] = ()

    @property
    def failed(self) -> bool:
        """Whether it fails in anything."""
        return any(check.status == "failed" for check in self.checks)


@dataclass(frozen=True)
class Written:
    """The module written for a layout; refusal: why it cannot be."""

    layout: Layout
    component: Component | None
    refusal: str = ""

    @property
    def text(self) -> str:
        """A file of Python that makes the module."""
        made = self.component
        assert made is not None
        imports = sorted(dict.fromkeys(made.imports), key=lambda line: not line.startswith("from __future__"))
        make = f"def {MAKE}({WIDTH}, grid_given):\n    import torch\n    from torch import nn\n\n    return {made.construct}\n"
        return "\n\n\n".join(["\n".join(imports), made.code.strip("\n"), make])


@dataclass(frozen=True)
class Trial:
    """What the child says of a module in a layout."""

    written: Written
    request: dict[str, Any]
    answer: dict[str, Any]

    @property
    def keeps(self) -> bool:
        """Whether it builds there, keeps the shape, and each sample by itself."""
        return all(check["status"] == "passed" for check in self.answer["checks"])

    @property
    def refusal(self) -> str:
        """What speaks against it."""
        return next((str(c["detail"]) for c in self.answer["checks"] if c["status"] == "failed"), "")


def run(request: Request, width: int, kind: str = "") -> Certificate:
    """Certify `request.module` at a width, in one kind of layout or in each of `KINDS`.

    Raises what `composing.resolve` raises, and "model-timeout", "model-exited" and the like.
    """
    written = write(request, width, kind)
    try:
        with Child(request.limits) as child:
            return certified(child, request, width, written)
    except CodegenError as error:
        if error.name != "model-timeout":
            raise
        what = error.message.replace("model's", "module's")
        hint = "give it longer with --timeout SECONDS, or certify it in one layout only with --layout"
        raise replace(error, message=what, hint=hint) from None


def write(request: Request, width: int, kind: str = "") -> list[Written]:
    """The module for each layout. Raises what `composing.resolve` raises where that holds for every layout."""
    made, errors = [], []
    for layout in (layout for layout in LAYOUTS if kind in ("", layout.kind)):
        host = HostClass("Certified", "", 1, ("",))
        site = Site("certified", "certified", host, TracedModule("", "", 1), layout, Width(WIDTH, width, "name"))
        try:
            made.append(Written(layout, composing.resolve(replace(request, operation=""), site)))  # nothing is edited
        except CodegenError as error:
            if error.name != "module-does-not-fit":
                raise
            errors.append(error)
            made.append(Written(layout, None, error.message))
    if len(errors) == len(made):
        raise errors[0]
    return made


def certified(
    child: Child, request: Request, width: int, written: Sequence[Written], without: Collection[str] = ()
) -> Certificate:
    """The certificate of a module, in a child that is there. without: names of checks that are not made."""
    trials = {w.layout: _fit(child, w, width) for w in written if w.component}
    fittings = [_fitting(w, trials) for w in written]
    judged = [f.layout for f in fittings if f.status == "takes"] or [_nearest([*trials.values()])]
    fittings = [_checked(child, f, trials[f.layout], without) if f.layout in judged else f for f in fittings]
    first = trials[judged[0]]
    notes = [note for w in written if w.component for note in w.component.notes]
    return Certificate(
        request.module,
        first.request["construct"],
        width,
        first.answer["parameters"],
        tuple(fittings),
        tuple(_together([f for f in fittings if f.checks])),
        tuple(dict.fromkeys(notes)),
    )


def _fit(child: Child, written: Written, width: int) -> Trial:
    made = written.component
    assert made is not None
    shown = re.sub(rf"\b{WIDTH}\b", str(width), made.construct).replace("grid_given", "grid")
    request = {
        "text": written.text,
        "make": MAKE,
        "construct": shown,
        "layout": {"kind": written.layout.kind, "prefix": written.layout.prefix},
        "width": width,
    }
    return Trial(written, request, child.ask("fit", request))


def _fitting(written: Written, trials: dict[Layout, Trial]) -> Fitting:
    trial = trials.get(written.layout)
    if trial is None or not trial.keeps:
        return Fitting(written.layout, "refuses", trial.refusal if trial else written.refusal)
    first = next(t for t in trials.values() if t.keeps and t.answer["sample"] or t is trial)
    if first.written.text == trial.written.text and not _alike(first.answer["sample"], trial.answer["sample"]):
        what = f"it runs, but computes something else than in {named(first.written.layout)}"
        return Fitting(written.layout, "differs", what)
    return Fitting(written.layout, "takes")


def _alike(one: Sequence[float], other: Sequence[float]) -> bool:
    """Whether the same content gave the same values; no values say nothing."""
    pairs = zip(one, other, strict=False)
    return all(math.isclose(a, b, rel_tol=1e-3, abs_tol=1e-4) or a != a and b != b for a, b in pairs)


def _nearest(trials: Sequence[Trial]) -> Layout:
    """The layout to speak of where none is taken."""
    return max(trials, key=lambda trial: float(trial.answer["near"])).written.layout


def _checked(child: Child, fitting: Fitting, trial: Trial, without: Collection[str]) -> Fitting:
    more = child.ask("certify", {**trial.request, "grid": trial.answer["grid"], "without": [*without]})
    return replace(fitting, checks=tuple(Check(**check) for check in (*trial.answer["checks"], *more)))


def _together(fittings: Sequence[Fitting]) -> Iterator[Check]:
    """Each check once: failed where it fails in one of the layouts, skipped where it was made in none."""
    for same in zip(*(f.checks for f in fittings), strict=True):
        status = next(s for s in ("failed", "passed", "skipped") if s in [check.status for check in same])
        where: dict[str, list[str]] = {}
        for fitting, check in zip(fittings, same, strict=True):
            if check.status == status:
                where.setdefault(check.detail, []).append(named(fitting.layout))
        details = [f"{', '.join(names)}: {detail}" for detail, names in where.items()]
        everywhere = sum(map(len, where.values())) == len(same) and len(where) == 1
        plain = everywhere or status != "failed"  # of what is well the first layout's words are enough
        yield Check(same[0].name, status, next(iter(where)) if plain else "; ".join(details))


def named(layout: Layout) -> str:
    """`NLC + 1 prefix`."""
    return layout.kind + (f" + {layout.prefix} prefix" if layout.prefix else "")
