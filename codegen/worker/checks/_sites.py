"""Watch a site of a model run, or change what it returns or receives, through hooks that are taken off again.

A container (Sequential, ModuleList) may be run element by element without being called itself: then it returns when its
last element does, and receives when its first does. Never judges.
"""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import functools
import inspect
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from codegen import selection
from codegen.worker.composites import Composite
from codegen.worker.paths import Inputs
from codegen.worker.subject import Plan
from codegen.worker.tracer import forward_of

# gets the value at the site (beside: what it received and what it returned); what it returns, if not None, takes the
# value's place
Change = Callable[..., Any]


@dataclass(frozen=True)
class Place:
    """One site in both models, and what the variant has inserted there."""

    name: str  # of the inserted module, dotted; of several that of the first
    base_site: nn.Module
    variant_site: nn.Module
    inserted: nn.Module
    names: tuple[str, ...]  # of all that is inserted there


def places(plan: Plan, base: nn.Module, variant: nn.Module) -> list[Place]:
    """The insertions in a pair of models; a small build may hold fewer than the full one, and both hold the same."""
    found = []
    for instance in dict.fromkeys([*hosts(plan, base), *hosts(plan, variant)]):
        site, names = selection.joined(instance, plan.site), [selection.joined(instance, a) for a in attributes(plan)]
        base_site, variant_site = _module(base, site), _module(variant, site)
        if base_site is None and variant_site is None:
            continue
        new = [module for name in names if (module := _module(variant, name)) is not None]
        if base_site is None or variant_site is None or len(new) < len(names):
            lacking = site if base_site is None or variant_site is None else _lacking(variant, names)
            raise LookupError(f"{'the base' if base_site is None else 'the variant'} has no module {lacking}")
        found.append(Place(names[0], base_site, variant_site, as_one(plan, new), tuple(names)))
    return found


def attributes(plan: Plan) -> tuple[str, ...]:
    """What the inserted modules of one place are called in the host."""
    return tuple(plan.parts) or (plan.attribute,)


def inserted_modules(plan: Plan, variant: nn.Module) -> list[tuple[str, nn.Module]]:
    """The inserted modules that this build of the variant holds, with their dotted names. LookupError: one lacks."""
    return [pair for place in inserted_places(plan, variant) for pair in place]


def inserted_places(plan: Plan, variant: nn.Module) -> list[list[tuple[str, nn.Module]]]:
    """The same for each place. LookupError: one lacks."""
    if not plan.inserts:
        return []
    found = []
    for host in hosts(plan, variant):
        names = [selection.joined(host, attribute) for attribute in attributes(plan)]
        modules = [(name, module) for name in names if (module := _module(variant, name)) is not None]
        if len(modules) < len(names) and (modules or _module(variant, selection.joined(host, plan.site)) is not None):
            raise LookupError(f"the variant has no module {_lacking(variant, names)}")
        found += [modules] if modules else []
    if not found:
        raise LookupError(f"the variant has no object of class {plan.host}")
    return found


def as_one(plan: Plan, modules: Sequence[nn.Module]) -> nn.Module:
    """What is inserted in one place, as one module."""
    return Composite(dict(zip(plan.parts, modules, strict=True)), plan.running) if plan.parts else modules[0]


def _lacking(variant: nn.Module, names: list[str]) -> str:
    return next(name for name in names if _module(variant, name) is None)


def replaced(plan: Plan, key: str) -> bool:
    """Whether a parameter or buffer of the base belongs to a module that stands no more in the variant."""
    return plan.operation == "replace" and any(key.startswith(f"{name}.") for name in plan.chosen)


def holds_site(plan: Plan, model: nn.Module) -> bool:
    """Whether any object of the edited class in this build has the site."""
    return any(_module(model, selection.joined(host, plan.site)) is not None for host in hosts(plan, model))


def meant(plan: Plan, model: nn.Module) -> list[str]:
    """The chosen modules in this build."""
    names = [name for name, _ in model.named_modules()]
    by_pattern = selection.select(names, plan.pattern) if plan.pattern else []
    return by_pattern or [n for n in plan.chosen if n in names]  # `blocks.0,4` in a model that was cut to three blocks


def hosts(plan: Plan, model: nn.Module) -> list[str]:
    """The objects of the edited class in this build; a small one may have the site where the full one has none."""
    if plan.chosen:
        chosen = meant(plan, model)
        if not plan.inserts:  # elements of the list that is the site
            chosen = [name.rpartition(".")[0] for name in chosen]
        return [*dict.fromkeys(selection.parted(name, plan.site) for name in chosen)]
    found = []
    for name, module in model.named_modules():
        kinds = [cls.__qualname__ for cls in type(module).__mro__]
        # a class derived from it may do without its __init__
        if kinds[0] == plan.host or plan.host in kinds and (_module(module, plan.attribute) or _module(module, plan.site)):
            found.append(name)
    return found


