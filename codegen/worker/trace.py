"""Run a model on all its public paths and tell what was seen: modules, calls, widths, layouts. Judges and edits nothing."""

from __future__ import annotations

import ast
import json
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import nn

from codegen.types import Call, HostClass, Layout, Span, Trace, TracedModule
from codegen.worker import entries, layouts, models, paths, registry, setup, widths
from codegen.worker.scopes import Scopes
from codegen.worker.setup import Setup
from codegen.worker.tracer import Event, Place, tracing


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
    calls, names = _other_paths(small, full)
    calls.update({(e.module, e.place, "forward"): 1 for e in recording.events if e.place})
    evidence = Evidence(full, model, scopes, completed(model, recording.events))
    evidence.resize(small)
    evidence.vary(small, _sister_builds(module, request["text"], small))
    extractor = _extractor(request, module, small)
    wanted = request["wanted"].rpartition(".")[2]
    return Trace(
        build=full.build,
        input=full.input,
        hosts=tuple(_hosts(model, scopes)),
        modules=tuple(evidence.module(name, m, wanted) for name, m in model.named_modules()),
        calls=tuple(_call(*key, count) for key, count in calls.items()),
        paths=tuple(names),
        small=json.dumps({"overrides": small.overrides, "input": small.input, "second": evidence.second}),
        device=full.device,
        other_build=f"{request['entry']}(features_only=True)" if extractor.other else "",
        taps=extractor.taps,
    )


def _extractor(request: Mapping[str, Any], module: Any, small: Setup) -> registry.Extractor:
    if request["library"] != "timm" or request["build"]:
        return registry.Extractor()
    return registry.extractor(registry.Entry(getattr(module, request["entry"]), small.root, small.overrides))


def _other_paths(small: Setup, full: Setup) -> tuple[Counter[tuple[str, Place, str]], list[str]]:
    """Run every public path under the tracer: of the small build, of the full one where the small one is too small for
    it. A path that the model itself cannot run is none.
    """
    calls: Counter[tuple[str, Place, str]] = Counter()
    names = []
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
            names.append(path.name)
            calls.update((e.module, e.place, path.name) for e in recording.events if e.place)
            break
    return calls, names


def _call(module: str, place: Place, path: str, count: int) -> Call:
    line, end_line, column, end_column = place.position
    span = Span(line, column, end_line, end_column)
    return Call(module, place.owner, place.file, place.method, span, place.direct, path, count, place.names)


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


def completed(model: nn.Module, events: list[Event]) -> list[Event]:
    """The events, and one for each container that ran only element by element: in by its first, out by its last."""
    found = {e.module: e for e in reversed(events)}
    extra = []
    for name, module in reversed(list(model.named_modules())):
        children = [child for child, _ in module.named_children()]
        if isinstance(module, (nn.Sequential, nn.ModuleList, nn.ModuleDict)) and name not in found and children:
            first, last = (found.get(f"{name}.{child}") for child in (children[0], children[-1]))
            if first is not None and last is not None:
                found[name] = replace(last, module=name, place=None, **_entering(first))
                extra.append(found[name])
    return [*events, *extra]


def _entering(event: Event) -> dict[str, Any]:
    return {"input_argument": event.input_argument, "input_shape": event.input_shape}


