"""The inserted module's own initialisation survives the host's: after the build it holds what it was made with."""

from __future__ import annotations

import contextlib

import torch
from torch import nn

from codegen.worker import models
from codegen.worker.checks import Outcome, _compare, failed, passed, skipped
from codegen.worker.checks._sites import inserted_modules
from codegen.worker.subject import Subject

ORDER = 70
OF_INSERTED = True

State = dict[str, torch.Tensor]


def check(subject: Subject) -> Outcome:
    """Build the variant while every new module of the inserted class is photographed at the end of its construction."""
    classes = {type(module) for _, module in inserted_modules(subject.plan, subject.shown("variant"))}
    made: dict[int, tuple[nn.Module, State]] = {}  # the module is kept: an id is its own only while it lives

    def photograph(module: nn.Module) -> None:
        if type(module) in classes:
            made[id(module)] = module, {key: value.clone() for key, value in module.state_dict().items()}

    with contextlib.ExitStack() as stack:
        for cls in classes:
            stack.enter_context(models.constructed(cls, photograph))
        model = subject.build("variant")
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
