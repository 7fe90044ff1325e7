"""A model's `group_matcher`: what is inserted gets a pattern there that puts it into the layer of its site. As edits.

Read as a dict of literals, never run; the contract asks the library itself.
"""

from __future__ import annotations

import ast
import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from codegen import patterns, registry, rewrite, selection, syntax
from codegen.patterns import Spec, Wanted
from codegen.registry import PREVIOUS
from codegen.syntax import Code
from codegen.traced import Trace
from codegen.types import Edit, Site

PROBES = ("weight", "0.weight")  # how the names of a new module's parameters may go on


@dataclass(frozen=True)
class Inserted:
    """A new module by its dotted name, and the parameters in whose layer it belongs: in the last of several, or in the first.

    module: what has these parameters; beside: its name for people.
    """

    name: str
    neighbours: tuple[str, ...]
    module: str
    beside: str
    first: bool


@dataclass(frozen=True)
class Form:
    """One way to write it. last: into the layer before, whatever the number of layers; else by the site's own numbers."""

    last: bool
    behind: bool


FORMS = [Form(last, behind) for last, behind in itertools.product((False, True), (True, False))]


def inserted(trace: Trace, site: Site, attribute: str, *, first: bool) -> list[Inserted]:
    """The new modules of the model; without neighbours where nothing is known. first: they stand in front of the site.

    A site without parameters stands for the last module before it that has some.
    """
    names = [module.name for module in trace.modules]
    if site.chosen:
        owners = [*dict.fromkeys(selection.parted(name, site.attribute) for name in site.chosen.names)]
    else:
        owners = [o for o in site.host.instances if selection.joined(o, site.attribute) in names]
    own, found = parameters(trace), []
    for owner in owners:
        name = selection.joined(owner, attribute)
        path = owner if selection.is_point(site.attribute) else selection.joined(owner, site.attribute)
        if within := _of(own, path):
            found.append(Inserted(name, within, path, site.name, first))
        else:
            other = _before(names, own, path)
            found.append(Inserted(name, _of(own, other), other, other, False))
    return found


def _of(parameters: Sequence[str], module: str) -> tuple[str, ...]:
    return tuple(name for name in parameters if module and name.startswith(f"{module}."))


def _before(names: Sequence[str], parameters: Sequence[str], path: str) -> str:
    """The last module with parameters that stands in front of a module, beside it or beside one around it; "" without any."""
    around = ["", *(path[:i] for i, c in enumerate(path) if c == "."), path]
    earlier = names[: names.index(path)]
    beside = (name for name in reversed(earlier) if name not in around and name.rpartition(".")[0] in around)
    return next((name for name in beside if _of(parameters, name)), "")


def parameters(trace: Trace) -> list[str]:
    """A name for the parameters of each innermost module that has some, in the order of the model."""
    total = {module.name: module.parameters for module in trace.modules}
    children = selection.children_of(total)
    inner = {name for name in total if not any(total[selection.joined(name, child)] for child in children[name])}
    return [f"{name}.weight" for name in total if name in inner and total[name] and name]


def plan(code: Code, method: syntax.Function, names: Sequence[str], new: Sequence[Inserted]) -> list[Edit]:
    """The edits of `group_matcher`; none where its patterns have the new names. names: of the base's parameters.

    Raises LookupError where no pattern can be written that holds with and without `coarse`.
    """
    if not any(_lacking(patterns.read(method, coarse), names, new) for coarse in (False, True)):
        return []
    for form in FORMS:
        try:
            edits = _edits(code, method, names, new, form)
        except LookupError:
            continue
        if edits and _holds(code, method, edits, names, new):
            return edits
    raise LookupError


def _lacking(specs: Sequence[Spec], names: Sequence[str], new: Sequence[Inserted]) -> dict[Inserted, str]:
    """The new modules that are not in the layer of their site, with that parameter of the site."""
    probes = [f"{item.name}.{probe}" for item in new for probe in PROBES]
    layer = registry.layers([*names, *probes], [spec.pattern for spec in specs])
    found = {}
    for item in new:
        ordered = item.neighbours if item.first else item.neighbours[::-1]
        wanted = (min if item.first else max)(ordered, key=lambda name: layer[name])
        if any(layer[f"{item.name}.{probe}"] != layer[wanted] for probe in PROBES):
            found[item] = wanted
    return found