class Evidence:
    """Shapes and scopes from every build that was made; answers what they agree on."""

    def __init__(self, full: Setup, model: nn.Module, scopes: Scopes, events: list[Event]) -> None:
        self.full = full
        self.second = ""
        self._by_class: dict[int, dict[str, list[tuple[str, nn.Module]]]] = {}
        self.counts = Counter(e.module for e in events if e.place)
        self.first = {e.module: e for e in reversed(events)}
        self.shapes: dict[tuple[str, bool], set[tuple[int, ...]]] = defaultdict(set)
        for event in events:
            self.shapes[event.module, True].add(event.output_shape or ())
            self.shapes[event.module, False].add(event.input_shape or ())
        self.builds = [(model, scopes, self.first)]  # builds of any width, at the first image size
        self.samples: dict[tuple[str, bool], list[layouts.Sample]] = defaultdict(list)
        self.grids = [(model, scopes, self.first)]
        self.add_samples(events, full.batch(2), full.image())

    def add_samples(self, events: Iterable[Event], batch: int | None, image: tuple[int, int] | None) -> None:
        """Note the shapes of one run."""
        for event in {e.module: e for e in reversed(list(events))}.values():  # the first call of each module
            for outgoing, shape in ((True, event.output_shape), (False, event.input_shape)):
                if shape is not None:
                    self.samples[event.module, outgoing].append(layouts.Sample(batch, image, shape))

    def resize(self, small: Setup) -> None:
        """Run at another batch size and at other image sizes; learn whether the model as it is accepts one."""
        for other in setup.second_size(self.full):
            self.second = other.input
            break
        runs = [
            (small, 2),
            (small, 3),
            *((other, 2) for other in [next(setup.second_size(small, rebuild=True), None)] if other),
        ]
        for other, batch in runs:
            found = self._run(other, batch)
            if found is not None and other.image() != self.full.image():
                self.grids.append(found)

    def vary(self, small: Setup, sisters: list[Setup]) -> None:
        """Build the class at other widths: doubled constructor arguments, other entries of the file."""
        for other in [*setup.sized(small), *sisters]:
            found = self._build(other)
            if found is not None:
                self.builds.append(found)

    def _build(self, other: Setup) -> tuple[nn.Module, Scopes, dict[str, Event]] | None:
        try:
            model, scopes = other.scoped_model()
            if type(model) is not self.full.root:
                return None
            with tracing(model, places=False) as recording:
                setup.runs(other, model)
        except Exception:  # noqa: BLE001 - a size that the class does not accept is no evidence
            return None
        return model, scopes, {e.module: e for e in reversed(completed(model, recording.events))}

    def _run(self, other: Setup, batch: int) -> tuple[nn.Module, Scopes, dict[str, Event]] | None:
        model, scopes = other.scoped_model()
        args, kwargs = other.inputs(batch)
        try:
            with tracing(model, places=False) as recording, torch.no_grad():
                model(*args, **kwargs)
        except Exception:  # noqa: BLE001 - a size that the model does not accept is no evidence
            return None
        events = completed(model, recording.events)
        self.add_samples(events, other.batch(batch), other.image())
        return model, scopes, {e.module: e for e in reversed(events)}

    def module(self, name: str, module: nn.Module, wanted: str) -> TracedModule:
        """What was seen of one module; width and layout only where its own name is `wanted` ("": everywhere)."""
        event = self.first.get(name)
        facts = TracedModule(
            name, type(module).__name__, self.counts[name], parameters=sum(p.numel() for p in module.parameters())
        )
        if event is None or not name or wanted not in ("", name.rpartition(".")[2]):
            return facts
        after, before = (self._layout(name, outgoing) for outgoing in (True, False))
        return replace(
            facts,
            input_shape=event.input_shape or (),
            output_shape=event.output_shape or (),
            output_kind=event.output_kind,
            output_index=event.output_index,
            input_argument=event.input_argument,
            mixed=any(
                len({layouts.channels(layout, shape) for shape in self.shapes[name, outgoing]}) > 1
                for layout, outgoing in ((after, True), (before, False))
            ),
            after=after,
            before=before,
            width_after=self._width(name, after, outgoing=True),
            width_before=self._width(name, before, outgoing=False),
        )

    def _layout(self, name: str, outgoing: bool) -> Layout:
        samples = self.samples[name, outgoing]
        layout = layouts.infer(samples)
        if not layout.kind:
            layout = layouts.infer(
                samples[1:]
            )  # the full model may be wider than the small ones: DenseNet grows by depth
        if layout.grid is None:
            return layout
        owner, _, attribute = name.rpartition(".")
        seen = [
            widths.Observation(scope, host, other.grid)
            for model, scopes, events in self.grids
            if name in events and (host := model.get_submodule(owner)) is not None
            if (scope := scopes.of(host, type(host))) is not None
            for other in [self._grid_of(events[name], layout, outgoing)]
            if other.grid is not None
        ]
        return replace(layout, grid_expr=widths.grid(seen, attribute))

    def _grid_of(self, event: Event, layout: Layout, outgoing: bool) -> Layout:
        shape = event.output_shape if outgoing else event.input_shape
        sample = next((s for s in self.samples[event.module, outgoing] if s.shape == shape), None)
        return layouts.infer([sample]) if sample else Layout("")

    def _instances(self, model: nn.Module) -> dict[str, list[tuple[str, nn.Module]]]:
        """The modules of a build by the name of their class."""
        if id(model) not in self._by_class:
            found: dict[str, list[tuple[str, nn.Module]]] = defaultdict(list)
            for name, module in model.named_modules():
                found[type(module).__qualname__].append((name, module))
            self._by_class[id(model)] = found
        return self._by_class[id(model)]

    def _width(self, name: str, layout: Layout, *, outgoing: bool) -> Any:
        owner, _, attribute = name.rpartition(".")
        seen = []
        sizes = set()
        for model, scopes, events in self.builds:
            cls = type(self.builds[0][0].get_submodule(owner)).__qualname__
            for host_name, host in self._instances(model).get(cls, ()):
                event = events.get(f"{host_name}.{attribute}" if host_name else attribute)
                if event is None:
                    continue
                shape = event.output_shape if outgoing else event.input_shape
                value = layouts.channels(layout, shape) if shape else None
                scope = scopes.of(host, type(host))
                if value is not None and scope is not None:
                    seen.append(widths.Observation(scope, host, value))
                    sizes.add(value)
        mine = self.first[name].output_shape if outgoing else self.first[name].input_shape
        value = layouts.channels(layout, mine) if mine else None
        seen.sort(key=lambda o: o.value != value)  # stable: the first build's own value is what is reported
        return (
            widths.expression(seen, attribute, outgoing=outgoing, builds=max(1, len(sizes))) if seen and value else None
        )
