"""`--check script`: `torch.jit.script` takes the variant where it takes the base."""

from __future__ import annotations

import torch

from codegen.worker.checks import Outcome
from codegen.worker.checks._transforms import relative
from codegen.worker.subject import Subject

ORDER = 100
ON_REQUEST = True


def check(subject: Subject) -> Outcome:
    """Script both models and run them."""
    return relative(subject, lambda model, _: torch.jit.script(model))
