"""Run a model on all its public paths and tell what was seen: modules, calls, widths, layouts. Judges and edits nothing."""

from __future__ import annotations

import ast
import contextlib
import inspect
import json
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import ModuleType
from typing import Any

import torch
from torch import nn

from codegen import selection
from codegen.traced import Call, Chosen, HostClass, Span, Trace, TracedModule
from codegen.worker import entries, models, outer, pooled, registry, resizing, settings, settled, setup, sisters
from codegen.worker.evidence import Evidence
from codegen.worker.observing import completed
from codegen.worker.points import marked
from codegen.worker.runs import Located, Run, located, other_paths
from codegen.worker.scopes import Scopes
from codegen.worker.setup import Setup
from codegen.worker.tracer import Event, Place, preferring, tracing

Holds = Callable[[Sequence[str]], bool]


@dataclass(frozen=True)
class Seen:
    """What a model showed on all its paths, whichever site is meant."""

    full: Setup
    model: nn.Module
    scopes: Scopes
    small: Setup
    names: tuple[str, ...]  # of the small build's modules
    events: Sequence[Event]
    evidence: Evidence
    paths: tuple[str, ...]
    calls: tuple[Call, ...]
    extractor: registry.Extractor
    constructions: list[settled.Construction] = field(default_factory=list)  # one, once it was asked for


# of the models of a library that were traced last, the latest at the end: their next sites are told from the same runs
LAST: dict[str, Seen] = {}
KEPT = 2  # the model, and the class that the library builds for features


def trace(request: Mapping[str, Any]) -> Trace:
    """Trace a source. request: file, text, entry, host, build, input, `wanted`, a site's name ("" for all of them),
    `element`, which of its results is meant, `behind`, whether what takes that is looked for, and `narrow` and `short`, whether
    a build of other widths, or with fewer blocks, may stand for the model.
    """
    module = models.import_source(request["file"])
    kept = request["file"]["module"] and selection.SIGN not in (request["wanted"] or selection.SIGN)
    key = json.dumps({name: value for name, value in request.items() if name != "wanted"}, sort_keys=True)
    if kept and key in LAST:
        seen = LAST[key]
        chosen = _chosen(request, seen.model)
        if _holding(chosen)(seen.names):
            return _told(request, seen, chosen)
    builds = [request["build"]] if request["build"] else []
    builds = builds or entries.build_expressions(module, request["text"], request["entry"], request["host"])
    full = setup.find(module, builds, request["input"])
    model, scopes = full.scoped_model()
    with contextlib.ExitStack() as stack:
        stack.enter_context(preferring(request.get("element", "")))
        if selection.SIGN in (request["wanted"] or selection.SIGN):
            stack.enter_context(marked(model, full.inputs()))
        chosen = _chosen(request, model)
        seen = _seen(request, module, full, (model, scopes), _holding(chosen))
        for old in [*LAST][: len(LAST) - KEPT + 1]:
            del LAST[old]
        if kept:
            LAST[key] = seen
        return _told(request, seen, chosen)


def _seen(
    request: Mapping[str, Any], module: ModuleType, full: Setup, made: tuple[nn.Module, Scopes], holds: Holds
) -> Seen:
    model, scopes = made

    def accept(other: nn.Module) -> bool:
        return holds([name for name, _ in other.named_modules()])

    small = resizing.small(full, accept, narrow=request.get("narrow", True), short=request.get("short", True))
    with tracing(model) as recording, torch.no_grad():
        args, kwargs = full.inputs()
        model(*args, **kwargs)
    events = completed(model, recording.events)
    evidence = Evidence(full, model, scopes, events)
    first = Run("forward", full, recording.events)
    runs = [first, *other_paths(small, full, first)]
    for run in runs:
        if run.path == "forward":
            evidence.note_shapes(run.events, run.build)
    evidence.note_training(runs)
    calls = list(located(runs, model))
    evidence.note_runners(calls)
    evidence.resize(small)
    evidence.vary(small, _sister_builds(module, request["text"], small))
    return Seen(
        full,
        model,
        scopes,
        small,
        tuple(name for name, _ in small.model().named_modules()),
        events,
        evidence,
        tuple(run.path for run in runs[1:]),
        tuple(_calls(runs, calls, evidence)),
        _extractor(request, module, small),
    )


