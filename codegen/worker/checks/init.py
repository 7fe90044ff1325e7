"""The inserted module's own initialisation survives the host's: its tensors after the build are those it was made with."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import torch
from torch import nn

from codegen.worker.checks import Outcome, _compare, failed, passed, skipped
from codegen.worker.checks._sites import inserted_modules
from codegen.worker.subject import Subject

ORDER = 70

State = dict[str, torch.Tensor]


def check(subject: Subject) -> Outcome:
    """Build the variant while every new module of the inserted class is photographed at the end of its construction."""
    classes = {type(module) for _, module in inserted_modules(subject.plan, subject.pair()[1])}
    with contextlib.ExitStack() as stack:
        photographs = [stack.enter_context(_photographed(cls)) for cls in classes]
        model = subject.build("variant")
    made = {key: value for found in photographs for key, value in found.items()}
    modules = inserted_modules(subject.plan, model)
    if not any(module.state_dict() for _, module in modules):
        return passed("no state")
    for name, module in modules:
        if id(module) not in made:
            return skipped(f"{name} was copied, not constructed: how it started is not known")
        before, after = made[id(module)][1], module.state_dict()
        changed = [key for key in before if not _compare.same(before[key], after.get(key))]
        if changed or before.keys() != after.keys():
            return failed(f"{name}: {', '.join(changed) or 'its set of tensors'} changed after its own initialisation")
    return passed()


@contextlib.contextmanager
def _photographed(cls: type[nn.Module]) -> Iterator[dict[int, tuple[nn.Module, State]]]:
    """While active, what each new instance of exactly `cls` holds at the end of its construction, by id."""
    own, original = vars(cls).get("__init__"), cls.__init__
    made: dict[int, tuple[nn.Module, State]] = {}

    def construct(self: nn.Module, *args: Any, **kwargs: Any) -> None:
        original(self, *args, **kwargs)
        if type(self) is cls:
            made[id(self)] = self, {key: value.clone() for key, value in self.state_dict().items()}

    cls.__init__ = construct  # type: ignore[method-assign]
    try:
        yield made
    finally:
        if own is None:
            del cls.__init__
        else:
            cls.__init__ = own  # type: ignore[method-assign]
