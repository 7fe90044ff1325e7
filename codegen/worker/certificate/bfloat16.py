"""With all its weights in bfloat16 it takes a tensor of that type and returns one."""

from __future__ import annotations

import torch
from torch import Tensor

from codegen.worker.certificate import Specimen, fresh, given, run, telling
from codegen.worker.certificate._half import moved, told
from codegen.worker.checks import Outcome, failed, passed

ORDER = 80


def check(specimen: Specimen) -> Outcome:
    """Run `module.bfloat16()` in eval."""
    x = given(specimen)
    with torch.no_grad():
        single = run(telling(fresh(specimen)).eval(), x)
        try:
            half = run(telling(fresh(specimen)).eval().bfloat16(), x.bfloat16())
        except Exception as error:  # told
            return told(error, "with weights in bfloat16")
    if isinstance(half, Tensor) and half.dtype != torch.bfloat16:
        return failed(f"gives {str(half.dtype).removeprefix('torch.')} for bfloat16: the next layer would fail")
    difference = moved(single, half)
    if difference is None:
        return failed("gives values that are not finite in bfloat16")
    return passed(f"{difference:.2g} from float32 (relative)")
