"""What is asked of a module before it goes anywhere: each check is one file with an `ORDER` and a `check(specimen)`.

A check's name is its file's name. Files that start with an underscore hold what several checks share.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from codegen.traced import Layout
from codegen.worker.checks._placing import reason

Grid = tuple[int, int]  # rows, columns
SIZES: tuple[tuple[Grid, Grid], ...] = (((13, 7), (8, 10)), ((11, 5), (6, 12)))  # odd and not square; even and wide


@dataclass(frozen=True)
class Specimen:
    """A module on trial in one layout. make(width, grid) constructs it; construct: how, for people."""

    make: Callable[[int, Grid], Any]
    construct: str
    layout: Layout
    width: int
    grid: Grid


def sizes(width: int) -> tuple[Grid, ...]:
    """A map, another one, and a single position: none with a dim that could pass for the channels."""
    dims = {n for rows, columns in SIZES[0] for n in (rows, columns, rows * columns, rows * columns + 1)}
    return (*SIZES[width in dims], (1, 1))


def fresh(specimen: Specimen, *, width: int = 0, grid: Grid | None = None, seed: int = 0) -> nn.Module:
    """A new object of the module, the same one for the same seed. TypeError where it is none; raises what its class raises."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        made = specimen.make(width or specimen.width, grid or specimen.grid)
    if not isinstance(made, nn.Module):
        raise TypeError(f"it gives {type(made).__name__}, not an nn.Module")
    return made


def telling(module: nn.Module) -> nn.Module:
    """The module with no gate closed: parameters near zero hide what happens before them."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in module.parameters():
            if parameter.is_floating_point() and parameter.numel() and parameter.abs().max() < 0.01:
                parameter.copy_(torch.rand(parameter.shape, generator=generator) * 0.4 + 0.1)
    return module


def given(specimen: Specimen, *, batch: int = 2, width: int = 0, grid: Grid | None = None, seed: int = 0) -> Tensor:
    """The tensor that the module gets: the same content in every layout."""
    channels, (rows, columns) = width or specimen.width, grid or specimen.grid
    generator = torch.Generator().manual_seed(seed)
    if specimen.layout.kind == "NC":
        return torch.randn((batch, channels), generator=generator)
    content = torch.randn((batch, channels, rows, columns), generator=generator)
    if specimen.layout.kind == "NCHW":
        return content
    if specimen.layout.kind == "NHWC":
        return content.permute(0, 2, 3, 1).contiguous()
    if specimen.layout.kind == "NCL":
        return content.flatten(2)
    prefix = torch.randn((batch, specimen.layout.prefix, channels), generator=generator)
    return torch.cat([prefix, content.flatten(2).transpose(1, 2)], dim=1)


def run(module: Callable[..., Any], x: Tensor) -> Any:
    """What the module returns, on a copy of the tensor and with the same random numbers each time."""
    torch.manual_seed(0)
    return module(x.clone())


def shown(x: Any) -> str:
    """`2x64x13x7`, or what it is if it is no tensor."""
    return "x".join(map(str, x.shape)) or "a scalar" if isinstance(x, Tensor) else f"a {type(x).__name__}, not a tensor"


def counted(number: int, what: str) -> str:
    """`1,024 parameters`, `1 parameter`."""
    return f"{number:,} {what}{'s' * (number != 1)}"


@functools.lru_cache(maxsize=1)
def untrainable(specimen: Specimen) -> str:
    """Why it cannot be called in training, on two samples; "" where it can. That is told once, by the gradient's check."""
    try:
        with torch.no_grad():
            run(fresh(specimen).train(), given(specimen))
    except Exception as error:  # returned: the caller says what it means
        return reason(error)
    return ""
