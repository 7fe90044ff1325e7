"""The variant returns the base's structure and shapes at batch 1 and 2 and at a second resolution. Full size first."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import nn

from codegen.worker import models, paths
from codegen.worker.checks import Outcome, _compare, failed, passed, skipped
from codegen.worker.checks._extra import main
from codegen.worker.checks._placing import judge, reason, telling_pair
from codegen.worker.meta import Shortcuts
from codegen.worker.subject import Subject

ORDER = 20
QUICK = True


@dataclass(frozen=True)
class Refused:
    """A model does not run on this input: why."""

    reason: str


Level = tuple[str, bool]  # device, small
LEVELS: tuple[Level, ...] = (("meta", False), ("meta-parameters", False), ("cpu", True))
REAL: Level = ("cpu", False)  # decides where the base runs without arithmetic and the variant does not


def check(subject: Subject) -> Outcome:
    """Compare eval outputs on the first level (meta, parameters on meta, a small real build) on which both run."""
    notes, levels = [], _levels(subject)
    while levels:
        level = levels.pop(0)
        base, error = _of_base(subject, level)
        if error:
            notes.append(f"base, {_named(level)}: {error}")
            continue
        variant, error = _outputs(subject, "variant", level)
        if error and level[0] != "cpu":
            notes.append(f"variant, {_named(level)}: {error}")
            levels = [REAL]
            continue
        if error:
            return failed(f"{_named(level)}: the base runs, the variant does not: {error}")
        compared = _compared(base, {case: main(subject.plan, output) for case, output in variant.items()}, level)
        return _as_placed(subject, compared, (base, variant)) if compared.status == "failed" else compared
    return skipped("; ".join(notes))


def prepare(subject: Subject) -> None:
    """The base's outputs."""
    _of_base(subject, _levels(subject)[0])


def _levels(subject: Subject) -> list[Level]:
    return list(LEVELS[-1:] if subject.plan.quick else LEVELS)


def _of_base(subject: Subject, level: Level) -> tuple[dict[str, Any], str]:
    return subject.once("base", ("outputs", level), partial(_outputs, subject, "base", level))


def _as_placed(subject: Subject, found: Outcome, outputs: tuple[dict[str, Any], dict[str, Any]]) -> Outcome:
    """A number of detections follows from the values, the width of a result from a new head: the base with the module at
    its site has the variant's, too.
    """
    base, variant = outputs
    dim = 1 if subject.plan.head else 0
    varies = subject.plan.head or subject.plan.operation != "replace" and not models.takes_batch(subject.plan.input)
    same = base.keys() == variant.keys() and not any(_compare.but_for(dim, base[case], variant[case]) for case in base)
    if not varies or not same:
        return found
    pair = telling_pair(subject)
    held = pair.places and judge(subject.plan, pair, partial(paths.run, paths.PATHS[0], inputs=subject.inputs())).kind == "held"
    return passed(f"as the base with the module at its site; without it {found.detail}") if held else found


def _compared(base: dict[str, Any], variant: dict[str, Any], level: Level) -> Outcome:
    accepted = {case: output for case, output in base.items() if not isinstance(output, Refused)}
    for case, output in accepted.items():
        other = variant[case]
        if isinstance(other, Refused):
            return failed(f"{case}: the base runs, the variant does not: {other.reason}")
        difference = _compare.shapes(output, other)
        if difference:
            return failed(f"{case}: {difference}")
    return passed(f"{', '.join(accepted)} ({_named(level)})")


def _outputs(subject: Subject, which: str, level: Level) -> tuple[dict[str, Any], str]:
    """Outputs by case, or why the model's own input cannot be run. Another resolution may be refused."""
    device, small = level
    outputs: dict[str, Any] = {}
    try:
        model = _model(subject, which, level).eval()
        spec = subject.plan.small_input if small and subject.plan.small_input else subject.plan.input
        cases = {"batch 1": 1, "batch 2": 2} if models.takes_batch(spec) else {"the given input": 0}
        for case, batch in cases.items():
            outputs[case] = _run(model, subject.inputs(batch, small=small, device=device))
    except Exception as error:  # the caller says it, or tries another level
        return {}, reason(error)
    second = subject.plan.second_input
    if second:
        try:
            model = _model(subject, which, level, anew=True).eval()
            outputs[second] = _run(model, models.make_input(subject.base, second, device, 2))
        except Exception as error:  # compared with what the other model did
            outputs[second] = Refused(reason(error))
    return outputs, ""


def _model(subject: Subject, which: str, level: Level, anew: bool = False) -> nn.Module:
    """Also for an input that it may refuse, half-way through: then `anew`, where others go on with it."""
    device, small = level
    if device != "cpu":
        return subject.full(which, device)
    if which == "variant" and small:
        return subject.fresh(which) if anew else subject.worked()[0]
    return subject.build(which, small=small)


def _run(model: nn.Module, inputs: paths.Inputs) -> Any:
    args, kwargs = inputs
    with torch.no_grad(), Shortcuts():
        return model(*args, **kwargs)


def _named(level: Level) -> str:
    device, small = level
    return f"{'small' if small else 'full size'}, {'real' if device == 'cpu' else device}"
