"""The nouns of a sweep, frozen, in the order in which they are made: Cell -> Row, and a Base for each source."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from codegen.types import Request

STATUSES = ("passed", "refused", "failed")
COSTS = ("flops", "memory", "latency", "export")  # what is measured where it is asked for; parameters and drift always are


@dataclass(frozen=True)
class Settings:
    """How the cells of a sweep are made."""

    folder: Path  # of the sweep: variants go to `variants/` in it
    full: bool = False  # the whole contract, not the quick one
    isolate: str = ""  # "fork": each variant is proved in a process of its own
    costs: tuple[str, ...] = ()  # of COSTS
    device: str = "cpu"  # where latency is measured
    compiled: bool = False  # latency of the compiled models


@dataclass(frozen=True)
class Cell:
    """One variant that a grid asks for."""

    number: int  # its place in the grid, from 0
    key: str  # digest of what it is made from: request, source, module files, version of codegen, what is measured
    request: Request

    @property
    def arguments(self) -> str:
        """The module's arguments as on the command line: `reduction=8 act=gelu`."""
        return " ".join(f"{name}={value}" for name, value in self.request.arguments)


@dataclass(frozen=True)
class Costs:
    """What a model costs, of the base and of the variant: (base, variant). None: not measured, or not measurable."""

    flops: tuple[int, int] | None = None  # of one forward at batch 1; a multiply-add counts two
    memory: tuple[int, int] | None = None  # bytes at the peak of a training step of two, beyond parameters and gradients
    latency: tuple[float, float] | None = None  # seconds: the median of paired runs
    ratio: tuple[float, float, float] | None = None  # variant / base of the pairs: lower quartile, median, upper quartile
    export: str = ""  # torch.export: "passed", "failed", "skipped" (the base fails), "" (not asked for, not measurable)
    reasons: tuple[str, ...] = ()  # why something was not measured: "latency: torch sees no GPU here"


def costs(answer: Mapping[str, Any]) -> Costs:
    """What the worker answers to `costs` (JSON: lists), or what a store kept of a Costs, as Costs."""
    values: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in answer.items()}
    return Costs(**values)


@dataclass(frozen=True)
class Row:
    """What became of one cell."""

    key: str
    number: int
    source: str
    operation: str
    site: str
    module: str
    arguments: str
    command: str  # the command line that makes the variant again
    status: str  # "passed"; "refused": an error that names what does not fit; "failed": the contract, a crash, a time-out
    error: str = ""  # the error's name, "" where it passed
    message: str = ""
    hint: str = ""
    output: str = ""  # the variant's file, from the sweep's folder
    diff: str = field(default="", repr=False)  # base -> variant, unified
    record: dict[str, Any] = field(default_factory=dict, repr=False)  # what `codegen insert --json` says of the variant
    parameters: int | None = None  # of the base
    new_parameters: int | None = None
    drift: float | None = None
    costs: Costs = Costs()
    seconds: float = 0.0


@dataclass(frozen=True)
class Base:
    """A source of the grid as it was measured once, for the report's pictures."""

    source: str
    distribution: str  # "timm 1.0.31"
    structure: dict[str, Any] = field(repr=False)  # what `codegen sites --json` says
