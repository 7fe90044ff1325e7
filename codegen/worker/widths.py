"""Find the expression that gives a measured width in every build that was made. Evaluates names in scope, never guesses."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from types import CodeType, ModuleType
from typing import Any

from torch import nn

from codegen.traced import Width
from codegen.worker import written
from codegen.worker.scopes import Scope

# numbers of a layer or a model that are no channels, save of attention weights
WORDS = "stride kernel padding dilation heads depth groups reduction num_layers patch window image_ img_ resolution"
NO_WIDTH = re.compile(WORDS.replace(" ", "|"))


@dataclass(frozen=True)
class Observation:
    """One instance of the host in one build: its scope at the end of `__init__`, and what was measured there."""

    scope: Scope
    value: Any  # the width, or the grid

    @property
    def owner(self) -> nn.Module:
        """The instance, with what it held then."""
        return self.scope.owner


def expression(observations: Sequence[Observation], attribute: str, *, outgoing: bool, builds: int) -> Width | None:
    """The simplest expression equal to the width in all observations; the literal where nothing fits.

    Order: parameter, local, `self` attribute, element of a list, an expression that stands in `__init__`, attribute of
    a configuration, attribute of the site's module, of a neighbour, a product with a constant of the code, a record; of
    a part of a neighbour only where it followed the width through several sizes.
    """
    if not observations:
        return None
    value = int(observations[0].value)
    followed = len({o.value for o in observations}) > 1  # what follows it through several sizes is no chance
    text = search(observations, ranked(candidates(observations[0], attribute, outgoing=outgoing, followed=followed)))
    if not text and followed:
        text = search(observations, ranked(_inside_neighbours(observations[0], attribute)))
    if text:
        return Width(text, value, "attribute" if "." in text else "name", builds)
    same = all(o.value == value for o in observations)
    return Width(str(value), value, "literal", builds if same else 1)


def ranked(texts: Iterable[str]) -> Iterator[str]:
    """The expressions in their order, those last that say a number which is no width: they are equal by chance."""
    return iter(sorted(texts, key=lambda text: bool(NO_WIDTH.search(text))))


def grid(observations: Sequence[Observation], attribute: str) -> str:
    """An expression for the token grid (rows, columns) that fits every observation, "" where there is none."""
    if not observations:
        return ""
    candidates = _named_values(observations[0], attribute, _is_pair)
    return search(observations, candidates, lambda v: tuple(v) if _is_pair(v) else None)


def search(
    observations: Sequence[Observation], candidates: Iterator[str], read: Callable[[Any], Any] = lambda value: value
) -> str:
    """The first candidate whose value equals the observed one everywhere, "" where none does."""
    tried = set()
    for text in candidates:
        if text not in tried and all(_fits(text, o, read) for o in observations):
            return text
        tried.add(text)
    return ""


def _fits(text: str, observation: Observation, read: Callable[[Any], Any]) -> bool:
    try:
        value = read(eval(_compiled(text), {}, _Names(observation.scope)))  # nosec B307
    except Exception:  # noqa: BLE001 - a candidate that another build cannot evaluate does not fit it
        return False
    return not isinstance(value, bool) and type(value) is type(observation.value) and value == observation.value


@functools.lru_cache(maxsize=1 << 14)
def _compiled(text: str) -> CodeType:
    return compile(text, "<candidate>", "eval")


class _Names(dict[str, Any]):
    def __init__(self, scope: Scope) -> None:
        super().__init__(scope.locals)
        self.outer = scope.globals

    def __missing__(self, name: str) -> Any:
        return self.outer[name]


def _is_int(value: Any) -> bool:
    return type(value) is int


def _is_pair(value: Any) -> bool:
    return isinstance(value, (tuple, list)) and len(value) == 2 and all(_is_int(v) for v in value)


def _plain(owner: Any) -> dict[str, Any]:
    """The public attributes of an object that are no modules or tensors."""
    return {k: v for k, v in vars(owner).items() if not k.startswith("_") and k != "training"}


def _named_values(seen: Observation, attribute: str, wanted: Callable[[Any], bool]) -> Iterator[str]:
    """Parameters, locals, `self` attributes, then attributes of the site's module and of its neighbours."""
    scope, me = seen.scope, seen.scope.me
    yield from (p for p in scope.parameters if wanted(scope.locals.get(p)))
    yield from (n for n, v in scope.locals.items() if wanted(v) and n not in scope.parameters)
    yield from (f"{me}.{k}" for k, v in _plain(seen.owner).items() if wanted(v))
    for child in _neighbours(seen.owner, attribute):
        holder = reached(me, seen.owner, child)
        yield from (f"{holder}.{k}" for k, v in _plain(seen.owner.get_submodule(child)).items() if wanted(v))


