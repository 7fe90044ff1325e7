"""What the runs of a model showed of each module: shapes, layouts, widths, from every build that was made. Edits nothing."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable
from dataclasses import replace

from torch import nn

from codegen.traced import Layout, TracedModule, Width
from codegen.worker import layouts, resizing, widths
from codegen.worker.observing import completed, observed, trained
from codegen.worker.owners import held, neighbours, stands_for
from codegen.worker.runs import Located, Run
from codegen.worker.scopes import Scopes
from codegen.worker.setup import Setup
from codegen.worker.tracer import Event

AS_SEEN = ("output_kind", "output_index", "input_argument", "input_kind", "input_index", "in_place")  # of a module's first call
OPERATIONS = {"after": True, "before": False}  # whether it is the tensor that goes out of the site


class Evidence:
    """Shapes and scopes from every build that was made; answers what they agree on."""

    def __init__(self, full: Setup, model: nn.Module, scopes: Scopes, events: list[Event]) -> None:
        self.full = full
        self.second = ""
        self.training = False  # some modules run in training only
        self._by_class: dict[int, dict[str, list[tuple[str, nn.Module]]]] = {}
        self.counts = Counter(e.module for e in events if e.place)
        self.first = {e.module: e for e in reversed(events)}
        self.shapes: dict[tuple[str, bool], dict[str, set[tuple[int, ...]]]] = defaultdict(lambda: defaultdict(set))
        self.note_shapes(events, full)
        self.builds = [(model, scopes, self.first)]  # builds of any width, at the first image size
        self.samples: dict[tuple[str, bool], list[layouts.Sample]] = defaultdict(list)  # of one width: the small build's
        self.grids = [(model, scopes, self.first)]
        self.small: dict[str, Event] = {}
        self.reshaped: set[tuple[str, str]] = set()  # (module, operation) whose tensor has the same width in another layout
        self.runners: dict[str, type] = {}  # of modules that are run by inherited code: the class that it stands in
        self._widths: dict[tuple[type, str, str, bool, int], Width | None] = {}

    def note_shapes(self, events: Iterable[Event], build: Setup) -> None:
        """Note every shape that a module sees in `forward` of a build."""
        for event in events:
            self.shapes[event.module, True][repr(build.overrides)].add(event.output_shape or ())
            self.shapes[event.module, False][repr(build.overrides)].add(event.input_shape or ())

    def note_training(self, runs: Iterable[Run]) -> None:
        """Learn of modules that run in training only: their first call is taken from there."""
        if any(e.module not in self.first for run in runs if run.path == "forward (train)" for e in run.events):
            model = self.builds[0][0]
            events = completed(model, trained(model, self.full.inputs(), set(self.first)))
            self.training = bool(events)
            self.first.update({e.module: e for e in reversed(events)})
            self.note_shapes(events, self.full)

    def _is_mixed(self, name: str, layout: Layout, outgoing: bool) -> bool:
        """Whether `forward` of one build shows tensors of several widths there."""
        seen = self.shapes[name, outgoing].values()
        return any(len({layouts.channels(layout, shape) for shape in shapes}) > 1 for shapes in seen)

    def note_runners(self, calls: Iterable[Located]) -> None:
        """Note which modules are run by code that the class of their owner inherits, all their calls by that of one class."""
        found: dict[str, set[type]] = defaultdict(set)
        own: dict[str, type] = {}
        for call in calls:
            inner = call.module[len(call.place.owner) :].lstrip(".")
            site = f"{call.place.owner}.{inner.partition('.')[0]}".lstrip(".")
            found[site].add(call.place.runner)
            own[site] = call.place.owner_class
        for site, runners in found.items():
            if len(runners) == 1 and own[site] not in runners:
                base = next(iter(runners))
                self.runners |= {} if base.__module__.split(".")[0] == "torch" else {site: base}

    def misfits(self, event: Event, usual: Event | None) -> tuple[str, ...]:
        """Where a call shows another width than in `forward`: a head that, asked for them, gives features, no logits."""
        found: list[str] = []
        if usual is None or event.module not in self.first:
            return ()
        for operation, outgoing in OPERATIONS.items():
            here, there = (e.shape(outgoing) for e in (event, usual))
            if here and there and here != there:
                dim = self.layout(event.module, outgoing).channel_dim
                if dim is not None and dim < len(there) and not layouts.of_width(here, dim, there):
                    found.append(operation)
                elif len(here) != len(there):
                    self.reshaped.add((event.module, operation))
        return tuple(found)

    def add_samples(self, events: Iterable[Event], batch: int | None, image: tuple[int, int] | None) -> None:
        """Note the shapes of one run."""
        for event in {e.module: e for e in reversed(list(events))}.values():  # the first call of each module
            for outgoing, shape in ((True, event.output_shape), (False, event.input_shape)):
                if shape is not None:
                    self.samples[event.module, outgoing].append(layouts.Sample(batch, image, shape))

    def resize(self, small: Setup) -> None:
        """Run at another batch size and at other image sizes; learn whether the model as it is accepts one."""
        self.second = next((other.input for other in resizing.second_size(self.full)), "")
        runs = [
            *((small, batch) for batch in ((2, 3) if small.batch(2) is not None else (2,))),  # an expression has its own
            *((other, 2) for other in [next(resizing.second_size(small, rebuild=True), None)] if other),
        ]
        for other, batch in runs:
            found = self._run(other, batch)
            if found is not None and other.image() != self.full.image():
                self.grids.append(found)
            if found is not None and not self.small:
                self.small = found[2]
                self.builds.append(found)

    def vary(self, small: Setup, sisters: Iterable[list[Setup]]) -> None:
        """Build the class at other widths: changed constructor arguments, other entries; the first of each list that works."""
        for others in [*resizing.sized(small), *sisters]:
            found = next((found for other in others if (found := self._build(other)) is not None), None)
            if found is not None:
                self.builds.append(found)

    def _build(self, other: Setup) -> tuple[nn.Module, Scopes, dict[str, Event]] | None:
        try:
            model, scopes = other.scoped_model()
            if type(model) is not self.full.root or self._is_known(model):
                return None
            events = observed(model, other.inputs(), training=self.training)
        except Exception:  # noqa: BLE001 - a size that the class does not accept is no evidence
            return None
        return model, scopes, {e.module: e for e in reversed(completed(model, events))}

    def _is_known(self, model: nn.Module) -> bool:
        """Whether a build has weights of the sizes of one that ran, and tells no new width: where a run is dear, it is none."""
        known = ([p.shape for p in other.parameters()] for other, _, _ in self.builds)
        return self.full.device != "meta" and [p.shape for p in model.parameters()] in known

    def _run(self, other: Setup, batch: int) -> tuple[nn.Module, Scopes, dict[str, Event]] | None:
        if other is self.full and batch == 2 and other.device != "meta":  # it ran so, and a run is dear
            self.add_samples(self.first.values(), other.batch(batch), other.image())
            return self.builds[0]
        model, scopes = other.scoped_model()
        try:
            found = observed(model, other.inputs(batch), training=self.training)
        except Exception:  # noqa: BLE001 - a size that the model does not accept is no evidence
            return None
        events = [e for e in completed(model, found) if self._is_alike(model, e.module)]
        self.add_samples(events, other.batch(batch), other.image())
        return model, scopes, {e.module: e for e in reversed(events)}

    def _is_alike(self, model: nn.Module, name: str) -> bool:
        """Whether a module of another build is of the class that it is of in the first, and so is the one that holds it.

        With fewer blocks, another one may stand under its name.
        """
        owner = name.rpartition(".")[0]
        try:
            pairs = [(m.get_submodule(name), m.get_submodule(owner)) for m in (model, self.builds[0][0])]
        except AttributeError:
            return False
        return len({tuple(map(type, pair)) for pair in pairs}) == 1

    def module(self, name: str, module: nn.Module, wanted: Collection[str]) -> TracedModule:
        """What was seen of one module; width and layout only where it is wanted."""
        event = self.first.get(name)
        facts = TracedModule(
            name, type(module).__name__, self.counts[name], parameters=sum(p.numel() for p in module.parameters())
        )
        if event is None or not name or name not in wanted:
            return facts
        after, before = (self.layout(name, outgoing) for outgoing in (True, False))
        return replace(
            facts,
            input_shape=event.input_shape or (),
            output_shape=event.output_shape or (),
            **{name: getattr(event, name) for name in AS_SEEN},
            runner=runner.__qualname__ if (runner := self._runner(name)) else "",
            mixed=tuple(
                operation
                for operation, layout in (("after", after), ("before", before))
                if self._is_mixed(name, layout, OPERATIONS[operation]) or (name, operation) in self.reshaped
            ),
            after=after,
            before=before,
            width_after=self._width(name, after, outgoing=True),
            width_before=self._width(name, before, outgoing=False),
        )

    def layout(self, name: str, outgoing: bool) -> Layout:
        """The layout of the tensor that goes out of (into) a module."""
        layout = layouts.infer(samples := self._samples(name, outgoing))
        if layout.grid is not None and self.full.is_clip() and layouts.one_sequence(samples):
            return replace(layout, prefix=0, grid=None)  # the tokens of all frames or slices: no rows and columns
        if layout.grid is not None:  # of the model's own size, which may be wider: only the number of tokens counts
            own = layouts.Sample(self.full.batch(2), self.full.image(), self.first[name].shape(outgoing) or ())
            prefix, size = layouts.tokens([own, *samples])
            layout = replace(layout, prefix=prefix, grid=size)
        if layout.grid is None:
            return layout
        owner, attribute = held(self.builds[0][0], name)
        seen = [
            widths.Observation(scope, other.grid)
            for model, scopes, events in self.grids
            if name in events and (host := model.get_submodule(owner)) is not None
            if (scope := scopes.at_end(host, self._runner(name) or type(host))) is not None
            for other in [self._grid_of(events[name], layout, outgoing)]
            if other.grid is not None
        ]
        return replace(layout, grid_expr=widths.grid(seen, attribute))

    def _samples(self, name: str, outgoing: bool) -> list[layouts.Sample]:
        """What was seen there at several sizes; in a block that the small build lacks, what others of its class show."""
        if self.samples[name, outgoing]:
            return self.samples[name, outgoing]
        owner, attribute = held(self.builds[0][0], name)
        model = self.builds[0][0]
        holder, module = model.get_submodule(owner), model.get_submodule(name)
        alike = [f"{other}.{attribute}" for other, _ in self._instances(model)[type(holder).__qualname__]]
        if type(holder).__module__.split(".")[0] == "torch":  # a list: its elements have no names of their own
            alike = [other for other, _ in self._instances(model)[type(module).__qualname__]]
        alike += neighbours(model, name)
        for other in alike:
            if found := self.samples[other, outgoing]:
                return found
        shape = self.first[name].shape(outgoing)
        return [layouts.Sample(self.full.batch(2), self.full.image(), shape)] if shape else []

    def _grid_of(self, event: Event, layout: Layout, outgoing: bool) -> Layout:
        seen = self.samples[event.module, outgoing]
        sample = next((s for s in seen if s.shape == event.shape(outgoing)), None)
        return layouts.infer([sample]) if sample else Layout("")

    def _alike(self, event: Event, layout: Layout, outgoing: bool) -> bool:
        """Whether a tensor in another build is laid out as in the small one: a flag may turn NCHW to NHWC, tokens to a map."""
        usual = self.small.get(event.module)
        one, other = (e and e.shape(outgoing) for e in (usual, event))
        return not one or not other or layouts.same_order(layout, one, other)

    def _runner(self, name: str) -> type | None:
        """The class that a module's owner inherits the code from which runs it, None where its own class has it."""
        owner, attribute = held(self.builds[0][0], name)
        return self.runners.get(f"{owner}.{attribute.partition('.')[0]}".lstrip("."))

    def _instances(self, model: nn.Module) -> dict[str, list[tuple[str, nn.Module]]]:
        """The modules of a build by the name of their class."""
        if id(model) not in self._by_class:
            found: dict[str, list[tuple[str, nn.Module]]] = defaultdict(list)
            for name, module in model.named_modules():
                found[type(module).__qualname__].append((name, module))
            self._by_class[id(model)] = found
        return self._by_class[id(model)]

    def _running(self, model: nn.Module, cls: type) -> list[tuple[str, nn.Module]]:
        """The modules of a build that run the code of a class."""
        if cls.__module__.split(".")[0] == "torch":  # a function made the model
            return [("", model)]
        if cls in self.runners.values():
            return [pair for pair in model.named_modules() if isinstance(pair[1], cls)]
        return self._instances(model).get(cls.__qualname__, [])

    def _width(self, name: str, layout: Layout, *, outgoing: bool) -> Width | None:
        """The width at a site, as all objects of its host's class show it: asked once for all that are alike."""
        owner, attribute = held(self.builds[0][0], name)
        host = self._runner(name) or type(self.builds[0][0].get_submodule(owner))
        mine = self.first[name].shape(outgoing)
        value = layouts.channels(layout, mine) if mine else None
        if not value:
            return None
        key = (host, attribute, layout.kind, outgoing, value)
        if key not in self._widths:
            self._widths[key] = self._common_width(host, attribute, layout, (name, value), outgoing=outgoing)
        return self._widths[key]

    def _common_width(
        self, cls: type, attribute: str, layout: Layout, reported: tuple[str, int], *, outgoing: bool
    ) -> Width | None:
        seen, (first, value) = [], reported
        sizes: set[int] = set()
        own: set[int] = set()  # in the full model: objects of a class may differ in width
        listed = "." in held(self.builds[0][0], first)[1]
        for model, scopes, events in self.builds:
            for host_name, host in self._running(model, cls):
                event = events.get(f"{host_name}.{attribute}" if host_name else attribute)
                if event is None or listed and not stands_for(self.builds[0][0], model, first, event.module):
                    continue
                shape = event.shape(outgoing)
                if shape is None or model is not self.builds[0][0] and not self._alike(event, layout, outgoing):
                    continue
                found = layouts.channels(layout, shape)
                scope = scopes.at_end(host, cls if isinstance(host, cls) else type(host))
                if found is not None and scope is not None:
                    seen.append(widths.Observation(scope, found))
                    sizes.add(found)
                    own |= {found} if model is self.builds[0][0] else set()
        if not seen:
            return None
        seen.sort(key=lambda o: o.value != value)  # stable: the first build's own value is what is reported
        width = widths.expression(seen, attribute, outgoing=outgoing, builds=max(1, len(sizes)))
        return width if width is None or width.kind != "literal" or len(own) == 1 else None
