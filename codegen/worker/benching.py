"""A base and variants of it in one process: counted one by one, timed in turns. Proves nothing: the contract does."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import nn

from codegen.errors import CodegenError
from codegen.worker import costing, counting, entries, models, registry, setup, timing
from codegen.worker.checks._placing import reason
from codegen.worker.counting import Built
from codegen.worker.paths import Inputs

CONTROL = "the base again"


@dataclass(frozen=True)
class Contestant:
    """One of the models, as it is timed. found: what is known of it, for the answer."""

    name: str
    built: Built
    model: nn.Module
    found: dict[str, Any] = field(default_factory=dict)


def bench(request: Mapping[str, Any]) -> dict[str, Any]:
    """request: file, text, entry, host, build, input and library of the base; `variants`: file, text, encoding, build of each;
    device, compiled, train, batch, runs, threads. What was measured of each model: the base, the base again, the variants.
    """
    if request["device"] == "cuda" and not torch.cuda.is_available():
        hint = "leave --device out; or a torch that is built for this GPU, with its driver"
        raise CodegenError("no-gpu", f"--device cuda: {costing.NO_GPU}", hint)
    before = registry.snapshot(request["library"])
    try:
        with tempfile.TemporaryDirectory() as folder, timing.threads(request["threads"] or timing.THREADS):
            return _benched(request, Path(folder))
    finally:
        registry.forget(before)
        if not request["file"]["module"]:
            registry.withdraw(models.loose_name(Path(request["file"]["path"])))


def _benched(request: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    module = models.import_source(request["file"])
    named = [request["build"]] if request["build"] else []
    named = named or entries.build_expressions(module, request["text"], request["entry"], request["host"])
    base = setup.find(module, named, request["input"])
    if not models.takes_batch(base.input) and request["batch"] != 1:
        what = f"--batch {request['batch']}: the input {base.input} has a batch of its own"
        raise CodegenError("usage", what, "leave --batch out, or give --input as a shape: 1x3x224x224")

    def inputs(device: str, batch: int) -> Inputs:
        return models.make_input(module, base.input, device, batch)

    own = Built(partial(_model, module, base.build), inputs)
    every = [_contestant(name, own, request) for name in ("the base", CONTROL)]  # twice: how far apart are two that are alike?
    for number, variant in enumerate(request["variants"]):
        make = partial(_model, _imported(variant, folder, number), variant["build"])
        every.append(_contestant(variant["file"], Built(make, inputs), request))
    _count(every, request)
    _time(every, request)
    return {
        "build": base.build,
        "input": base.input,
        "threads": torch.get_num_threads(),
        "models": [contestant.found for contestant in every],
    }


def _imported(variant: Mapping[str, Any], folder: Path, number: int) -> ModuleType:
    path = folder / f"{Path(variant['file']).stem}_{number}.py"
    path.write_bytes(variant["text"].encode(variant["encoding"]))
    try:
        return models.import_file(path, f"bench_{path.stem}")
    except Exception as error:
        raise _fails(variant["file"], error) from error


def _model(module: ModuleType, expression: str, device: str) -> nn.Module:
    torch.manual_seed(0)
    return models.build(module, expression, device)


def _contestant(name: str, built: Built, request: Mapping[str, Any]) -> Contestant:
    """The model, where it is timed. It has run once."""
    try:
        model = built.model("cpu").to(request["device"])
        made = Contestant(name, built, model.train(request["train"]))
        _call(made, request, compiled=False)()
    except CodegenError:
        raise
    except Exception as error:
        raise _fails(name, error, request["train"] and request["batch"] == 1) from error
    made.found.update(parameters=sum(parameter.numel() for parameter in model.parameters()), reasons=[])
    return made


def _fails(name: str, error: Exception, alone: bool = False) -> CodegenError:
    hint = "codegen verify FILE says more; --verbose shows the traceback"
    hint = "a norm over one sample cannot train: --batch 2" if alone else hint
    return CodegenError("cannot-run", f"{name} does not run: {reason(error)}"[:400], hint)


def _count(every: list[Contestant], request: Mapping[str, Any]) -> None:
    """FLOPs of one sample, and the memory of a training step."""
    batch = max(2, request["batch"])
    for each in (each for each in every if each.name != CONTROL):
        _note(each, "flops", partial(counting.flops, each.built))
        if request["device"] == "cuda":
            own = costing.moved(each.built.inputs("cpu", batch), "cuda")
            _note(each, "memory", partial(counting.allocated, each.model.train(), own))
            each.model.train(request["train"])
        else:
            _note(each, "memory", partial(counting.memory, each.built, batch))


def _note(each: Contestant, what: str, measure: Callable[[], int]) -> None:
    try:
        each.found[what] = measure()
    except Exception as error:  # a figure: the others are shown without it
        each.found[what] = None
        each.found["reasons"].append(f"{what}: {reason(error)}")


def _time(every: list[Contestant], request: Mapping[str, Any]) -> None:
    """Those that run so, in turns with the base; none where the base does not."""
    calls: dict[int, timing.Call] = {}
    for number, each in enumerate(every):
        each.found.update(seconds=None, ratio=None)
        try:
            calls[number] = _call(each, request, compiled=request["compiled"])
            calls[number]()
        except Exception as error:  # noqa: BLE001 - mostly that there is no compiler here
            calls.pop(number, None)
            each.found["reasons"].append(f"time: {reason(error)}")
        if 0 not in calls:
            return
    timed = timing.paired([*calls.values()], request["runs"], request["device"])
    for number, found in zip(calls, timed, strict=True):
        every[number].found.update(seconds=found.seconds, ratio=found.ratio)


def _call(each: Contestant, request: Mapping[str, Any], *, compiled: bool) -> timing.Call:
    """What is timed: a forward, or with `train` a forward and backward."""
    inputs = costing.moved(each.built.inputs("cpu", request["batch"]), request["device"])
    if not request["train"]:
        return costing.forward(each.model, inputs, compiled)
    run = costing.compile_(each.model) if compiled else each.model

    def step() -> None:
        each.model.zero_grad()
        counting.train(run, inputs)

    return step