def _neighbours(owner: nn.Module, attribute: str) -> list[str]:
    """The site first, then the children before it (nearest first), then those behind it. Of a list's element, `mlp.1`, the
    other elements come first.
    """
    holder, _, last = attribute.rpartition(".")
    if holder:
        parts = dict(owner.named_modules())  # which it may lack when its `__init__` ends: derived classes make it
        elements = [name for name, _ in parts[holder].named_children()] if holder in parts else []
        return [*(f"{holder}.{name}" for name in _around(elements, last)), *_neighbours(owner, holder)]
    listed = attribute.isdigit()  # the owner is a list
    return _around([name for name, _ in owner.named_children() if name.isidentifier() or listed], attribute)


def _around(names: list[str], name: str) -> list[str]:
    if name not in names:
        return names
    index = names.index(name)
    return [name, *reversed(names[:index]), *names[index + 1 :]]


def reached(path: str, owner: nn.Module, child: str) -> str:
    """How code reaches a child below an owner's path: `self.conv`, `self[0]`, `self.mlp[0]`, `self.heads["cls"]`."""
    first, _, rest = child.partition(".")
    if type(owner) is nn.ModuleDict:
        path = f'{path}["{first}"]'
    elif first.isidentifier():
        path = f"{path}.{first}"
    else:
        path = f"{path}[{first}]" if first.isdigit() else f'{path}.get_submodule("{first}")'
    return reached(path, owner.get_submodule(first), rest) if rest else path


def candidates(seen: Observation, attribute: str, *, outgoing: bool, followed: bool = False) -> Iterator[str]:
    """Expressions worth trying at the end of the owner's `__init__`, best first; attribute: the site's name, "" for none.

    followed: the width was seen at several sizes, so that what fits by chance is told from what it follows.
    """
    scope, owner = seen.scope, seen.owner
    me = scope.me
    own = [(f"{me}.{k}", v) for k, v in _plain(owner).items()]
    running = written.changing(scope.code)
    kept = {name: value for name, value in scope.locals.items() if name not in written.loop_variables(scope.code)}
    # self.proj = nn.Linear(dim, out_dim): what the site is made with comes first, its last argument where it is the result
    names = written.made_with(scope.code, attribute)[:: -1 if outgoing else 1]
    # self.num_features, which is num_features only where there is a last convolution
    parted = [n for n in (*names, *scope.parameters) if n in written.parted(scope.code)]
    yield from (f"{me}.{n}" for n in parted if _is_int(vars(owner).get(n)))
    yield from (n for n in names if _is_int(scope.locals.get(n)) and n not in running)
    # embed_dim
    yield from (p for p in scope.parameters if _is_int(scope.locals.get(p)) and p not in running)
    yield from (n for n, v in scope.locals.items() if _is_int(v) and n not in running and not n.startswith("_"))
    # self.num_features
    yield from (n for n, v in own if _is_int(v) and n not in running)
    # dims[-1], self.dims[0]
    yield from _elements([*kept.items(), *own])
    # 512 * block.expansion, as it stands in the code
    # at one size, what holds a name that takes several values on the way is equal by chance
    passing = () if followed else running
    texts = (text for text in written.expressions(scope.code) if text not in running)
    yield from (text for text in texts if not any(re.search(rf"\b{re.escape(name)}\b", text) for name in passing))
    # in_chs and self.inplanes, which changed on the way and now hold the last stage's width
    yield from (n for n, v in [*scope.locals.items(), *own] if _is_int(v) and n in running and not n.startswith("_"))
    # config.hidden_size, cfg["dim"]
    for name, holder in kept.items():
        if name != me:
            yield from _fields(name, holder)
    yield from _module_attributes(owner, me, attribute, outgoing)
    yield from _products(seen, own)
    # stem_feat[-1]["num_chs"], self.feature_info[3]["num_chs"]
    yield from _records(kept.items(), last=True)
    yield from _records([*own, *kept.items()], last=False)
    # channels[1][-1]: at one size the half of a stage's channels is the stage's before, too
    yield from _nested_elements([*kept.items(), *own]) if followed else ()
    # self.main.conv[2].out_channels
    site = owner.get_submodule(attribute) if attribute in dict(owner.named_modules()) and attribute else None
    for name, holder in edge(reached(me, owner, attribute) if site is not None else "", site, outgoing):
        yield from own_numbers(name, holder, outgoing)
    yield from _parameter_sizes(owner, me, attribute, outgoing)


def _elements(named: Sequence[tuple[str, Any]]) -> Iterator[str]:
    for name, values in named:
        if isinstance(values, (tuple, list)) and values and all(_is_int(v) for v in values):
            yield from (f"{name}[{i}]" for i in (-1, 0, *range(1, len(values) - 1)))


