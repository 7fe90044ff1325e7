"""`--check fx`: `torch.fx.symbolic_trace` takes the variant where it takes the base."""

from __future__ import annotations

import torch.fx

from codegen.worker.checks import Outcome
from codegen.worker.checks._transforms import relative
from codegen.worker.subject import Subject

ORDER = 110
ON_REQUEST = True


def check(subject: Subject) -> Outcome:
    """Trace both models symbolically and run the graphs."""
    return relative(subject, lambda model, _: torch.fx.symbolic_trace(model))
