"""Width and grid of chosen modules, as the model's `__init__` can say them behind everything else. Never guesses."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from torch import nn

from codegen import selection
from codegen.selection import CHOSEN, OWNER
from codegen.traced import Width
from codegen.worker import layouts, widths, written
from codegen.worker.evidence import Evidence
from codegen.worker.owners import stands_for
from codegen.worker.scopes import Scope
from codegen.worker.widths import Observation


def width(evidence: Evidence, names: Sequence[str], pattern: str, *, outgoing: bool) -> Width | None:
    """The width at all of these modules: by the model's names where they are alike, else by what each module shows.

    pattern: what means them in every build, "" where only their names do. A name of the module itself is `CHOSEN`, of the one
    that holds it `OWNER`.
    """
    ran = (evidence.layout(name, outgoing) for name in names if name in evidence.first)
    layout = next((found for found in ran if found.kind), None)
    if layout is None:
        return None
    seen = [s for s in _seen(evidence, names, pattern, outgoing) if layouts.channels(layout, s.shape)]
    whole = [Observation(s.scope, layouts.channels(layout, s.shape)) for s in seen if s.scope is not None]
    own = [
        Observation(Scope(_of_one.__code__, {CHOSEN: s.module}, {}, (), CHOSEN), layouts.channels(layout, s.shape))
        for s in seen
    ]
    if not own:
        return None
    builds = len({o.value for o in own})
    # a name of the model that was seen at one size may mean something else: what the module holds is its own
    for by_model in (False, True) if builds == 1 else (True, False):
        seen_there, candidates = (whole, _of_model) if by_model else (own, _of_module)
        text = widths.search(seen_there, widths.ranked(candidates(seen_there[0], outgoing))) if seen_there else ""
        if text:
            break
    if ".parameters()" in text and builds > 1:  # better the number of one part than the shape of some parameter
        text = widths.search(own, widths.ranked(_of_parts(own[0], outgoing))) or text
    if not text and whole and builds > 1:
        text = widths.search(whole, widths.ranked(_of_any(whole[0], outgoing)))
    if not text and whole and len(names) == 1:
        text = widths.search(whole, widths.ranked(_of_neighbours(whole[0], names[0])))
    if not text and builds > 1:
        text = widths.search(own, widths.ranked(_of_parts(own[0], outgoing)))
    if not text and builds > 1:
        text = _of_owner([*zip(seen, (o.value for o in own), strict=True)], outgoing)
    if not text and builds > 1:  # elements of several classes have no attribute in common
        sizes = (f"[*{CHOSEN}.parameters()][-1].shape[0]", f"next({CHOSEN}.parameters()).shape[1]")
        text = widths.search(own, iter(sizes if outgoing else sizes[::-1]))
    if text:
        return Width(text, own[0].value, "attribute" if "." in text else "name", builds)
    alike = len({layouts.channels(layout, s.shape) for s in seen if s.model is evidence.builds[0][0]}) == 1
    return Width(str(own[0].value), own[0].value, "literal", 1) if alike else None


def grid(evidence: Evidence, names: Sequence[str], *, outgoing: bool) -> str:
    """An expression of the model's `__init__` for the (rows, columns) of the tokens there, "" where there is none."""
    ran = [name for name in names if name in evidence.first]
    grids = {name: found for name in ran if (found := evidence.layout(name, outgoing).grid)}
    model, scopes, _ = evidence.builds[0]
    scope = scopes.at_end(model, type(model))
    if len({*grids.values()}) != 1 or len(grids) != len(names) or scope is None:
        return ""
    return widths.grid([Observation(scope, next(iter(grids.values())))], "")


@dataclass(frozen=True)
class _Seen:
    """What one build showed at one of the modules."""

    model: nn.Module
    module: nn.Module
    owner: nn.Module  # that holds it
    child: str  # its name there
    scope: Scope | None  # at the end of the model's `__init__`
    shape: tuple[int, ...]


def _seen(evidence: Evidence, names: Sequence[str], pattern: str, outgoing: bool) -> Iterator[_Seen]:
    for model, scopes, events in evidence.builds:
        here = [name for name, _ in model.named_modules()]
        for name in selection.select(here, pattern) if pattern else [name for name in names if name in here]:
            event = events.get(name)
            shape = event and event.shape(outgoing)
            first = evidence.builds[0][0]
            if shape and (model is first or stands_for(first, model, names[0], name)):
                owner, _, child = name.rpartition(".")  # a place between modules shows nothing: its owner does
                module = model.get_submodule(owner if selection.is_point(child) else name)
                yield _Seen(model, module, model.get_submodule(owner), child, scopes.at_end(model, type(model)), shape)


