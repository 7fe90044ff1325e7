"""What the child process can be asked: trace a source, prove a variant, certify a module. One verb each, JSON in and out."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import json
import operator
import sys
import tempfile
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import torch

from codegen.errors import CodegenError
from codegen.worker import (
    answering,
    certify,
    composites,
    contract,
    models,
    points,
    registry,
    standing,
    surroundings,
    timing,
    trace,
)
from codegen.worker.checks._sites import as_one, attributes, holds_site, hosts, inserted_places
from codegen.worker.subject import Plan, Subject

IMPORTS = itertools.count()
timing.alone()  # small builds: threads cost more than they bring, and others use the machine too


def trace_source(request: dict[str, Any]) -> dict[str, Any]:
    """request: see `trace.trace`. The Trace as plain data."""
    try:
        return dataclasses.asdict(trace.trace(request))
    finally:
        if not request["file"]["module"]:  # a loose file is imported anew each time, and so is the base made of it
            registry.withdraw(models.loose_name(Path(request["file"]["path"])))


@dataclass(frozen=True)
class Base:
    """A base as imported for one proof: variants of the same base that follow find it ready."""

    key: str
    folder: tempfile.TemporaryDirectory[str]  # of its file, which the model's code may read
    module: ModuleType
    registered: Mapping[str, Any]  # what it entered into the library's registry
    known: dict[Hashable, Any]  # see `Subject.once`


LAST: list[Base] = []  # those of the last proofs, the latest first
BASES = 4  # that are kept: blocks at unlike depths have unlike small builds


def load(request: dict[str, Any]) -> None:
    """Import a source, as a trace does before anything of it is proved: what it imports can be imported then."""
    models.import_source(request["file"])
    if not request["file"]["module"]:
        registry.withdraw(models.loose_name(Path(request["file"]["path"])))


def prove(request: dict[str, Any]) -> dict[str, Any]:
    """request: base and variant as text, names for their files, the plan; `isolate`, seconds for a fork of this process to
    prove it in, and `costs`, what of them is measured. The checks and what was measured.
    """
    if seconds := request.get("isolate"):
        _prepare(request)
        found: dict[str, Any] = answering.forked(_proved, request, seconds)
        return found
    return _proved(request)


def _prepare(request: dict[str, Any]) -> None:
    """What each fork would make again of the base."""
    plan = Plan(**request["plan"])
    before = registry.snapshot(plan.library)
    try:
        base = _base(request, plan, before)
        if not base.known:
            contract.prepare(Subject(plan, base.module, base.module, (), base.known))
    finally:
        registry.forget(before)


def _proved(request: dict[str, Any]) -> dict[str, Any]:
    plan = Plan(**request["plan"])
    before = registry.snapshot(plan.library)
    variant: ModuleType | None = None
    try:
        with tempfile.TemporaryDirectory() as folder:
            # the variant first: what it enters into a registry must not stand there already
            variant = _imported(request, "variant", folder)
            overwritten = registry.overwritten(before)
            registry.forget(before)
            base = _base(request, plan, before)
            _mark(plan, variant)
            subject = Subject(plan, base.module, variant, overwritten, base.known)
            if not holds_site(plan, subject.shown("base")):  # the small build is too small: proved at full size
                subject = subject.in_full()
            _fits(subject)
            found = {"checks": contract.run(subject), **contract.measure(subject)}
            if wanted := request.get("costs"):
                found["costs"] = _costs(subject, wanted)
            return found
    finally:
        registry.forget(before)
        if variant:
            sys.modules.pop(variant.__name__, None)


def _costs(subject: Subject, wanted: dict[str, Any]) -> dict[str, Any]:
    """wanted: what is measured, on which device, and whether compiled. See `costing`."""
    from codegen.worker import costing  # imports torch's counters

    return costing.measure(subject, tuple(wanted["what"]), wanted["device"], wanted["compiled"])


def bench(request: dict[str, Any]) -> dict[str, Any]:
    """request: see `benching.bench`."""
    from codegen.worker import benching

    return benching.bench(request)


def _base(request: dict[str, Any], plan: Plan, before: Mapping[str, Any]) -> Base:
    names = ("base_build", "small", "small_input", "input", "second_input", "library", "entry", "point")
    marked = [plan.host, plan.site, *attributes(plan)] if plan.point else []
    key = json.dumps([request["base"], request["encoding"], *(getattr(plan, name) for name in names), *marked])
    for known in LAST:
        if known.key == key:
            LAST.remove(known)
            LAST.insert(0, known)
            registry.enter(known.registered)
            return known
    for old in LAST[BASES - 1 :]:
        LAST.remove(old)
        sys.modules.pop(old.module.__name__, None)
    folder = tempfile.TemporaryDirectory()
    module = _imported(request, "base", folder.name)
    _mark(plan, module)
    LAST.insert(0, Base(key, folder, module, registry.entered(before), {}))
    return LAST[0]


def _imported(request: dict[str, Any], which: str, folder: str) -> ModuleType:
    """A file imported under a name of its own: torch.jit remembers classes by their names."""
    path = Path(folder, f"{request['stem']}_{which}{next(IMPORTS) or ''}.py")
    path.write_bytes(request[which].encode(request["encoding"]))
    return models.import_file(path, path.stem)


def _mark(plan: Plan, module: ModuleType) -> None:
    """Let a module stand at a place between modules, in the base as in the variant."""
    if plan.point:
        points.mark(operator.attrgetter(plan.host)(module), plan.site, plan.point, attributes(plan))


def _fits(subject: Subject) -> None:
    """The inserted modules must take the site's tensor and give one of the same shape.

    Raises CodegenError("module-does-not-fit") with the module's own error, or ("made-elsewhere").
    """
    model = subject.worked()[0]
    seen: dict[str, Any] = {}

    def watch(module: torch.nn.Module, args: Any, kwargs: Any) -> None:
        seen.clear()
        tensor = args[0] if args else None
        seen["shape"] = tuple(tensor.shape) if isinstance(tensor, torch.Tensor) else None

    def result(given: Any, output: Any) -> None:
        seen["result"] = tuple(output.shape) if isinstance(output, torch.Tensor) else type(output).__name__
        if seen["result"] != seen["shape"] and subject.plan.operation not in ("beside", "replace"):
            raise _misfit(subject, f"turns the site's {seen['shape']} into {seen['result']}")

    hooks: list[Any] = []
    for inserted in _inserted(subject, model):
        hooks.append(composites.first(inserted).register_forward_pre_hook(watch, with_kwargs=True))
        hooks += composites.watch(inserted, result)
    args, kwargs = subject.inputs()
    try:
        with torch.no_grad():
            model.eval()(*args, **kwargs)
    except CodegenError:
        raise
    except Exception as error:
        if answering.is_memory(error):
            raise
        if "shape" in seen and "result" not in seen:
            reason = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
            raise _misfit(subject, f"fails on the site's tensor {seen['shape']}: {reason}") from error
        if "result" in seen and subject.plan.operation in ("beside", "replace") and isinstance(error, RuntimeError):
            how = f"turns the site's {seen['shape']} into {seen['result']}, and the model cannot go on: {str(error)[:200]}"
            raise _misfit(subject, how) from error
        raise
    finally:
        for hook in hooks:
            hook.remove()


def _misfit(subject: Subject, how: str) -> CodegenError:
    plan = subject.plan
    if plan.operation == "replace" and plan.class_name == "Identity":
        what = f"{plan.chosen[0]} cannot be left out: nn.Identity in its place {how}"
        hint = "codegen replace puts a module there that takes and gives what this one did"
        return CodegenError("module-does-not-fit", what, hint)
    hint = "the shape must stay: choose a module made for this layout, or another site"
    return CodegenError("module-does-not-fit", f"{plan.class_name} {how}", hint)


def _inserted(subject: Subject, model: torch.nn.Module) -> list[torch.nn.Module]:
    plan = subject.plan
    edited = getattr(subject.variant, plan.host.split(".")[0], object)  # the chosen ones get a module whatever they are
    edited = edited if isinstance(edited, type) else object  # a function that makes the model
    with contextlib.suppress(LookupError):
        own = (isinstance(model.get_submodule(owner), edited) for owner in hosts(plan, model))
        if not plan.inserts and all(own):
            return []
        if plan.inserts and (not plan.chosen or plan.operation == "replace" or all(own)):
            return [as_one(plan, [module for _, module in place]) for place in inserted_places(plan, model)]
    raise CodegenError(
        "made-elsewhere",
        f"the model's objects of class {plan.host} are made by code of the library that the variant imports",
        "insert around the module that holds them, or into the library's own file",
    )


kept = surroundings.kept  # around each verb
VERBS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "trace": trace_source,
    "load": load,
    "prove": prove,
    "same": standing.same,
    "fit": certify.fit,
    "certify": certify.certify,
    "bench": bench,
}