def _wanted(specs: Sequence[Spec], item: Inserted, target: str, form: Form) -> Wanted:
    """The entry for one new module. Raises LookupError where its site is in the head, or its numbers do not fit this form."""
    every = [spec.pattern for spec in specs]
    spec, found = next(((s, m) for s in specs if (m := re.match(s.pattern.regex, target))), (None, None))
    if spec is None or found is None:
        raise LookupError
    known = [n for n in range(1, len(found.groups()) + 1) if found.end(n) <= len(item.module)]  # in the site's own name
    key = registry.layer_key(target, every)
    if form.last:  # (1, 2, 0), (1, 2, 1) -> (1, 2, PREVIOUS): sorted behind all of the site, and of the layer before
        key = (*key[: 1 + len(known)], PREVIOUS)
    elif len(known) < len(found.groups()) and not item.first:
        raise LookupError  # the number of its last layer depends on how deep the model is built
    numbers = [int(number) for number in key[1:]]
    own = [int(part) for part in item.name.split(".") if part.isdigit()]
    if form.last and item.first or numbers[: len(own)] != own:
        raise LookupError
    regex = r"\.".join(r"(\d+)" if part.isdigit() else part for part in item.name.split("."))
    return Wanted(spec, rf"^{regex}\.", tuple(numbers[len(own) :]), item.beside)


def _edits(
    code: Code, method: syntax.Function, names: Sequence[str], new: Sequence[Inserted], form: Form
) -> list[Edit]:
    """The edits in one form. Raises LookupError where it cannot be written so."""
    alternatives: dict[ast.expr, Wanted] = {}
    entries: dict[ast.expr, dict[bool, Wanted]] = {}
    for coarse in (True, False):
        specs = patterns.read(method, coarse)
        for item, target in _lacking(specs, names, new).items():
            wanted = _wanted(specs, item, target, form)
            if "(" in wanted.regex or re.compile(wanted.spec.pattern.regex).groups:
                known = entries.setdefault(wanted.spec.value, {}).setdefault(coarse, wanted)
            else:
                known = alternatives.setdefault(wanted.spec.literal, wanted)
            if known.regex != wanted.regex or known.suffix != wanted.suffix:
                raise LookupError  # one pattern cannot say it
    edits = [patterns.alternative(code, wanted.spec, wanted.regex) for wanted in alternatives.values()]
    for each in _joined([*entries.values()]):
        edits += patterns.entry(code, method, each, behind=form.behind)
    return edits


def _joined(entries: list[dict[bool, Wanted]]) -> list[dict[bool, Wanted]]:
    """r'a' if coarse else r'b', where both lack an entry: one list around the choice."""
    every = {coarse: wanted for each in entries for coarse, wanted in each.items()}
    alike = {(wanted.spec.whole, wanted.spec.entry, wanted.regex) for wanted in every.values()}
    if len(entries) == 2 and len(alike) == 1 and None in {entry for _, entry, _ in alike}:
        return [{coarse: replace(each, spec=replace(each.spec, value=each.spec.whole)) for coarse, each in every.items()}]
    return entries


def _holds(
    code: Code, method: syntax.Function, edits: Sequence[Edit], names: Sequence[str], new: Sequence[Inserted]
) -> bool:
    """Whether the edited method has all new modules in the layers of their sites, and the others where they were."""
    start, end = code.line_start(method), code.line_end(method)
    text = rewrite.apply(code.text[start:end], rewrite.inside(edits, start, end))
    edited = syntax.method(ast.parse(f"class Edited:\n{text}").body[0], method.name)  # type: ignore[arg-type]
    if edited is None:
        return False
    for coarse in (False, True):
        before, after = (patterns.read(m, coarse) for m in (method, edited))
        if _lacking(after, names, new):
            return False
        layers = [registry.layers(names, [spec.pattern for spec in specs]) for specs in (before, after)]
        if layers[0] != layers[1]:
            return False
    return True
