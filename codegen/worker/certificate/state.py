"""Copies and checkpoints hold all of it: `copy.deepcopy`, and a state_dict that is saved and loaded into a new object."""

from __future__ import annotations

import copy
import io

import torch
from torch import nn

from codegen.worker.certificate import Specimen, counted, fresh, given, run, telling, untrainable
from codegen.worker.checks import Outcome, _compare, failed, passed
from codegen.worker.checks._placing import reason

ORDER = 140


def check(specimen: Specimen) -> Outcome:
    """After a call in training, so that running statistics have moved."""
    x = given(specimen)
    with torch.no_grad():
        module = telling(fresh(specimen)).train()
        if not untrainable(specimen):
            run(module, given(specimen, seed=1))
        module.eval()
        try:
            copied = copy.deepcopy(module)
        except Exception as error:  # told
            return failed(f"copy.deepcopy fails: {reason(error)}")
        try:
            loaded = _loaded(module, fresh(specimen, seed=1).eval())
        except Exception as error:  # told
            return failed(f"its state_dict does not load into a new one: {reason(error)}")
        expected = run(copy.deepcopy(module), x)
        if difference := _compare.values(expected, run(copied, x)):
            return failed(f"copy.deepcopy gives another module: {difference.removeprefix('output: ')}")
        if difference := _compare.values(expected, run(loaded, x)):
            return failed(f"its state_dict does not hold all of it: {difference.removeprefix('output: ')}")
    return passed(counted(len(module.state_dict()), "tensor"))


def _loaded(module: nn.Module, other: nn.Module) -> nn.Module:
    file = io.BytesIO()
    torch.save(module.state_dict(), file)
    file.seek(0)
    other.load_state_dict(torch.load(file, weights_only=True))
    return other
