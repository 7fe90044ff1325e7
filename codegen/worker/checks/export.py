"""`--check export`: `torch.export` takes the variant where it takes the base."""

from __future__ import annotations

import torch.export

from codegen.worker.checks import Outcome
from codegen.worker.checks._transforms import relative
from codegen.worker.subject import Subject

ORDER = 120
ON_REQUEST = True


def check(subject: Subject) -> Outcome:
    """Export both models and run the programs."""
    return relative(subject, lambda model, inputs: torch.export.export(model, *inputs).module())
