"""The oracle: the original model with the inserted module wrapped around one site, compared with a variant bit by bit.

It shares no code with codegen and reads no source: it only runs the two models on every public path that they have.
"""

from __future__ import annotations

import copy
import fnmatch
import importlib
import importlib.util
import json
import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass
from types import ModuleType
from typing import Any, cast

import torch
from oracle_points import Point, at_point
from oracle_runs import (
    JOINS,
    Inputs,
    Outcome,
    Route,
    Subject,
    beside,
    brief,
    instead,
    outcome,
    routes,
    shapes,
    target,
    through,
    watch,
)
from torch import Tensor, nn


@dataclass(frozen=True)
class Place:
    """Where a module was inserted: after or before which site, under which name beside it (`blocks.*`: inside it).

    host: the class whose every instance has the site as a child; file: where that class is defined.
    """

    site: str
    attribute: str
    operation: str = "after"
    host: str = ""
    file: str = ""
    point: Point | None = None  # a place between modules of the host's code; the site then is one of its modules' names
    sites: tuple[str, ...] = ()  # the modules that the site stands for, where no pattern says it: blocks.0, blocks.2
    parted: bool = False  # it stands beside the list that holds the site, not in it, where both have a module of that name


class Original:
    """A model as its library builds it, with what every route that it supports gives before anything is inserted."""

    def __init__(self, model: nn.Module, inputs: Inputs, seed: int) -> None:
        stir(model, seed)
        self.model, self.seed = model, seed
        subject = Subject(model)
        self.plain: list[tuple[Route, Inputs, Outcome, list[int]]] = []
        with shapes(model.modules()) as self.usual:  # of what the modules return in `forward`
            outcome(subject, Route("forward"), inputs, seed)
        for route in routes(model):
            head = route.method == "forward_head"
            x = ((subject.run(Route("forward_features"), inputs, seed),), {}) if head else inputs
            with watch(model.modules()) as ran:
                plain = outcome(subject, route, x, seed)
            if not plain.error:
                self.plain.append((route, x, plain, ran))
        subject.reset()

    def differences(self, variant: nn.Module, place: Place, *more: Place) -> list[str]:
        """All differences between the variant and this model with the module wrapped around its site; [] when equal.

        more: further places, which have modules of their own.
        """
        inserted: dict[str, str] = {}
        operations: dict[str, str] = {}
        for one in (place, *more):
            sites = sites_of(self.model, one)
            own = find_inserted(self.model, variant, sites, one.attribute, parted=one.parted)
            bare = [site for site in sites if site not in own]
            if bare or not sites:
                return [f"no new module {one.attribute} at {', '.join(bare[:3]) or one.site}"]
            inserted |= own
            operations |= dict.fromkeys(own, one.operation)
        if len({*inserted.values()}) < len(inserted) and more:
            return [f"one module stands for several of {', '.join(inserted)}"]
        if found := differences_of_weights(self.model, variant, inserted):
            return found
        for path in inserted.values():
            stir(variant.get_submodule(path), self.seed)
        return differences_of_runs(self, variant, inserted, operations, place.point)


def load(name: str) -> ModuleType:
    """A module from a file (`path/model.py`), or an installed one by its name."""
    if not name.endswith(".py"):
        return importlib.import_module(name)
    spec = importlib.util.spec_from_file_location(name.removesuffix(".py").replace(".", "_"), name)
    assert spec and spec.loader
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def compare(
    base_module: ModuleType,
    variant_module: ModuleType,
    base_build: str,
    variant_build: str,
    site: str,
    attribute: str,
    operation: str,
    input_shape: Sequence[int] | str,
    *,
    host: str = "",
    file: str = "",
    point: Point | None = None,
    seeds: Sequence[int] = (0,),
) -> list[str]:
    """All differences between the variant and the original with the module wrapped around its site; [] when equal."""
    differences: list[str] = []
    for seed in seeds:
        original = Original(build(base_module, base_build, seed), make_inputs(input_shape, seed), seed)
        variant = build(variant_module, variant_build, seed)
        found = original.differences(variant, Place(site, attribute, operation, host, file, point))
        differences += [f"seed {seed}: {difference}" if len(seeds) > 1 else difference for difference in found]
    return differences