def _nested_elements(named: Sequence[tuple[str, Any]]) -> Iterator[str]:
    """The last and the first number of each list in a list: the channels of the units of each stage."""
    for name, lists in named:
        if isinstance(lists, (tuple, list)) and all(isinstance(part, (tuple, list)) for part in lists):
            yield from (f"{name}[{i}][{j}]" for i, part in enumerate(lists) for j in (-1, 0) if part and _is_int(part[j]))


def _records(named: Iterable[tuple[str, Any]], *, last: bool) -> Iterator[str]:
    """The numbers in lists of dicts: in the last one of each list, or in all."""
    for name, records in named:
        if isinstance(records, list) and records and all(isinstance(r, dict) for r in records):
            for index, record in [(-1, records[-1])] if last else enumerate(records):
                yield from (f'{name}[{index}]["{k}"]' for k, v in record.items() if _is_int(v))


def _fields(name: str, holder: Any) -> Iterator[str]:
    if isinstance(holder, dict):
        yield from (
            f'{name}["{k}"]' for k, v in holder.items() if isinstance(k, str) and k.isidentifier() and _is_int(v)
        )
    elif not isinstance(holder, (nn.Module, ModuleType)) and hasattr(holder, "__dict__"):
        yield from (f"{name}.{k}" for k, v in vars(holder).items() if not k.startswith("_") and _is_int(v))


def _module_attributes(owner: nn.Module, me: str, attribute: str, outgoing: bool) -> Iterator[str]:
    """`self.conv1.out_channels`: of the site, then of what is inside it, then of its neighbours."""
    for child in _neighbours(owner, attribute):
        module = owner.get_submodule(child)
        sides = ("out", "in") if outgoing == (child == attribute or outgoing) else ("in", "out")
        holders = [(reached(me, owner, child), module)]
        if child == attribute:
            holders += [(f"{reached(me, owner, child)}.{n}", m) for n, m in module.named_children() if n.isidentifier()]
        for name, holder in holders:
            yield from own_numbers(name, holder, sides[0] == "out")


def own_numbers(name: str, holder: nn.Module, outgoing: bool) -> Iterator[str]:
    """A module's own whole numbers, those of the wanted side first."""
    wanted, other = ("out", "in") if outgoing else ("in", "out")
    found = sorted(k for k, v in _plain(holder).items() if _is_int(v))
    yield from (f"{name}.{k}" for k in sorted(found, key=lambda k: (k.startswith(other), not k.startswith(wanted))))
    if isinstance(shape := getattr(holder, "normalized_shape", None), tuple) and shape:
        yield f"{name}.normalized_shape[0]"


def _inside_neighbours(seen: Observation, attribute: str) -> Iterator[str]:
    """`self.predictor.scores.out_features`: of the parts of the modules around the site, the last ones first."""
    me = seen.scope.me
    for child in _neighbours(seen.owner, attribute):
        for name, holder in edge(reached(me, seen.owner, child), seen.owner.get_submodule(child), outgoing=True):
            yield from own_numbers(name, holder, outgoing=True)


def _parameter_sizes(owner: nn.Module, me: str, attribute: str, outgoing: bool) -> Iterator[str]:
    """Sizes of the last and the first weights of a block of any class: a wrapper has nothing else that tells its width."""
    for child in _neighbours(owner, attribute):
        block = reached(me, owner, child)
        sizes = [f"[*{block}.parameters()][-1].shape[0]", f"next({block}.parameters()).shape[1]"]
        yield from sizes if outgoing or child != attribute else sizes[::-1]


def edge(name: str, module: nn.Module | None, outgoing: bool) -> list[tuple[str, nn.Module]]:
    """The parts of a module from its outer side, `self.main.conv[2]`: the last (first) child, its last (first) child, and so
    on; and the ones before each.
    """
    found: list[tuple[str, nn.Module]] = []
    while module is not None and (children := list(module.named_children())):
        for key, child in children[::-1] if outgoing else children:
            found.append((reached(name, module, key), child))
        name, module = found[-len(children)]
    return found


def _products(seen: Observation, own: Sequence[tuple[str, Any]]) -> Iterator[str]:
    """`256 * block.expansion`, `base * 2 * block.expansion`: a constant, an element or a product times a factor in scope."""
    constants = sorted(written.constants(seen.scope.code))
    factors = [
        f for name, holder in seen.scope.locals.items() for f in _fields(name, holder) if isinstance(holder, type)
    ]
    factors += [p for p in seen.scope.parameters if _is_int(seen.scope.locals.get(p))]
    for factor in factors:
        yield from (f"{constant} * {factor}" for constant in constants)
        yield from (f"{element} * {factor}" for element in _elements([*seen.scope.locals.items(), *own]))
        names = [n for n, v in [*seen.scope.locals.items(), *own] if _is_int(v) and n != factor]
        yield from (f"{name} * {factor}" for name in (*names, *written.products(seen.scope.code)) if "." in factor)


