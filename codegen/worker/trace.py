"""Run a model on all its public paths and tell what was seen: modules, calls, widths, layouts. Judges and edits nothing."""

from __future__ import annotations

import ast
import json
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import nn

from codegen.types import Call, HostClass, Span, Trace
from codegen.worker import entries, models, paths, registry, settled, setup
from codegen.worker.evidence import Evidence, completed
from codegen.worker.scopes import Scopes
from codegen.worker.setup import Setup
from codegen.worker.tracer import Event, Place, tracing


@dataclass(frozen=True)
class Run:
    """What one public path of one build ran."""

    path: str
    build: Setup
    events: Sequence[Event]


def trace(request: Mapping[str, Any]) -> Trace:
    """Trace a source. request: file, text, entry, host, build, input, and `wanted`, a site's name ("" for all of them)."""
    module = models.import_source(request["file"])
    builds = [request["build"]] if request["build"] else []
    builds = builds or entries.build_expressions(module, request["text"], request["entry"], request["host"])
    full = setup.find(module, builds, request["input"])
    small = setup.small(full)
    model, scopes = full.scoped_model()
    with tracing(model) as recording, torch.no_grad():
        args, kwargs = full.inputs()
        model(*args, **kwargs)
    evidence = Evidence(full, model, scopes, completed(model, recording.events))
    runs = [Run("forward", full, recording.events), *_other_paths(small, full)]
    for run in runs:
        if run.path == "forward":
            evidence.note_shapes(run.events, run.build)
    evidence.resize(small)
    evidence.vary(small, _sister_builds(module, request["text"], small))
    extractor = _extractor(request, module, small)
    wanted = request["wanted"].rpartition(".")[2]
    return Trace(
        build=full.build,
        input=full.input,
        hosts=tuple(_hosts(model, scopes)),
        modules=tuple(evidence.module(name, m, wanted) for name, m in model.named_modules()),
        calls=tuple(_calls(runs, evidence)),
        paths=tuple(run.path for run in runs[1:]),
        small=json.dumps({"overrides": small.overrides, "input": small.input, "second": evidence.second}),
        device=full.device,
        other_build=f"{request['entry']}(features_only=True)" if extractor.other else "",
        taps=extractor.taps,
        settled=_settled(request, model, small),
    )


def _settled(request: Mapping[str, Any], model: nn.Module, small: Setup) -> bool:
    if request["wanted"] and "." not in request["wanted"] and not request["host"]:
        return True  # a child of the model itself: it is made last, and nothing comes behind
    kinds = {type(m) for m in model.modules()} - {type(model)}
    return settled.is_settled(small, [k for k in kinds if k.__module__.split(".")[0] != "torch"])


def _extractor(request: Mapping[str, Any], module: Any, small: Setup) -> registry.Extractor:
    if request["library"] != "timm" or request["build"]:
        return registry.Extractor()
    return registry.extractor(registry.Entry(getattr(module, request["entry"]), small.root, small.overrides))


def _other_paths(small: Setup, full: Setup) -> Iterator[Run]:
    """Run every public path under the tracer: of the small build, of the full one where the small one is too small for
    it. A path that the model itself cannot run is none.
    """
    builds = [(candidate, candidate.model()) for candidate in ([small] if small is full else [small, full])]
    for path in paths.PATHS:
        for candidate, model in builds:
            if not path.offered(model):
                continue
            with tracing(model) as recording:
                try:
                    paths.run(path, model, candidate.inputs())
                except Exception:  # noqa: BLE001 - too small for this path, or a path that the model cannot run
                    continue
            yield Run(path.name, candidate, recording.events)
            break


def _calls(runs: Sequence[Run], evidence: Evidence) -> Iterator[Call]:
    """The places that ran modules, once for each path."""
    objects: dict[str, list[str]] = defaultdict(list)  # of the full model, by the names of their classes
    for name, module in evidence.builds[0][0].named_modules():
        objects[type(module).__qualname__].append(name)
    usual = {id(run.build): {e.module: e for e in reversed(run.events)} for run in runs if run.path == "forward"}
    counts: Counter[tuple[str, Place, str, tuple[str, ...]]] = Counter()
    for run in runs[1:]:
        seen = usual.get(id(run.build), {})
        for event in run.events:
            place, called = _in_full(event, objects)
            if place:
                misfits = evidence.misfits(event, seen.get(event.module))
                counts[called, place, run.path, misfits] += 1
    counts.update({(e.module, e.place, "forward", ()): 1 for e in runs[0].events if e.place})
    for (called, place, path, misfits), count in counts.items():
        line, end_line, column, end_column = place.position
        span = Span(line, column, end_line, end_column)
        yield Call(called, place.owner, place.file, place.method, span, place.direct, path, count, place.names, misfits)


def _in_full(event: Event, objects: Mapping[str, list[str]]) -> tuple[Place | None, str]:
    """The place and the module of a call by their names in the full model.

    A build with fewer blocks may have a block of another class under the same name: then they are those of the first object
    of its class; None where the full model has none.
    """
    place = event.place
    if place is None:
        return None, ""
    owners = objects.get(place.owner_class, [])
    if not owners or place.owner in owners:
        return place if owners else None, event.module

    def renamed(name: str) -> str:
        return f"{owners[0]}.{name[len(place.owner) :].lstrip('.')}".strip(".")

    names = tuple((local, renamed(name)) for local, name in place.names)
    return replace(place, owner=owners[0], names=names), renamed(event.module)


def _hosts(model: nn.Module, scopes: Scopes) -> Iterable[HostClass]:
    """The classes of the model's modules that have code of their own outside torch, the model's own first."""
    instances: dict[type, list[str]] = defaultdict(list)
    for name, module in model.named_modules():
        instances[type(module)].append(name)
    for cls, found in instances.items():
        defining = sys.modules.get(cls.__module__)
        if cls.__module__.split(".")[0] == "torch" or defining is None:
            continue
        scope = scopes.of(model.get_submodule(found[0]), cls)
        line = scope.code.co_firstlineno if scope else 0
        yield HostClass(cls.__qualname__, getattr(defining, "__file__", "") or "", line, tuple(found), _factory(scope))


def _factory(scope: Any) -> str:
    """How a constructor passes device and dtype on: `**dd` where it keeps them in a dict, else by keyword."""
    if scope is None:
        return ""
    for name, value in scope.locals.items():
        if isinstance(value, dict) and set(value) == {"device", "dtype"}:
            return f"**{name}"
    return "device=device, dtype=dtype" if {"device", "dtype"} <= set(scope.parameters) else ""


def _sister_builds(module: Any, text: str, small: Setup, limit: int = 3) -> list[Setup]:
    """Other entries of the file that build the same class at other sizes, spread over the file."""
    names = [
        f for f in entries.factory_functions(module, ast.parse(text), small.root.__name__) if f"{f}()" != small.build
    ]
    step = max(1, len(names) // limit)
    return [replace(small, build=f"{name}()") for name in names[::step][:limit]]