def _of_one(codegen_chosen: Any, codegen_owner: Any) -> None:
    """What the names of a chosen module and of the one that holds it are, in the expressions."""


assert _of_one.__code__.co_varnames == (CHOSEN, OWNER)


def _of_owner(seen: Sequence[tuple[_Seen, Any]], outgoing: bool) -> str:
    """`block.norm2.num_channels` for an nn.Identity of the block: of what holds the modules, and of their neighbours there.

    seen: each with its width. Other models may have other layers, and a layout of their own: they tell nothing.
    """
    kinds, model = _kinds(seen[0][0].owner), seen[0][0].model
    alike = [(s, value) for s, value in seen if s.model is model or _kinds(s.owner) == kinds]
    observed = [Observation(Scope(_of_one.__code__, {OWNER: s.owner}, {}, (), OWNER), value) for s, value in alike]
    if len({value for _, value in alike}) == 1:  # it may be equal by chance
        return ""
    found = widths.candidates(observed[0], seen[0][0].child, outgoing=outgoing)
    return widths.search(observed, widths.ranked(text for text in found if ".parameters()" not in text))


def _kinds(module: nn.Module) -> list[str]:
    return [type(child).__qualname__ for child in module.children() if [*child.parameters()]]


def _of_model(seen: Observation, outgoing: bool) -> Iterator[str]:
    """Names of the model's `__init__`, without those that go through its children, and without products that nobody wrote."""
    said = {*written.expressions(seen.scope.code)}
    yield from (text for text in _of_any(seen, outgoing) if " * " not in text or text in said)


def _of_any(seen: Observation, outgoing: bool) -> Iterator[str]:
    """The same with `depths[-1] * embed_dim`, which may be equal by chance."""
    me = seen.scope.me
    children = tuple(f"{me}.{name}" for name, _ in seen.owner.named_children())
    for text in widths.candidates(seen, "", outgoing=outgoing):
        if not text.startswith((*children, "[*", "next(", f"{me}[")):
            yield text


def _of_module(seen: Observation, outgoing: bool) -> Iterator[str]:
    """Numbers of the module itself, of its last (first) parts on their outer side, then whatever it shows."""
    other = "in_" if outgoing else "out_"
    yield from widths.own_numbers(CHOSEN, seen.owner, outgoing)
    for name, part in widths.edge(CHOSEN, seen.owner, outgoing):
        for text in widths.own_numbers(name, part, outgoing):
            if not text.rpartition(".")[2].startswith(other):
                yield text
    yield from widths.candidates(seen, "", outgoing=outgoing)


def _of_parts(seen: Observation, outgoing: bool) -> Iterator[str]:
    """`stage[-1].conv3.conv.out_channels`: of all that is inside the module, on its outer side, the outermost first."""
    other = "in_" if outgoing else "out_"
    for name, part in _parts(CHOSEN, seen.owner, outgoing):
        for text in widths.own_numbers(name, part, outgoing):
            if not text.rpartition(".")[2].startswith(other):
                yield text


def _parts(name: str, module: nn.Module, outgoing: bool) -> Iterator[tuple[str, nn.Module]]:
    """A module's parts by how code reaches them; of a list only its ends, for lists may be of several lengths."""
    children = [(widths.reached(name, module, key), key, child) for key, child in module.named_children()]
    if len(children) > 1 and all(key.isdigit() for _, key, _ in children):
        children = [children[0], (f"{name}[-1]", "", children[-1][2])]
    for text, _, child in children[::-1] if outgoing else children:
        yield text, child
        yield from _parts(text, child, outgoing)


def _of_neighbours(seen: Observation, name: str) -> Iterator[str]:
    """`self.features[3].out_channels` for the activation behind it: of what stands before it, then of what stands behind."""
    if name not in dict(seen.owner.named_modules()):  # who builds the model puts it there
        return
    holder, _, element = name.rpartition(".")
    me, inside = seen.scope.me, seen.owner.get_submodule(holder)
    path = widths.reached(me, seen.owner, holder) if holder else me
    children = list(inside.named_children())
    at = [key for key, _ in children].index(element)
    for outgoing, found in ((True, children[:at][::-1]), (False, children[at + 1 :])):
        for key, child in found:
            yield from widths.own_numbers(widths.reached(path, inside, key), child, outgoing)
