"""It keeps the shape of its tensor at every size: on a map that is odd and not square, on another, on a single position."""

from __future__ import annotations

import math
from collections.abc import Sequence

from codegen.worker.certificate import Grid, Specimen, sizes
from codegen.worker.certificate._sizes import tries
from codegen.worker.checks import Outcome, failed, passed

ORDER = 20
SHOWN = 4  # sizes


def check(specimen: Specimen) -> Outcome:
    """Run it at several sizes, and say what those have in common at which it works."""
    made = tries(specimen)
    first = made[: len(sizes(specimen.width))]
    wrong = next((t for t in first if t.status != "kept"), None)
    if wrong is None:
        return passed(", ".join(t.given for t in first))
    single = wrong.grid == (1, 1)
    if wrong.status == "changed":
        where = " on a single position" if single else ""
        return failed(f"changes the shape{where}: {wrong.given} becomes {wrong.detail}")
    fails = f"fails on {'a single position, ' if single else ''}{wrong.given}: {wrong.detail}"
    works = sorted((t.grid for t in made if t.status == "kept"), key=lambda grid: grid[0] * grid[1])
    return failed(fails if single or not works else f"{_word(specimen, works)}; {fails}")


def _word(specimen: Specimen, works: Sequence[Grid]) -> str:
    """`fixed H and W: works at 14x14 only`."""
    if set(works) == {(1, 1)}:
        return "works on a single position only"
    works = [grid for grid in works if grid != (1, 1)]
    tokens, prefix = specimen.layout.kind in ("NLC", "NCL"), specimen.layout.prefix
    names = [*dict.fromkeys(str(r * c + prefix) if tokens else f"{r}x{c}" for r, c in works)]
    at = f"works at {', '.join(names[:SHOWN])}" + (" ..." if len(names) > SHOWN else "")
    at += " positions" if tokens else ""
    if len(names) == 1:
        return f"{'fixed length' if tokens else 'fixed H and W'}: {at} only"
    if all(math.isqrt(r * c) ** 2 == r * c if tokens else r == c for r, c in works):
        behind = f" behind {prefix} prefix" if prefix else ""
        return f"a square {f'number of tokens{behind}' if tokens else 'map'} only: {at}"
    common = 0 if tokens else math.gcd(*(side for grid in works for side in grid))
    return f"H and W must be multiples of {common}: {at}" if common > 1 else f"at some sizes only: {at}"
