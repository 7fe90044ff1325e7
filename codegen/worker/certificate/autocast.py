"""It runs under `torch.autocast` in bfloat16, forward and backward."""

from __future__ import annotations

import torch

from codegen.worker.certificate import Specimen, fresh, given, run, telling, untrainable
from codegen.worker.certificate._half import moved, told
from codegen.worker.checks import Outcome, _compare, failed, passed, skipped

ORDER = 70


def check(specimen: Specimen) -> Outcome:
    """Run it in training, and compare what it returns in eval with what it returns in float32."""
    if untrainable(specimen):
        return skipped("it fails in training")
    x = given(specimen)
    try:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            outputs = _compare.floating(run(telling(fresh(specimen)).train(), x.requires_grad_()))
        if losses := [t.float().square().mean() for t in outputs if t.requires_grad]:
            torch.stack(losses).sum().backward()  # type: ignore[no-untyped-call]
        module = telling(fresh(specimen)).eval()
        with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
            found = run(module, x)
    except Exception as error:  # told
        return told(error, "under bfloat16 autocast")
    with torch.no_grad():
        difference = moved(run(module, x), found)
    if difference is None:
        return failed("gives values that are not finite under bfloat16 autocast")
    return passed(f"{difference:.2g} from float32 (relative)")
