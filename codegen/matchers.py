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
from codegen.errors import CodegenError
from codegen.patterns import Spec, Wanted
from codegen.registry import PREVIOUS
from codegen.syntax import Code
from codegen.types import Edit, Site, Trace

PROBES = ("weight", "0.weight")  # how the names of a new module's parameters may go on


@dataclass(frozen=True)
class Inserted:
    """A new module by its dotted name, and the parameters in whose layer it belongs. beside: what has them, for people."""

    name: str
    neighbours: tuple[str, ...]
    beside: str


@dataclass(frozen=True)
class Form:
    """One way to write it. last: into the layer before, whatever the number of layers; else by the site's own numbers."""

    last: bool
    behind: bool


FORMS = [Form(last, behind) for last, behind in itertools.product((False, True), (True, False))]


def inserted(trace: Trace, site: Site, attribute: str) -> list[Inserted]:
    """The new modules of the model. A site without parameters stands for the last module before it that has some."""
    names = [module.name for module in trace.modules]
    if site.chosen:
        owners = [*dict.fromkeys(selection.parted(name, site.attribute) for name in site.chosen.names)]
    else:
        owners = [o for o in site.host.instances if selection.joined(o, site.attribute) in names]
    own, found = parameters(trace), []
    for owner in owners:
        path = owner if selection.is_point(site.attribute) else selection.joined(owner, site.attribute)
        within = tuple(name for name in own if path and name.startswith(f"{path}."))
        beside = site.name
        if not within and path in names[1:]:
            earlier = {*names[: names.index(path)]}
            within = tuple(name for name in own if name.rpartition(".")[0] in earlier)[-1:]
            beside = "".join(within).rpartition(".")[0]
        found.append(Inserted(selection.joined(owner, attribute), within, beside))
    return found


def parameters(trace: Trace) -> list[str]:
    """A name for the parameters of each module that has some of its own, in the order of the model."""
    total = {module.name: module.parameters for module in trace.modules}
    children = selection.children_of(total)
    below = {name: sum(total[selection.joined(name, child)] for child in children[name]) for name in total}
    return [f"{name}.weight" for name in total if name and total[name] > below[name]]


def plan(code: Code, method: syntax.Function, names: Sequence[str], new: Sequence[Inserted], *, first: bool) -> list[Edit]:
    """The edits of `group_matcher`; none where its patterns have the new names. names: of the base's parameters; first: the
    new modules belong to the first layers of their sites, not to the last.

    Raises CodegenError("group-matcher") where no pattern can be written that holds with and without `coarse`.
    """
    try:
        if not any(_lacking(patterns.read(method, coarse), names, new, first) for coarse in (False, True)):
            return []
    except LookupError:
        if not any("." not in item.name for item in new):
            return []  # it may sort blocks by what their names begin with: the contract tells
        raise _refused(method, new, "is no dict of literals") from None
    for form in FORMS:
        try:
            edits = _edits(code, method, names, new, form, first=first)
        except LookupError:
            continue
        if edits and _holds(code, method, edits, names, new, first=first):
            return edits
    raise _refused(method, new, "has no pattern for the site beside which one could stand")


def _refused(method: syntax.Function, new: Sequence[Inserted], why: str) -> CodegenError:
    name = new[0].name.rpartition(".")[2]
    what = f"{method.name} (line {method.lineno}) {why}: {name} would be trained at the rate of the head by timm's layer decay"
    return CodegenError("group-matcher", what, f"leave --emit-groups out, and write {name} into {method.name} by hand")


def _lacking(specs: Sequence[Spec], names: Sequence[str], new: Sequence[Inserted], first: bool) -> dict[Inserted, str]:
    """The new modules that are not in the layer of their site, with that parameter of the site."""
    probes = [f"{item.name}.{probe}" for item in new for probe in PROBES]
    layer = registry.layers([*names, *probes], [spec.pattern for spec in specs])
    found = {}
    for item in new:
        ordered = item.neighbours if first else item.neighbours[::-1]
        wanted = (min if first else max)(ordered, key=lambda name: layer[name])
        if any(layer[f"{item.name}.{probe}"] != layer[wanted] for probe in PROBES):
            found[item] = wanted
    return found


def _wanted(specs: Sequence[Spec], item: Inserted, target: str, form: Form, first: bool) -> Wanted:
    """The entry for one new module. Raises LookupError where its site is in the head, or its numbers do not fit this form."""
    every = [spec.pattern for spec in specs]
    spec = next((s for s in specs if re.match(s.pattern.regex, target)), None)
    if spec is None:
        raise LookupError
    keys = {registry.layer_key(name, every) for name in item.neighbours}
    keys = {key for key in keys if key[0] == spec.pattern.ordinal}
    key = registry.layer_key(target, every)
    if form.last:  # (1, 2, 0), (1, 2, 1) -> (1, 2, PREVIOUS): sorted behind all of them, and of the layer before
        same = itertools.takewhile(lambda column: len({*column}) == 1 and column[0] != PREVIOUS, zip(*keys, strict=False))
        key = (*(column[0] for column in same), PREVIOUS)
    elif not first and len(keys) > 1:
        raise LookupError  # the number of the last one depends on how deep the model is built
    numbers = [int(number) for number in key[1:]]
    own = [int(part) for part in item.name.split(".") if part.isdigit()]
    if form.last and first or numbers[: len(own)] != own:
        raise LookupError
    regex = r"\.".join(r"(\d+)" if part.isdigit() else part for part in item.name.split("."))
    return Wanted(spec, rf"^{regex}\.", tuple(numbers[len(own) :]), item.beside)


def _edits(
    code: Code, method: syntax.Function, names: Sequence[str], new: Sequence[Inserted], form: Form, *, first: bool
) -> list[Edit]:
    """The edits in one form. Raises LookupError where it cannot be written so."""
    alternatives: dict[ast.expr, Wanted] = {}
    entries: dict[ast.expr, dict[bool, Wanted]] = {}
    for coarse in (True, False):
        specs = patterns.read(method, coarse)
        for item, target in _lacking(specs, names, new, first).items():
            wanted = _wanted(specs, item, target, form, first)
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
    """r'a' if coarse else r'b', where both lack the same: one list around the choice."""
    if len(entries) == 2:
        (one,), (other,) = ([*each.values()][:1] for each in entries)
        plain = one.spec.entry is None and other.spec.entry is None
        if plain and one.spec.whole is other.spec.whole and (one.regex, one.suffix) == (other.regex, other.suffix):
            return [{True: replace(one, spec=replace(one.spec, value=one.spec.whole))}]
    return entries


def _holds(
    code: Code, method: syntax.Function, edits: Sequence[Edit], names: Sequence[str], new: Sequence[Inserted], *, first: bool
) -> bool:
    """Whether the edited method has all new modules in the layers of their sites, and the others where they were."""
    start, end = code.line_start(method), code.line_end(method)
    text = rewrite.apply(code.text[start:end], rewrite.inside(edits, start, end))
    edited = syntax.method(ast.parse(f"class Edited:\n{text}").body[0], method.name)  # type: ignore[arg-type]
    if edited is None:
        return False
    for coarse in (False, True):
        before, after = (patterns.read(m, coarse) for m in (method, edited))
        if _lacking(after, names, new, first):
            return False
        layers = [registry.layers(names, [spec.pattern for spec in specs]) for specs in (before, after)]
        if layers[0] != layers[1]:
            return False
    return True
