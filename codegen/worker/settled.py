"""Whether what a class makes in its `__init__` is left alone by the rest of the model's construction. Measured on a build."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from codegen.worker import models
from codegen.worker.checks import _compare
from codegen.worker.setup import Setup

State = dict[str, torch.Tensor]
PROBE = "codegen_probe"


@dataclass(frozen=True)
class Construction:
    """What the construction of a model does with its blocks.

    settled: what a block makes is left alone; False for models that initialise all their modules again (`self.apply(...)`,
    loops over `self.modules()`). early: the classes whose objects run before the model is made, to learn a size, say.
    """

    settled: bool
    early: tuple[str, ...] = ()


def watched(small: Setup, classes: Iterable[type]) -> Construction:
    """Build the model with a probe of common layers in every object of these classes: it must keep its numbers, and the
    model must get the numbers that it gets without.
    """
    probes: list[tuple[nn.Module, State]] = []

    def plant(module: nn.Module) -> None:
        if PROBE in module._modules:
            return  # a class that it derives from has one already
        with torch.random.fork_rng(devices=[]):
            probe = nn.Sequential(nn.Linear(4, 4), nn.Conv2d(4, 4, 1), nn.Conv1d(4, 4, 1), nn.LayerNorm(4))
        module._modules[PROBE] = probe
        probes.append((probe, {key: value.clone() for key, value in probe.state_dict().items()}))

    wanted = set(classes)
    early: set[str] = set()
    try:
        with _running(early):
            plain = _built(small)
        with contextlib.ExitStack() as stack:
            for cls in wanted:
                stack.enter_context(models.constructed(cls, plant))
            probed = _built(small)
    except Exception:  # noqa: BLE001 - a model that cannot be built with a further child is none that leaves it alone
        return Construction(False, tuple(sorted(early)))
    kept = all(_compare.same(value, probe.state_dict()[key]) for probe, state in probes for key, value in state.items())
    same = all(_compare.same(value, probed.get(name)) for name, value in plain.items())
    return Construction(kept and same, tuple(sorted(early)))


@contextlib.contextmanager
def _running(names: set[str]) -> Iterator[None]:
    """While active, note the classes of all modules that run."""
    original = nn.Module.__call__

    def noted(module: nn.Module, *args: Any, **kwargs: Any) -> Any:
        names.update(cls.__qualname__ for cls in type(module).__mro__ if issubclass(cls, nn.Module))
        return original(module, *args, **kwargs)

    nn.Module.__call__ = noted  # type: ignore[method-assign]
    try:
        yield
    finally:
        nn.Module.__call__ = original  # type: ignore[method-assign]


def _built(small: Setup) -> State:
    torch.manual_seed(0)
    with models.overriding(small.root, small.overrides):
        model = models.build(small.module, small.build, "cpu")
    return dict(itertools.chain(model.named_parameters(), model.named_buffers()))