def build(module: ModuleType, expression: str, seed: int) -> nn.Module:
    torch.manual_seed(seed)
    return cast(nn.Module, eval(expression, vars(module)))


def make_inputs(spec: Sequence[int] | str, seed: int) -> Inputs:
    """(args, kwargs): an image of this shape, or what a Python expression gives: a tensor, a tuple or a dict."""
    if not isinstance(spec, str):
        return (torch.randn(tuple(spec), generator=torch.Generator().manual_seed(seed)),), {}
    torch.manual_seed(seed)
    value = eval(spec, {"torch": torch})
    if isinstance(value, dict):
        return (), value
    return (tuple(value) if isinstance(value, tuple | list) else (value,)), {}


def sites_of(model: nn.Module, place: Place) -> list[str]:
    """The modules that a name (`layer2`, `blocks.*`) stands for, in the model or in every instance of the host's class."""
    names = dict(model.named_modules(remove_duplicate=False))
    if place.sites:
        return once_each(names, [name for name in place.sites if name in names])
    if place.point and not place.host:
        return [place.site]
    if not place.host:
        found = [name for name in fnmatch.filter(names, place.site) if name.count(".") == place.site.count(".")]
        return once_each(names, found)
    classes = {type(module) for module in names.values() if type(module).__qualname__ == place.host}
    known = {cls for cls in classes if place.file in ("", getattr(sys.modules.get(cls.__module__), "__file__", None))}
    owners = [owner for owner, module in model.named_modules() if type(module) in known]
    if place.point:
        return [f"{owner}.{place.site}".lstrip(".") for owner in owners]
    return once_each(names, [site for owner in owners if (site := f"{owner}.{place.site}".lstrip(".")) in names])


def once_each(modules: dict[str, nn.Module], names: list[str]) -> list[str]:
    """The first name of each of these modules: one may stand in several places."""
    return list({id(modules[name]): name for name in reversed(names)}.values())[::-1]


def find_inserted(
    base: nn.Module, variant: nn.Module, sites: Sequence[str], attribute: str, *, parted: bool = False
) -> dict[str, str]:
    """The new module's path for every site: beside it, inside it, or beside the list that holds it (parted: that first)."""
    known, new = dict(base.named_modules()), dict(variant.named_modules())
    if not attribute:  # it stands where the site stood
        return {name: name for name in sites if name in new}
    found = {}
    for name in sites:
        holder = name.rpartition(".")[0]
        owners = [holder, name, holder.rpartition(".")[0]]
        paths = [f"{owner}.{attribute}".lstrip(".") for owner in (owners[::-1] if parted else owners)]
        paths = [path for path in paths if path in new and path not in known]
        if paths:
            found[name] = paths[0]
    return found


def differences_of_weights(base: nn.Module, variant: nn.Module, inserted: dict[str, str]) -> list[str]:
    """Loads the base's weights into the variant. Only what is under a new module may be missing."""
    try:
        keys = variant.load_state_dict(base.state_dict(), strict=False)
    except RuntimeError as error:
        return [f"weights: {brief(error)}"]
    prefixes = tuple(f"{path}." for path in inserted.values())
    strange = [key for key in keys.missing_keys + keys.unexpected_keys if not key.startswith(prefixes)]
    return [f"weights: {key} is not in both" for key in strange]


def stir(model: nn.Module, seed: int) -> None:
    """Noise on every constant parameter (zero-init branches, layer scales, identity starts): no signal stays dead."""
    generator = torch.Generator().manual_seed(seed)
    for parameter in model.parameters():
        if parameter.numel() and bool((parameter == parameter.flatten()[0]).all()):
            parameter.data.add_(0.1 * torch.randn(parameter.shape, generator=generator))