def _told(request: Mapping[str, Any], seen: Seen, chosen: Chosen) -> Trace:
    """What a site needs to know of it."""
    full, model, small, evidence = seen.full, seen.model, seen.small, seen.evidence
    construction = _construction(request, seen)
    last = request["wanted"].rpartition(".")[2]
    names = [name for name, _ in model.named_modules()]
    wanted = {name for name in names if name in chosen.names or last in ("", name.rpartition(".")[2])}
    order = {e.module: i for i, e in reversed([*enumerate(seen.events)])}
    pool = chosen.names[0] if request.get("behind") and len(chosen.names) == 1 else ""
    fed = pooled.behind(model, seen.events, pool) if pool else []
    known = replace(chosen, names=(*chosen.names, *fed))
    return Trace(
        build=full.build,
        input=full.input,
        hosts=(*_maker(model, seen.scopes), *_hosts(model, seen.scopes), *_bases(model, seen.scopes, evidence)),
        modules=tuple(_modules(model, evidence, wanted, known, order)),
        calls=seen.calls,
        paths=seen.paths,
        small=json.dumps({"overrides": small.overrides, "input": small.input, "second": evidence.second}),
        device=full.device,
        other_build=f"{request['entry']}(features_only=True)" if seen.extractor.other else "",
        taps=seen.extractor.taps,
        hooked=seen.extractor.hooked,
        chosen=_measured(chosen, evidence),
        behind=tuple(_measured(Chosen((name,), name), evidence) for name in fed),
        restless=construction.restless,
        early=construction.early,
    )


def _modules(
    model: nn.Module, evidence: Evidence, wanted: set[str], chosen: Chosen, order: Mapping[str, int]
) -> Iterator[TracedModule]:
    """What was seen of each module; of places between modules those where it is known what the dims mean."""
    for name, module in model.named_modules():
        single = len(inspect.signature(module.forward).parameters) == 1
        found = replace(evidence.module(name, module, wanted), order=order.get(name, -1), single=single)
        point = selection.is_point(name.rpartition(".")[2])
        if not point or found.after.kind or name not in wanted:
            yield replace(found, **(settings.known(module) if point or name in chosen.names else {}))


def _chosen(request: Mapping[str, Any], model: nn.Module) -> Chosen:
    """What the site's name means in a model."""
    names, site = [name for name, _ in model.named_modules()], request["wanted"]
    if not site:
        return Chosen((), "")
    if not request["host"]:
        return Chosen(tuple(selection.select(names, site)), site)
    hosts = [name for name, module in model.named_modules() if type(module).__qualname__ == request["host"]]
    return Chosen(tuple(found for host in hosts for found in selection.select(names, site, host)), "")


def _holding(chosen: Chosen) -> Holds:
    """Whether a site's name means something too in a build whose modules have these names."""
    if not chosen.names or not chosen.pattern:
        return lambda names: True
    parts = {part for part in chosen.pattern.split(".") if "*" in part}
    least = 1 if parts <= {"*"} else len(chosen.names)  # `block*`: the code names each of them
    return lambda names: len(selection.select(names, chosen.pattern)) >= least


def _measured(chosen: Chosen, evidence: Evidence) -> Chosen:
    names, pattern = chosen.names, chosen.pattern
    after, before = (outer.width(evidence, names, pattern, outgoing=outgoing) for outgoing in (True, False))
    grids = (outer.grid(evidence, names, outgoing=outgoing) for outgoing in (True, False))
    return Chosen(names, pattern, after, before, *grids)


def _construction(request: Mapping[str, Any], seen: Seen) -> settled.Construction:
    model, bases = seen.model, {*seen.evidence.runners.values()}  # whose code runs the children of derived classes
    own = any(isinstance(model, base) for base in bases)
    if request["wanted"] and "." not in request["wanted"] and not request["host"] and not own:
        return settled.Construction()  # a child of the model itself: it is made last, and nothing comes behind
    if not seen.constructions:
        kinds = {type(m) for m in model.modules()} - {type(model)} | bases
        seen.constructions.append(settled.watched(seen.small, [k for k in kinds if k.__module__.split(".")[0] != "torch"]))
    return seen.constructions[0]


