"""In eval each sample goes by itself: what another one of its batch is changes nothing."""

from __future__ import annotations

import torch
from torch import Tensor

from codegen.worker.certificate import Specimen, fresh, given, run, telling
from codegen.worker.checks import Outcome, _compare, failed, passed

ORDER = 25


def check(specimen: Specimen) -> Outcome:
    """Two samples, and the first of them beside another one: an attention that takes the batch for the tokens is told here."""
    module, pair = telling(fresh(specimen)).eval(), given(specimen)
    other = torch.cat([pair[:1], given(specimen, seed=1)[1:]])
    with torch.no_grad():
        outputs = [run(module, x) for x in (pair, other)]
    if not all(isinstance(output, Tensor) and len(output) == 2 for output in outputs):
        return passed()  # the check of the shape has told it
    if difference := _compare.close(*(output[0] for output in outputs)):
        what = f"beside another one, the first sample's {difference.removeprefix('output: ')}"
        return failed(f"mixes the samples of a batch: {what} (is batch_first missing?)")
    return passed()
