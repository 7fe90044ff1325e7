"""Whether what a class makes in its `__init__` is left alone by the rest of the model's construction. Measured on a build."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterable

import torch
from torch import nn

from codegen.worker import models
from codegen.worker.checks import _compare
from codegen.worker.setup import Setup

State = dict[str, torch.Tensor]
PROBE = "codegen_probe"


def is_settled(small: Setup, classes: Iterable[type]) -> bool:
    """Build the model with a probe of common layers in every object of these classes: it must keep its numbers, and the
    model must get the numbers that it gets without.

    False for hosts that initialise all their modules again (`self.apply(...)`, loops over `self.modules()`).
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
    try:
        plain = _built(small)
        with contextlib.ExitStack() as stack:
            for cls in wanted:
                stack.enter_context(models.constructed(cls, plant))
            probed = _built(small)
    except Exception:  # noqa: BLE001 - a model that cannot be built with a further child is none that leaves it alone
        return False
    kept = all(_compare.same(value, probe.state_dict()[key]) for probe, state in probes for key, value in state.items())
    return kept and all(_compare.same(value, probed.get(name)) for name, value in plain.items())


def _built(small: Setup) -> State:
    torch.manual_seed(0)
    with models.overriding(small.root, small.overrides):
        model = models.build(small.module, small.build, "cpu")
    return dict(itertools.chain(model.named_parameters(), model.named_buffers()))
