"""A base beside its source: the same model? Both are imported, built alike and run on every public path. Changes nothing."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import nn

from codegen.worker import contract, models, paths, registry
from codegen.worker.checks import Outcome, _compare, failed, import_, passed, seed, shape, weights
from codegen.worker.subject import Plan, Subject

Check = Callable[[Subject], Outcome]


def same(request: dict[str, Any]) -> dict[str, Any]:
    """request: the source's file, the base as text, how both are built. The checks, and the number of parameters."""
    small = json.loads(request["small"]) if request["small"] else {}
    plan = Plan(
        base_build=request["source_build"],
        build=request["build"],
        host=request["host"],
        site="",
        attribute="",
        class_name="",
        operation="",
        input=request["input"],
        small=small.get("overrides", {}),
        small_input=small.get("input", ""),
        second_input=small.get("second", ""),
        device=request["device"],
        library=request["library"],
        entry=request["entry"],
        variant_entry=request["own_entry"],
    )
    before = registry.snapshot(plan.library)
    try:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, f"{request['stem']}_base.py")
            path.write_bytes(request["text"].encode(request["encoding"]))
            base = models.import_file(path, path.stem)
            overwritten = registry.overwritten(before)
            source = models.import_source(request["file"])
            subject = Subject(plan, source, base, overwritten)
            checks = [contract.made(name, check, subject) for name, check in CHECKS.items()]
            return {"checks": checks, "parameters": sum(p.numel() for p in subject.full("variant").parameters())}
    finally:
        registry.forget(before)
        if not request["file"]["module"]:
            registry.withdraw(models.loose_name(Path(request["file"]["path"])))


def _weights(subject: Subject) -> Outcome:
    """The state_dict has the same keys and shapes; each one's checkpoints load into the other, by the library's loader too."""
    source, base = subject.shown("base"), subject.fresh("variant")
    one, other = source.state_dict(), base.state_dict()
    if [*one] != [*other]:
        first = next(iter({*one} ^ {*other}), "")
        return failed(f"{first} is only in one of them" if first else "the keys are in another order")
    if wrong := next((f"{key}: {text}" for key in one if (text := _compare.shapes(one[key], other[key]))), ""):
        return failed(wrong)
    base.load_state_dict(one, strict=True)
    notes: list[str] = []
    wrong = weights.library(subject, source, notes)
    return failed(wrong) if wrong else passed("; ".join([f"{len(one)} keys", *notes]))


def _values(subject: Subject) -> Outcome:
    """Under the same weights and seed every public path gives the same values."""
    source, base = subject.pair()
    ran: list[str] = []
    if wrong := next(different(subject, source, base, ran), ""):
        return failed(wrong)
    return passed(", ".join(ran)) if ran else failed("the source's model does not run")


def different(subject: Subject, source: nn.Module, base: nn.Module, ran: list[str]) -> Iterator[str]:
    """Where the second model gives other values than the first, in words. ran: gets the names of the paths that both run."""
    for path in paths.PATHS:
        if path.offered(source) != path.offered(base):
            yield f"{path.name} is offered by one of them"
        if not path.offered(source):
            continue
        try:
            wanted = paths.run(path, source, paths.given(path, source, subject.inputs()))
        except Exception:  # noqa: BLE001 - the source's own code: what it does not run, the base need not
            continue
        found = paths.run(path, base, paths.given(path, base, subject.inputs()))
        with torch.no_grad():
            if difference := _compare.values(wanted, found):
                yield f"{path.name}: {difference}"
        ran.append(path.name)


CHECKS: dict[str, Check] = {
    "import": import_.check,
    "shape": shape.check,
    "weights": _weights,
    "seed": seed.check,
    "values": _values,
}
