"""Judge a way in which a module is captured: what comes out must return what the module returns."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from codegen.worker.certificate import Specimen, fresh, given, run, telling
from codegen.worker.checks import Outcome, _compare, failed, passed, skipped
from codegen.worker.checks._placing import reason

Capture = Callable[[nn.Module, Tensor], Callable[..., Any]]


def captured(specimen: Specimen, capture: Capture, note: str = "") -> Outcome:
    """Capture the module in eval and run both. Skipped where not even torch's own ReLU can be captured here."""
    error = _difference(telling(fresh(specimen)).eval(), capture, given(specimen))
    if not error:
        return passed(note)
    if here := _difference(nn.ReLU().eval(), capture, given(specimen)):
        return skipped(f"does not work here, not even for nn.ReLU: {here}")
    return failed(error)


def _difference(module: nn.Module, capture: Capture, x: Tensor) -> str:
    try:
        with torch.no_grad():
            made = capture(module, x.clone())
            return _compare.close(run(module, x), run(made, x)).replace("output:", "another result:")
    except Exception as error:  # returned: the caller says what it means
        return reason(error)