def differences_of_runs(
    original: Original, variant: nn.Module, inserted: dict[str, str], operations: dict[str, str], point: Point | None
) -> list[str]:
    """Every route through both models on the same input; the original's site is wrapped anew for each route.

    A module that changes no output on any route shows nothing, and counts as a difference.
    """
    base, seed = original.model, original.seed
    modules = {site: variant.get_submodule(path) for site, path in inserted.items()}
    copies = {site: copy.deepcopy(module) for site, module in modules.items()}
    wrapped, edited = Subject(base, list(copies.values())), Subject(variant)
    differences, alive = [], False
    for route, x, plain, ran in original.plain:
        with ExitStack() as stack:
            if point:
                owners = {base.get_submodule(site.rpartition(".")[0]): module for site, module in copies.items()}
                calls = [stack.enter_context(at_point(point, owners))]
            else:
                calls = [stack.enter_context(wrap(original, site, copies[site], ran, operations[site])) for site in inserted]
            expected = outcome(wrapped, route, x, seed)
        with watch(modules.values()) as seen, at_point(point, {}) if point else nullcontext():
            got = outcome(edited, route, x, seed)  # some of torch computes otherwise where its functions are watched
        found = differences_of_outcomes(expected, got)
        if sum(map(len, calls)) != len(seen):
            found.append(f"the site ran {sum(map(len, calls))} times, the inserted module {len(seen)} times")
        differences += [f"{route}: {difference}" for difference in found]
        alive = alive or bool(differing(plain.output, expected.output, ""))
    return differences if alive else [*differences, "the inserted module changes no output on any path"]


def wrap(
    original: Original, site: str, inserted: nn.Module, ran: list[int], operation: str
) -> AbstractContextManager[list[int]]:
    """The inserted module around a site of the original, as long as this is entered; gives a list that grows with its calls."""
    module = original.model.get_submodule(site)
    if operation in JOINS:
        first, last = target(module, ran, "before"), target(module, ran, "after")
        return beside(first, last, inserted, JOINS[operation])
    edge = target(module, ran, operation.partition(" ")[0])
    if operation == "replace":
        return instead(edge, inserted)
    return through(edge, inserted, operation, original.usual.get(id(edge), set()))


def differences_of_outcomes(expected: Outcome, got: Outcome) -> list[str]:
    if expected.error or got.error:
        return [f"the wrapped original: {expected.error or 'ran'}; the variant: {got.error or 'ran'}"]
    found = differing(expected.output, got.output, "output")
    for name, buffer in expected.buffers.items():
        found += differing(buffer, got.buffers.get(name), f"buffer {name}")
    return found


def differing(expected: Any, got: Any, where: str) -> list[str]:
    """Differences in nested outputs, compared bit by bit. A variant has output classes of its own: names must agree."""
    if isinstance(expected, Tensor) and isinstance(got, Tensor):
        if (expected.shape, expected.dtype) != (got.shape, got.dtype):
            return [f"{where} is {got.dtype} {tuple(got.shape)}, not {expected.dtype} {tuple(expected.shape)}"]
        if torch.equal(expected, got) or torch.allclose(expected, got, rtol=0, atol=0, equal_nan=True):
            return []
        return [f"{where} differs by up to {(expected.double() - got.double()).abs().max().item():.3g}"]
    if type(expected).__qualname__ != type(got).__qualname__:
        return [f"{where} is a {type(got).__name__}, not a {type(expected).__name__}"]
    if isinstance(expected, dict | list | tuple):
        keys, others = (list(v) if isinstance(v, dict) else list(range(len(v))) for v in (expected, got))
        if keys != others:
            return [f"{where} has elements {others}, not {keys}"]
        return [line for key in keys for line in differing(expected[key], got[key], f"{where}[{key!r}]")]
    if hasattr(expected, "__dict__"):
        return differing(vars(expected), vars(got), where)
    return [] if expected == got else [f"{where} is {got!r}, not {expected!r}"]


if __name__ == "__main__":  # one JSON object of compare's arguments, modules by name; prints the list of differences
    job = json.loads(sys.argv[1])
    job["base_module"], job["variant_module"] = load(job["base_module"]), load(job["variant_module"])
    print(json.dumps(compare(**job)))
