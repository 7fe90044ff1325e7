"""The tensor that it gets stays as it was."""

from __future__ import annotations

import torch

from codegen.worker.certificate import Specimen, fresh, given, telling, untrainable
from codegen.worker.checks import Outcome, _compare, failed, passed

ORDER = 50


def check(specimen: Specimen) -> Outcome:
    """Call it, in eval and, where it can be trained, in training; look at the tensor afterwards."""
    for training in (False, True)[: 1 if untrainable(specimen) else 2]:
        x = given(specimen)
        before = x.clone()
        with torch.no_grad():
            telling(fresh(specimen)).train(training)(x)
        if not _compare.same(before, x):
            return failed("changes its input in place" + (" in training" if training else ""))
    return passed()
