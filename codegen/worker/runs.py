"""Every public path of a model, run under the tracer; each call by its names in the full model. Judges nothing."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from torch import nn

from codegen.worker import paths
from codegen.worker.setup import Setup
from codegen.worker.tracer import Event, Place, tracing


@dataclass(frozen=True)
class Run:
    """What one public path of one build ran."""

    path: str
    build: Setup
    events: Sequence[Event]


@dataclass(frozen=True)
class Located:
    """A call in a run, with its place and its module by their names in the full model."""

    run: Run
    event: Event
    place: Place
    module: str


def other_paths(small: Setup, full: Setup, first: Run) -> Iterator[Run]:
    """Run every public path under the tracer: of the small build, of the full one where the small one is too small for
    it. A path that the model itself cannot run is none. first: the full one's `forward`, which stands for another run of it
    where that is dear.
    """
    builds = [(candidate, candidate.model()) for candidate in ([small] if small is full else [small, full])]
    for path in paths.PATHS:
        for candidate, model in builds:
            if not path.offered(model):
                continue
            if path.name == first.path and candidate is full and full.device != "meta":
                yield replace(first)
                break
            with tracing(model) as recording:
                try:
                    paths.run(path, model, paths.given(path, model, candidate.inputs()))
                except Exception:  # noqa: BLE001 - too small for this path, or a path that the model cannot run
                    continue
            yield Run(path.name, candidate, recording.events)
            break


def located(runs: Sequence[Run], model: nn.Module) -> Iterator[Located]:
    """Every recorded call that stands in the code of a class, by its names in the full model."""
    objects: dict[type, list[str]] = defaultdict(list)  # of the full model
    for name, module in model.named_modules():
        objects[type(module)].append(name)
    for run in runs:
        for event in run.events:
            if found := _in_full(event, objects):
                yield Located(run, event, *found)


def _in_full(event: Event, objects: Mapping[type, list[str]]) -> tuple[Place, str] | None:
    """The place and the module of a call by their names in the full model.

    A build with fewer blocks may have a block of another class under the same name: then they are those of the first object
    of its class; None where the full model has none.
    """
    place = event.place
    owners = objects.get(place.owner_class, []) if place else []
    if place is None or not owners:
        return None
    if place.owner in owners:
        return place, event.module

    def renamed(name: str) -> str:
        return f"{owners[0]}.{name[len(place.owner) :].lstrip('.')}".strip(".")

    names = tuple((local, renamed(name)) for local, name in place.names)
    return replace(place, owner=owners[0], names=names), renamed(event.module)
