"""The contract of a variant: run every check in `checks/`, in order, and measure. A check is found by being there."""

from __future__ import annotations

import functools
import importlib
import pkgutil
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import nn

from codegen.worker import answering, checks, paths
from codegen.worker.checks import Outcome, _compare, failed, skipped
from codegen.worker.checks._sites import inserted_modules
from codegen.worker.subject import Plan, Subject


@dataclass(frozen=True)
class Found:
    """One check as found: its name is its file's."""

    order: int
    name: str
    check: Callable[[Subject], Outcome]
    on_request: bool  # made only where the user asks for it by name
    of_inserted: bool  # it looks at what was inserted
    quick: bool  # part of the quick contract
    prepare: Callable[[Subject], None] | None  # makes what of the base it keeps from one variant to the next


@functools.cache
def found() -> tuple[Found, ...]:
    """Every check in the folder, in order."""
    names = [m.name for m in pkgutil.iter_modules(checks.__path__) if not m.name.startswith("_")]
    modules = [(name.rstrip("_"), importlib.import_module(f"{checks.__name__}.{name}")) for name in names]
    entries = [
        Found(
            order=m.ORDER,
            name=name,
            check=m.check,
            on_request=getattr(m, "ON_REQUEST", False),
            of_inserted=getattr(m, "OF_INSERTED", False),
            quick=getattr(m, "QUICK", False),
            prepare=getattr(m, "prepare", None),
        )
        for name, m in modules
    ]
    return tuple(sorted(entries, key=lambda e: (e.order, e.name)))


def wanted(plan: Plan) -> list[Found]:
    """The checks that a plan asks for."""
    usual = (e for e in found() if e.name in plan.asked or not e.on_request)
    return [e for e in usual if e.name in plan.asked or e.quick or not plan.quick]


def prepare(subject: Subject) -> None:
    """Make of the base, ahead of its first variant, what the checks keep of it. The variant is not looked at."""
    subject.shown("base")
    for entry in wanted(subject.plan):
        if entry.prepare:
            entry.prepare(subject)


def run(subject: Subject) -> list[dict[str, str]]:
    """Make every check: name, status ("passed", "failed", "skipped") and detail of each."""
    results = []
    for entry in wanted(subject.plan):
        check = entry.check if subject.plan.inserts or not entry.of_inserted else _nothing_inserted
        results.append(made(entry.name, check, subject))
    return results


def _nothing_inserted(subject: Subject) -> Outcome:
    return skipped("nothing is inserted")


def made(name: str, check: Callable[[Subject], Outcome], subject: Subject) -> dict[str, str]:
    """One check, as it was found."""
    outcome = _outcome(check, subject)
    return {"name": name, "status": outcome.status, "detail": outcome.detail}


def _outcome(check: Callable[[Subject], Outcome], subject: Subject) -> Outcome:
    try:
        return check(subject)
    except Exception as error:  # said, never swallowed: a promise that cannot be confirmed is broken
        if answering.is_memory(error):
            raise  # it says nothing of the variant
        return failed(_two_lines(error))


def _two_lines(error: Exception) -> str:
    """What was raised, and where."""
    lines = str(error).strip().splitlines()
    last = traceback.extract_tb(error.__traceback__)[-1]
    where = f"at {Path(last.filename).name}:{last.lineno} in {last.name}"
    return f"{type(error).__name__}: {lines[0] if lines else 'no message'}\n{where}"


def measure(subject: Subject) -> dict[str, Any]:
    """`new_parameters` and `parameters` (of the base) at full size, `state`: the new keys, and `drift` at init."""
    variant = subject.full("variant")
    inserted = inserted_modules(subject.plan, variant)
    replaced = subject.full("base") if subject.plan.operation == "replace" else nn.Module()
    known = {name: parameter.shape for name, parameter in replaced.named_parameters()}  # the new module may hold them too
    held = [named for name, module in inserted for named in module.named_parameters(prefix=name)]
    new = sum(parameter.numel() for name, parameter in held if known.get(name) != parameter.shape)
    old = sum(parameter.numel() for parameter in replaced.parameters())
    return {
        "new_parameters": new,
        "state": sum(len(module.state_dict()) for _, module in inserted),
        "parameters": old or sum(parameter.numel() for parameter in variant.parameters()) - new,  # names and shapes are checked
        "drift": drift(subject) if subject.plan.drift else None,
    }


def drift(subject: Subject) -> float | None:
    """||variant - base|| / ||base|| over all real outputs, same weights, eval, on a narrow build with all blocks of the model
    where there is one, else on the small build; None where not computable.
    """
    deep = subject.in_depth()
    found = _drift(deep)
    return _drift(subject) if found is None and deep is not subject else found


def _drift(subject: Subject) -> float | None:
    base = subject.once("base", "forward", partial(_forward, subject, lambda: subject.fresh("base")))
    variant = _forward(subject, subject.matched)
    if base is None or variant is None:
        return None
    outputs = [base, variant]
    if subject.plan.combine == "extra":  # what the model returned before
        outputs[1] = outputs[1][: len(outputs[0])]
    if not outputs[0] or [t.shape for t in outputs[0]] != [t.shape for t in outputs[1]]:
        return None
    one, other = (torch.cat([tensor.double().flatten() for tensor in tensors]) for tensors in outputs)
    size = one.norm().item()
    value = (other - one).norm().item() / size if size else float("nan")
    return value if value == value and value != float("inf") else None


def _forward(subject: Subject, model: Callable[[], nn.Module]) -> list[torch.Tensor] | None:
    """The real outputs of a model, None where it does not run: a figure, not a promise."""
    try:
        return _compare.floating(paths.run(paths.PATHS[0], model(), subject.inputs()))
    except Exception:  # noqa: BLE001 - the checks say what does not run
        return None
