"""`--check onnx`: `torch.onnx.export` takes the variant where it takes the base."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch.onnx
from torch import nn

from codegen.worker.checks import Outcome
from codegen.worker.checks._transforms import relative
from codegen.worker.paths import Inputs
from codegen.worker.subject import Subject

ORDER = 130
ON_REQUEST = True


def check(subject: Subject) -> Outcome:
    """Export both models; what they were exported to is not run."""
    return relative(subject, _exported, "exported, not run")


def _exported(model: nn.Module, inputs: Inputs) -> Callable[..., Any]:
    torch.onnx.export(model, *inputs[:1], kwargs=inputs[1], dynamo=True)
    return model
