"""`--check compile`: `torch.compile(fullgraph=True)` takes the variant where it takes the base."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from codegen.worker.checks import Outcome
from codegen.worker.checks._transforms import relative
from codegen.worker.paths import Inputs
from codegen.worker.subject import Subject

ORDER = 140
ON_REQUEST = True


def check(subject: Subject) -> Outcome:
    """Capture both models as one graph each and run it, without a compiler for the graph: that is the library's own work."""
    return relative(subject, _compiled, "one graph, run by torch's eager backend")


def _compiled(model: nn.Module, inputs: Inputs) -> Callable[..., Any]:
    torch._dynamo.reset()
    compiled: Callable[..., Any] = torch.compile(model, fullgraph=True, backend="eager")
    return compiled
