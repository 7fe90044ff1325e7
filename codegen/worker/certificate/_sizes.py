"""At which sizes of the map a module runs and keeps its tensor's shape: a few at first, more where it fails on one."""

from __future__ import annotations

import functools
import itertools
import math
from dataclasses import dataclass

import torch
from torch import Tensor

from codegen.worker.certificate import Grid, Specimen, fresh, given, run, shown, sizes
from codegen.worker.checks._placing import reason

USUAL: tuple[Grid, ...] = (*((n, n) for n in (4, 6, 7, 8, 12, 14, 16, 24, 28, 32, 48, 56)), (8, 16), (16, 8), (14, 28))
LARGEST = 112  # a side; more takes long, and no map of a backbone is as large that has a fixed size
MOST = 40


@dataclass(frozen=True)
class Try:
    """One run. status: "kept", "changed" (another shape, or no tensor: the detail says what) or "fails" (why)."""

    grid: Grid
    given: str
    status: str
    detail: str = ""


@functools.lru_cache(maxsize=1)
def tries(specimen: Specimen) -> tuple[Try, ...]:
    """The runs at the first sizes, one only where the layout has no positions; where one fails, at other sizes too."""
    if specimen.layout.kind == "NC":
        return (tried(specimen, specimen.grid),)
    first = [tried(specimen, grid) for grid in sizes(specimen.width)]
    if first[0].status == "changed" or all(each.status == "kept" for each in first[:2]):
        return tuple(first)
    return (*first, *(tried(specimen, grid) for grid in _more(specimen)))


def usable(specimen: Specimen) -> Grid | None:
    """A size at which it runs, at best one at which the shape stays."""
    ran = [t for t in tries(specimen) if t.status != "fails"]
    ran.sort(key=lambda t: (t.status != "kept", t.grid == (1, 1), t.grid != specimen.grid, t.grid[0] * t.grid[1]))
    return ran[0].grid if ran else None


def nearness(specimen: Specimen) -> float:
    """How near it is to taking the layout: at how many sizes the shape stays; else less than one, and 0 where it never runs."""
    made = tries(specimen)
    kept = sum(t.status == "kept" for t in made)
    return kept or (0.5 if made[0].status == "changed" else 0.25 if usable(specimen) else 0.0)


def tried(specimen: Specimen, grid: Grid) -> Try:
    """A new object of the module run once in eval."""
    x = given(specimen, grid=grid)
    try:
        with torch.no_grad():
            output = run(fresh(specimen, grid=grid).eval(), x)
    except Exception as error:  # kept: what it means is judged by the check, which names it
        return Try(grid, shown(x), "fails", reason(error))
    if not isinstance(output, Tensor) or output.shape != x.shape:
        return Try(grid, shown(x), "changed", shown(output))
    if output.dtype != x.dtype:
        return Try(grid, shown(x), "changed", f"{shown(output)} of {str(output.dtype).removeprefix('torch.')}")
    return Try(grid, shown(x), "kept")


def _more(specimen: Specimen) -> list[Grid]:
    """Other sizes: those that the module's own tensors are of, then the usual ones; none that could pass for the channels."""
    found = [grid for grid in (*_own(specimen), *USUAL) if grid not in sizes(specimen.width)]
    positions = specimen.layout.kind in ("NLC", "NCL")
    lengths = {g: g[0] * g[1] + specimen.layout.prefix for g in found}
    clear = [g for g in found if (lengths[g] != specimen.width if positions else specimen.width not in g)]
    return [*dict.fromkeys(clear)][:MOST]


def _own(specimen: Specimen) -> list[Grid]:
    module, prefix, tokens = fresh(specimen), specimen.layout.prefix, specimen.layout.kind in ("NLC", "NCL")
    shapes = {tuple(t.shape) for t in itertools.chain(module.parameters(), module.buffers())}
    shapes |= {tuple(v.shape) for m in module.modules() for v in vars(m).values() if isinstance(v, Tensor)}
    found: list[Grid] = []
    for dims in sorted(shapes, key=len, reverse=True):
        found += [pair for pair in itertools.pairwise(dims) if all(1 < n <= LARGEST and n != specimen.width for n in pair)]
        for length in (n - prefix for n in dims if 1 < n - prefix <= LARGEST**2 and n != specimen.width):
            side = math.isqrt(length)
            square, row = side * side == length, tokens and length <= LARGEST * 16  # a map with a side of 1 is broadcast
            found += [(side, side)] if square else [(length, 1)] if row else []
    return found
