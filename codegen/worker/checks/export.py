"""`--check export`: `torch.export` takes the variant where it takes the base."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch.export
from torch import nn

from codegen.worker.checks import Outcome
from codegen.worker.checks._transforms import relative
from codegen.worker.paths import Inputs
from codegen.worker.subject import Subject

ORDER = 120
ON_REQUEST = True


def check(subject: Subject) -> Outcome:
    """Export both models and run the programs."""
    return relative(subject, exported)


def exported(model: nn.Module, inputs: Inputs) -> Callable[..., Any]:
    """The program that `torch.export` makes, to be run."""
    return torch.export.export(model, *inputs).module()
