"""Judge a way in which models are captured (scripted, exported, compiled): what the base passes the variant passes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from codegen.worker import models
from codegen.worker.checks import Outcome, _compare, failed, passed, skipped
from codegen.worker.checks._placing import reason
from codegen.worker.paths import Inputs
from codegen.worker.subject import Subject

Transform = Callable[[nn.Module, Inputs], Callable[..., Any]]


def relative(subject: Subject, transform: Transform, note: str = "") -> Outcome:
    """Transform both models, small and in eval, and run what comes out: it must return what the model itself returns."""
    base, variant = (model.eval() for model in subject.pair())
    if error := difference(base, transform, subject.inputs()):
        return skipped(f"the base does not pass: {error}")
    if error := difference(variant, transform, subject.inputs()):
        return failed(f"the base passes, the variant does not: {error}")
    return passed(note)


def difference(model: nn.Module, transform: Transform, inputs: Inputs) -> str:
    """Why the model cannot be transformed, or where the result returns something else; "" where all is well."""
    try:
        with torch.no_grad():
            transformed = transform(model, models.same_input(inputs))
            outputs = [_seeded(run, inputs) for run in (model, transformed)]
    except Exception as error:  # judged by the caller: whether the base passes decides what it means
        return reason(error)
    return _compare.close(*outputs)


def _seeded(run: Callable[..., Any], inputs: Inputs) -> Any:
    torch.manual_seed(0)
    args, kwargs = models.same_input(inputs)
    return run(*args, **kwargs)
