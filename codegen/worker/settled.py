"""Whether what a class makes in its `__init__` is left alone by the rest of the model's construction. Measured on a build."""

from __future__ import annotations

import contextlib
import functools
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

    restless: the classes whose objects do not keep what they make, in a model that initialises modules again
    (`self.apply(...)`, loops over `self.modules()`). early: those whose objects run before the model is made, to learn a
    size, say.
    """

    restless: tuple[str, ...] = ()
    early: tuple[str, ...] = ()


def watched(small: Setup, classes: Iterable[type]) -> Construction:
    """Build the model with a probe of common layers in every object of these classes: it must keep its numbers, and the
    model must get the numbers that it gets without. Where not, the classes whose probes are left alone are tried by
    themselves: a backbone that initialises its own modules says nothing of the head that is put onto it.
    """
    wanted = list(classes)
    early: set[str] = set()
    quiet = wanted
    try:
        with _running(early):
            plain = _built(small)
        for _ in range(2):
            touched = _touched(small, quiet, plain)
            if not touched:
                break
            quiet = [cls for cls in quiet if cls.__qualname__ not in touched]
        else:
            quiet = []
    except Exception:  # noqa: BLE001 - a model that cannot be built with a further child is none that leaves it alone
        quiet = []
    restless = {cls.__qualname__ for cls in wanted} - {cls.__qualname__ for cls in quiet}
    return Construction(tuple(sorted(restless)), tuple(sorted(early)))


def _touched(small: Setup, classes: Iterable[type], plain: State) -> set[str]:
    """Those of the classes whose probes get other numbers, and then those that the build has no object of; all of them where
    no probe does, but the model itself does.
    """
    probes: dict[nn.Module, tuple[State, set[str]]] = {}

    def plant(name: str, module: nn.Module) -> None:
        if PROBE not in module._modules:  # else a class that it derives from has planted one
            with torch.random.fork_rng(devices=[]):
                probe = nn.Sequential(nn.Linear(4, 4), nn.Conv2d(4, 4, 1), nn.Conv1d(4, 4, 1), nn.LayerNorm(4))
            module._modules[PROBE] = probe
            probes[probe] = ({key: value.clone() for key, value in probe.state_dict().items()}, set())
        if (planted := module._modules[PROBE]) is not None:
            probes[planted][1].add(name)

    with contextlib.ExitStack() as stack:
        for cls in classes:
            stack.enter_context(models.constructed(cls, functools.partial(plant, cls.__qualname__)))
        probed = _built(small)
    touched: set[str] = set()
    for probe, (state, names) in probes.items():
        if not all(map(_compare.same, state.values(), probe.state_dict().values())):
            touched |= names
    planted = {name for _, names in probes.values() for name in names}
    if touched:  # blocks of another kind, further down than the small build goes
        touched |= {cls.__qualname__ for cls in classes} - planted
    same = all(_compare.same(value, probed.get(name)) for name, value in plain.items())
    return touched or (set() if same else {cls.__qualname__ for cls in classes})


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
