"""`--emit-groups`: the method that gives what was inserted gives just that, and layer decay has it in the layer of its site."""

from __future__ import annotations

from collections.abc import Iterator

from torch import nn

from codegen import selection
from codegen.worker import registry
from codegen.worker.checks import Outcome, failed, passed, skipped
from codegen.worker.checks._sites import attributes, hosts
from codegen.worker.subject import Subject

ORDER = 95
ON_REQUEST = True


def check(subject: Subject) -> Outcome:
    """Its names are those of the parameters that the base has not, and each is in the layer of the parameters beside it."""
    if not subject.plan.groups:
        return skipped("it is a method of the model itself")
    old = {name for name, _ in subject.shown("base").named_parameters()}
    new = {name for name, _ in subject.shown("variant").named_parameters()} - old
    given = {name for name, _ in getattr(subject.shown("variant"), subject.plan.groups)()}
    if wrong := sorted(new ^ given):
        return failed(f"{subject.plan.groups}() is wrong about {', '.join(wrong[:3])}")
    beside = _beside_each(subject) if new else {}
    found = []
    for coarse in (False, True):
        layers = registry.layers(subject.full("variant"), coarse) if beside else None
        if layers is None:
            continue
        if wrong := [*_apart(subject, layers, beside), *_moved(subject, coarse, layers)]:
            return failed(f"group_matcher(coarse={coarse}): {wrong[0]}")
        found.append("coarse" if coarse else "fine")
    where = f", in the layers of their sites ({' and '.join(found)})" if found else ""
    return passed(f"{len(given)} parameters{where}")


def _moved(subject: Subject, coarse: bool, layers: dict[str, int]) -> Iterator[str]:
    """The base's parameters that are in another layer than in the base."""
    for name, layer in (registry.layers(subject.full("base"), coarse) or {}).items():
        if layers[name] != layer:
            yield f"{name} was in layer {layer}, and is in {layers[name]}"


def _apart(subject: Subject, layers: dict[str, int], beside: dict[str, list[str]]) -> Iterator[str]:
    """The new parameters that are not in the last (before: the first) of the layers that their site is in."""
    choose = min if subject.plan.operation == "before" else max
    for name, layer in layers.items():
        for inserted, known in beside.items():
            wanted = choose(layers[each] for each in known)
            if name.startswith(f"{inserted}.") and layer != wanted:
                yield f"{name} is in layer {layer}, {known[-1]} in {wanted}"


def _beside_each(subject: Subject) -> dict[str, list[str]]:
    """Inserted module -> the parameters beside it, where there are any."""
    plan, base, found = subject.plan, subject.full("base"), {}
    for host in hosts(plan, base):
        site = host if selection.is_point(plan.site) else selection.joined(host, plan.site)
        for attribute in attributes(plan):
            found[selection.joined(host, attribute)] = _beside(base, site)
    return {inserted: known for inserted, known in found.items() if known}


def _beside(model: nn.Module, site: str) -> list[str]:
    """The parameters of a module, or of the last one before it that has some."""
    last: list[str] = []
    for name, module in model.named_modules():
        if name == site != "":
            return [f"{name}.{each}" for each, _ in module.named_parameters()] or last
        own = [f"{name}.{each}" for each, _ in module.named_parameters(recurse=False)]
        last = own if own and name else last
    return []
