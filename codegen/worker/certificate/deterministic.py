"""Two calls in eval on the same tensor return the same."""

from __future__ import annotations

import torch

from codegen.worker.certificate import Specimen, fresh, given, telling
from codegen.worker.checks import Outcome, _compare, failed, passed

ORDER = 40


def check(specimen: Specimen) -> Outcome:
    """Call it twice, with other random numbers."""
    module, x = telling(fresh(specimen)).eval(), given(specimen)
    outputs = []
    with torch.no_grad():
        for seed in range(2):
            torch.manual_seed(seed)
            outputs.append(module(x.clone()))
    difference = _compare.values(*outputs)
    return failed(f"not deterministic in eval: {difference.removeprefix('output: ')}") if difference else passed()