def _module(model: nn.Module, name: str) -> nn.Module | None:
    try:
        return model.get_submodule(name)
    except AttributeError:
        return None


@contextlib.contextmanager
def at_site(site: nn.Module, plan: Plan, change: Change) -> Iterator[None]:
    """While active, `change` is called with the tensor at each return (after) or reception (before) of the site.

    Beside: at each return, with the tensor received, as it was then, and with the one returned. The hooks stand before those
    of the library, so a feature that it taps at the site is the changed one.
    """
    if plan.operation == "replace":
        with _instead(site, change):
            yield
        return
    if plan.operation != "beside":
        with _at_edge(site, plan, plan.operation == "after", change):
            yield
        return
    received: list[Any] = []

    def keep(value: Any) -> None:
        received.append(value.clone() if plan.in_place and isinstance(value, torch.Tensor) else value)

    with (
        _at_edge(site, plan, False, keep),
        _at_edge(site, plan, True, lambda returned: change(received.pop(), returned)),
    ):
        yield


@contextlib.contextmanager
def _instead(site: nn.Module, change: Change) -> Iterator[None]:
    """`change` gets all that the site is given, and what it returns, if not None, is the site's result."""
    own = site.forward

    @functools.wraps(own)
    def forward(*args: Any, **kwargs: Any) -> Any:
        changed = change(*args, **kwargs)
        return own(*args, **kwargs) if changed is None else changed

    with forward_of(site, forward):
        yield


@contextlib.contextmanager
def _at_edge(site: nn.Module, plan: Plan, leaves: bool, change: Change) -> Iterator[None]:
    chain = _chain(site, last=leaves)
    inside: list[int] = []  # depths in the chain that are being called now

    def outermost(depth: int) -> bool:
        return not any(outer < depth for outer in inside)

    def entering(depth: int) -> Callable[..., Any]:
        def hook(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
            happens = outermost(depth)
            inside.append(depth)
            return _change_argument(module, plan, (args, kwargs), change) if happens else None

        return hook

    def leaving(depth: int) -> Callable[..., Any]:
        return lambda module, args, output: inside.remove(depth)

    def returning(depth: int, own: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(own)
        def forward(*args: Any, **kwargs: Any) -> Any:
            inside.append(depth)
            try:
                output = own(*args, **kwargs)
            finally:
                inside.remove(depth)
            changed = _change_output(output, plan.output_index, change) if outermost(depth) else None
            return output if changed is None else changed

        return forward

    with contextlib.ExitStack() as stack:
        for depth, module in enumerate(chain):
            if leaves:  # also where it is called as `site.forward(x)`
                stack.enter_context(forward_of(module, returning(depth, module.forward)))
                continue
            before = module.register_forward_pre_hook(entering(depth), prepend=True, with_kwargs=True)
            after = module.register_forward_hook(leaving(depth))
            stack.callback(before.remove)
            stack.callback(after.remove)
        yield


def _chain(site: nn.Module, last: bool) -> list[nn.Module]:
    """The site, its last (or first) element where it is a container, that one's, and so on inwards."""
    chain = [site]
    while isinstance(chain[-1], (nn.Sequential, nn.ModuleList, nn.ModuleDict)) and len(chain[-1]):
        elements = [m for name, m in chain[-1].named_children() if not selection.is_point(name)]
        chain.append(elements[-1 if last else 0])
    return chain


def _change_output(output: Any, index: str, change: Change) -> Any:
    """A value with the tensor in it changed; so of what is received."""
    if not index or isinstance(output, torch.Tensor):
        return change(output)
    if dataclasses.is_dataclass(output) and not isinstance(output, (dict, type)):
        value = change(getattr(output, index))
        return None if value is None else dataclasses.replace(output, **{index: value})
    key = index if isinstance(output, dict) else int(index)
    value = change(output[key])
    if value is None:
        return None
    if isinstance(output, tuple):
        items = [*output]
        items[int(index)] = value
        return type(output)(*items) if hasattr(output, "_fields") else type(output)(items)
    changed = copy.copy(output)
    changed[key] = value
    return changed


def _change_argument(module: nn.Module, plan: Plan, call: Inputs, change: Change) -> Any:
    (args, kwargs), argument = call, plan.input_argument
    names = list(inspect.signature(module.forward).parameters)
    if argument.isdigit():
        position, keyword = int(argument), names[int(argument)] if int(argument) < len(names) else ""
    else:
        position, keyword = names.index(argument) if argument in names else 0, argument
    if keyword in kwargs:
        value = _change_output(kwargs[keyword], plan.input_index, change)
        return None if value is None else (args, {**kwargs, keyword: value})
    value = _change_output(args[position], plan.input_index, change)
    return None if value is None else ((*args[:position], value, *args[position + 1 :]), kwargs)
