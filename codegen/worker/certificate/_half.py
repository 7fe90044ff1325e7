"""What a run in bfloat16 came to: an error, or how far from float32 it is."""

from __future__ import annotations

from typing import Any

import torch

from codegen.worker.checks import Outcome, _compare, failed, skipped
from codegen.worker.checks._placing import reason

NOT_HERE = ("not implemented for 'BFloat16'", "could not create a primitive")  # the CPU's, not the module's


def told(error: Exception, how: str) -> Outcome:
    """The error of a run, skipped where only this CPU cannot make it."""
    if any(text in str(error) for text in NOT_HERE):
        return skipped(f"cannot be run on this CPU: {reason(error)}")
    return failed(f"fails {how}: {reason(error)}")


def moved(single: Any, half: Any) -> float | None:
    """||half - single|| / ||single||; None where only the half one is not finite, or its shape is another one."""
    one, other = (torch.cat([t.double().flatten() for t in _compare.floating(v)] or [torch.zeros(0)]) for v in (single, half))
    if one.shape != other.shape or not bool(torch.isfinite(other).all()) and bool(torch.isfinite(one).all()):
        return None
    size = one.norm().item()
    return (other - one).norm().item() / size if size else 0.0
