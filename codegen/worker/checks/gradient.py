"""Every new parameter gets a finite gradient from the model's outputs in train mode. Never judges its size."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence

import torch
from torch import nn

from codegen.worker import models
from codegen.worker.checks import Outcome, _compare, failed, passed, skipped
from codegen.worker.checks._placing import reason
from codegen.worker.checks._sites import at_site, inserted_modules, places
from codegen.worker.subject import Subject

ORDER = 80
QUICK = True
OF_INSERTED = True


def check(subject: Subject) -> Outcome:
    """Forward and backward once, small, batch 2, checkpointing off. What fails on a model that has run is tried anew."""
    found = _found(subject, subject.worked()[0])
    return found if found.status != "failed" else _found(subject, subject.fresh("variant"))


def _found(subject: Subject, variant: nn.Module) -> Outcome:
    modules = inserted_modules(subject.plan, variant)
    new = [item for name, module in modules for item in module.named_parameters(prefix=name)]
    trained = [(name, parameter) for name, parameter in new if parameter.requires_grad]
    if not trained:
        return skipped("no new parameter is trained" if new else "no new parameters")
    runs: list[str] = []
    with contextlib.ExitStack() as stack:
        for place in places(subject.plan, subject.shown("base"), variant):
            stack.enter_context(at_site(place.variant_site, subject.plan, _noting(runs, place.names)))
        error = _backward(subject, variant)
    if error:
        if plain := _backward(subject, subject.fresh("base")):
            return skipped(f"the base has no gradient in train mode: {plain}")
        return failed(f"train mode: the base runs, the variant does not: {error}")
    if not runs:
        return skipped("the site does not run in forward (train)")
    ran = tuple(f"{name}." for name in runs)  # a place whose site does not run owes no gradient
    missing = [name for name, parameter in trained if parameter.grad is None and name.startswith(ran)]
    infinite = [name for name, p in trained if p.grad is not None and not bool(torch.isfinite(p.grad).all())]
    wrong = [f"{name} gets no gradient" for name in missing] + [f"{name}: gradient is not finite" for name in infinite]
    return failed("; ".join(wrong)) if wrong else passed(f"{len(trained)} parameters")


def _noting(runs: list[str], names: Sequence[str]) -> Callable[..., None]:
    return lambda *args, **kwargs: runs.extend(names)


def _backward(subject: Subject, model: nn.Module) -> str:
    """Leave gradients in the parameters; why that cannot be done, or ""."""
    args, kwargs = subject.inputs()
    models.seed(0)
    try:
        outputs = [t for t in _compare.floating(model.train()(*args, **kwargs)) if t.requires_grad]
        if not outputs:
            return "no output needs a gradient"
        loss = torch.stack([tensor.float().square().mean() for tensor in outputs]).sum()
        loss.backward()  # type: ignore[no-untyped-call]
    except Exception as error:  # said by the caller, for whom it matters which model it was
        return reason(error)
    return ""
