"""What a variant costs beside its base, at full size: FLOPs, memory, latency, export. What cannot be measured says why."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from torch import nn
from torch.utils._pytree import tree_map_only

from codegen.worker import copies, counting, timing
from codegen.worker.checks import export
from codegen.worker.checks._placing import reason
from codegen.worker.checks._transforms import difference
from codegen.worker.counting import Built
from codegen.worker.paths import Inputs
from codegen.worker.subject import Subject

SIDES = ("base", "variant")
ROUNDS = 15
NO_GPU = "torch sees no GPU here"


def measure(subject: Subject, wanted: Sequence[str], device: str = "cpu", compiled: bool = False) -> dict[str, Any]:
    """The fields of `codegen.sweeps.rows.Costs` of what is wanted; `reasons` why something was not measured.

    Latency is that of one thread on a CPU, for that is what a worker has.
    """
    found: dict[str, Any] = {"flops": None, "memory": None, "latency": None, "ratio": None, "export": "", "reasons": []}
    for name in wanted:
        try:
            answer = MEASURES[name](subject, device, compiled)
            found |= {**answer, "reasons": [*found["reasons"], *answer.get("reasons", ())]}
        except Exception as error:  # a figure, not a promise: the row goes on without it
            found["reasons"].append(f"{name}: {error if str(error) == NO_GPU else reason(error)}")
    return found


def _flops(subject: Subject, device: str, compiled: bool) -> dict[str, Any]:
    return {"flops": [subject.once(which, "flops", partial(counting.flops, built(subject, which))) for which in SIDES]}


def _memory(subject: Subject, device: str, compiled: bool) -> dict[str, Any]:
    if device == "cpu":
        return {"memory": [subject.once(which, "memory", partial(counting.memory, built(subject, which))) for which in SIDES]}
    demand(device)
    pairs = ((_there(subject, which, device).train(), _inputs(subject, device, 2)) for which in SIDES)
    return {"memory": [counting.allocated(model, inputs) for model, inputs in pairs]}


def _latency(subject: Subject, device: str, compiled: bool) -> dict[str, Any]:
    demand(device)
    inputs = _inputs(subject, device, 1)
    models = [subject.once(which, ("timed", device), partial(_there, subject, which, device)).eval() for which in SIDES]
    base, variant = timing.paired([forward(model, inputs, compiled) for model in models], ROUNDS, device)
    return {"latency": [base.seconds[1], variant.seconds[1]], "ratio": [*variant.ratio]}


def _export(subject: Subject, device: str, compiled: bool) -> dict[str, Any]:
    """As `--check export` judges: of small builds, which must return what they return eagerly."""

    def error(which: str) -> str:
        return difference(subject.pair()[SIDES.index(which)].eval(), export.exported, subject.inputs())

    if said := subject.once("base", "export", partial(error, "base")):
        return {"export": "skipped", "reasons": [f"export: the base does not pass: {said}"]}
    said = error("variant")
    return {"export": "failed", "reasons": [f"export: {said}"]} if said else {"export": "passed"}


MEASURES: dict[str, Callable[[Subject, str, bool], dict[str, Any]]] = {
    "flops": _flops,
    "memory": _memory,
    "latency": _latency,
    "export": _export,
}


def built(subject: Subject, which: str) -> Built:
    """How the base or the variant is made and fed."""

    def model(device: str) -> nn.Module:
        return copies.deepcopy(subject.full(which, device)) if device != "cpu" else _there(subject, which, "cpu")

    return Built(model, lambda device, batch: subject.inputs(batch, small=False, device=device))


def demand(device: str) -> None:
    """Raise RuntimeError where there is no such device."""
    if device == "cuda" and not torch.cuda.is_available():
        raise RuntimeError(NO_GPU)


def forward(model: nn.Module, inputs: Inputs, compiled: bool) -> timing.Call:
    """A forward without gradients, of the compiled model where that is wanted."""
    args, kwargs = inputs
    run = compile_(model) if compiled else model

    def call() -> Any:
        with torch.no_grad():
            return run(*args, **kwargs)

    return call


def compile_(model: nn.Module) -> Callable[..., Any]:
    """`torch.compile`, in this process alone: what it starts for itself would outlive a child that is killed."""
    import torch._inductor.config as inductor

    inductor.compile_threads = 1
    return torch.compile(model)


def moved(inputs: Inputs, device: str) -> Inputs:
    """The inputs on a device."""
    there: Inputs = tree_map_only(torch.Tensor, lambda tensor: tensor.to(device), inputs)
    return there


def _there(subject: Subject, which: str, device: str) -> nn.Module:
    return subject.build(which, small=False).to(device)


def _inputs(subject: Subject, device: str, batch: int) -> Inputs:
    return moved(subject.inputs(batch, small=False), device)