def _extractor(request: Mapping[str, Any], module: Any, small: Setup) -> registry.Extractor:
    if request["library"] != "timm" or request["build"] not in ("", f"{request['entry']}()"):
        return registry.Extractor()
    return registry.extractor(registry.Entry(getattr(module, request["entry"]), small.root, small.overrides))


def _calls(runs: Sequence[Run], calls: Iterable[Located], evidence: Evidence) -> Iterator[Call]:
    """The places that ran modules, once for each path."""
    usual = {id(run.build): {e.module: e for e in reversed(run.events)} for run in runs if run.path == "forward"}
    counts: Counter[tuple[str, Place, str, tuple[str, ...]]] = Counter()
    for call in calls:
        if call.run is not runs[0]:
            misfits = evidence.misfits(call.event, usual.get(id(call.run.build), {}).get(call.event.module))
            counts[call.module, call.place, call.run.path, misfits] += 1
    counts.update({(e.module, e.place, "forward", ()): 1 for e in runs[0].events if e.place})
    for (called, place, path, misfits), count in counts.items():
        line, end_line, column, end_column = place.position
        span = Span(line, column, end_line, end_column)
        yield Call(called, place.owner, place.file, place.method, span, place.direct, path, count, place.names, misfits)


def _maker(model: nn.Module, scopes: Scopes) -> Iterator[HostClass]:
    """The function that returned the model, where that is an nn.Sequential of torch's."""
    if scope := scopes.makers.get(id(model)):
        code = scope.code
        yield HostClass(code.co_name, code.co_filename, code.co_firstlineno, ("",), variable=scope.me)


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
        line = scope.code.co_firstlineno if scope else _first_line(cls)
        file, names = getattr(defining, "__file__", "") or "", tuple(found)
        keyed = issubclass(cls, nn.ModuleDict)
        yield HostClass(cls.__qualname__, file, line, names, indexed=_is_indexed(cls), keyed=keyed, factory=_factory(scope))


def _bases(model: nn.Module, scopes: Scopes, evidence: Evidence) -> Iterator[HostClass]:
    """The classes whose code is run by objects of classes that derive from them."""
    for base in dict.fromkeys(evidence.runners.values()):
        names = tuple(name for name, module in model.named_modules() if isinstance(module, base))
        scope = scopes.of(model.get_submodule(names[0]), base)
        file = getattr(sys.modules.get(base.__module__), "__file__", None) or ""
        line = scope.code.co_firstlineno if scope else _first_line(base)
        indexed, keyed = _is_indexed(base), issubclass(base, nn.ModuleDict)
        yield HostClass(base.__qualname__, file, line, names, True, indexed, keyed, _factory(scope))


def _is_indexed(cls: type) -> bool:
    return issubclass(cls, (nn.Sequential, nn.ModuleList))


def _first_line(cls: type) -> int:
    """A line inside a class, 0 where it has no method."""
    return min((value.__code__.co_firstlineno for value in vars(cls).values() if inspect.isfunction(value)), default=0)


def _factory(scope: Any) -> str:
    """How a constructor passes device and dtype on: `**dd` where it keeps them in a dict, else by keyword."""
    if scope is None:
        return ""
    for name, value in scope.locals.items():
        if isinstance(value, dict) and set(value) == {"device", "dtype"}:
            return f"**{name}"
    return "device=device, dtype=dtype" if {"device", "dtype"} <= set(scope.parameters) else ""


def _sister_builds(module: Any, text: str, small: Setup, limit: int = 4) -> Iterator[list[Setup]]:
    """Other entries that build the same class at other sizes, of the file and of the one that defines the class: small, or as
    wide as they are where they cannot be that narrow.
    """
    if small.root is nn.Sequential:  # made by functions, each another model
        return
    short = resizing.short_only(small.overrides)
    files = {module: text}
    if (home := sys.modules[small.root.__module__]) is not module:
        with contextlib.suppress(OSError, TypeError):  # it has no source
            files[home] = inspect.getsource(home)
    for file, source in files.items():
        tree, own = ast.parse(source), small.build.removesuffix("()")
        names = [name for name in entries.factory_functions(file, tree, small.root.__name__) if name != own]
        for name in sisters.differing(tree, names, own, limit):
            other = replace(small, module=file, build=f"{name}()")
            yield [other, replace(other, overrides=short)] if short != small.overrides else [other]
