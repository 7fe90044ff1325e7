"""How long models run, side by side: in turns, warm, quietly. Builds no model and judges no number."""

from __future__ import annotations

import contextlib
import gc
import math
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch

THREADS = torch.get_num_threads()  # torch's own choice: read before `alone`
WARM_UP = 3  # rounds that are not counted
SHORTEST = 0.005  # seconds of a sample: shorter runs are repeated within it

Call = Callable[[], object]
Quartiles = tuple[float, float, float]


@dataclass(frozen=True)
class Timed:
    """Seconds of one call, over all rounds: lower quartile, median, upper quartile; and ratios to the first of each round."""

    seconds: Quartiles
    ratio: Quartiles


def paired(calls: Sequence[Call], rounds: int, device: str = "cpu") -> list[Timed]:
    """Time the calls in rounds, forwards and backwards in turn (A B, B A ...): what disturbs one round disturbs all in it."""
    with _quiet():
        for _ in range(WARM_UP):
            warm = [_sample(call, 1, device) for call in calls]
        repeats = [max(1, math.ceil(SHORTEST / seconds)) for seconds in warm]
        found: list[list[float]] = [[] for _ in calls]
        for number in range(rounds):
            order = range(len(calls))
            for index in order if number % 2 == 0 else reversed(order):
                found[index].append(_sample(calls[index], repeats[index], device))
    ratios = ([own / base for own, base in zip(each, found[0], strict=True)] for each in found)
    return [Timed(quartiles(each), quartiles(ratio)) for each, ratio in zip(found, ratios, strict=True)]


def quartiles(values: Sequence[float]) -> Quartiles:
    """Lower quartile, median, upper quartile."""
    if len(values) < 2:
        return values[0], values[0], values[0]
    low, median, high = statistics.quantiles(values, n=4, method="inclusive")
    return low, median, high


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """No collection of garbage in between."""
    gc.collect()
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


def alone() -> None:
    """One thread of torch in this process, until `threads` says otherwise."""
    torch.set_num_threads(1)


@contextlib.contextmanager
def threads(count: int) -> Iterator[None]:
    """So many threads of torch."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _sample(call: Call, repeats: int, device: str) -> float:
    """Seconds of one call, the mean of `repeats`."""
    if device == "cuda":  # a call returns before the GPU is done: its own clock counts
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))  # type: ignore[no-untyped-call]
        torch.cuda.synchronize()
        start.record()
        for _ in range(repeats):
            call()
        end.record()
        end.synchronize()
        return float(start.elapsed_time(end)) / 1000 / repeats
    begin = time.perf_counter()
    for _ in range(repeats):
        call()
    return (time.perf_counter() - begin) / repeats
