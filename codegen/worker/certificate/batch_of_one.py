"""A batch of 1, in eval and in training: batch norm over a single value cannot be trained on one, `squeeze` drops it."""

from __future__ import annotations

import torch
from torch import Tensor

from codegen.worker.certificate import Specimen, fresh, given, run, shown, untrainable
from codegen.worker.checks import Outcome, failed, passed, skipped
from codegen.worker.checks._placing import reason

ORDER = 30


def check(specimen: Specimen) -> Outcome:
    """One sample returns what one of two does, in its shape."""
    for training in (False, True):
        where = "on a batch of 1 in training" if training else "on a batch of 1"
        if training and untrainable(specimen):
            return skipped("it fails in training on any batch")
        _, two = _output(specimen, 2, training)
        error, one = _output(specimen, 1, training)
        if error:
            return failed(f"fails {where}: {error}")
        if isinstance(one, Tensor) and isinstance(two, Tensor) and one.shape != (1, *two.shape[1:]):
            return failed(f"gives another shape {where}: {shown(given(specimen, batch=1))} becomes {shown(one)}")
    return passed(shown(given(specimen, batch=1)))


def _output(specimen: Specimen, batch: int, training: bool) -> tuple[str, object]:
    try:
        with torch.no_grad():
            return "", run(fresh(specimen).train(training), given(specimen, batch=batch))
    except Exception as error:  # judged by the caller: what the other batch does decides what it means
        return reason(error), None
