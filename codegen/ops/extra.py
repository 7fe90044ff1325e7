"""Give a classifier a second one on the same input: the model returns what both return, `(logits, aux)`."""

from __future__ import annotations

import ast
import contextlib
import re
from collections.abc import Collection, Generator, Iterable, Iterator, Mapping
from pathlib import Path

from codegen import flow, loops, naming, passing, style, syntax
from codegen.errors import CodegenError
from codegen.flow import Flow
from codegen.ops import beside
from codegen.ops.insert import Place, passing_by
from codegen.passing import Passed, Step
from codegen.reading import Use
from codegen.standalone import Parts
from codegen.syntax import Code
from codegen.traced import Span, Trace
from codegen.types import Edit, Site


def plan(place: Place, uses: list[Use], kinds: Mapping[str, str]) -> list[Edit]:
    """The edits of the class's methods. kinds: the classes of its children without parameters: see `children`.

    Raises CodegenError("site-not-editable") where the model does not return the site's result, as it is or through what
    `passing` knows, or an extra result would have no place.
    """
    if place.site.chosen or place.site.whole or not uses:
        what = f"{place.site.name}: an extra head is written where the code of one class calls the classifier by its name"
        raise CodegenError("site-not-editable", what, "give a site that is one attribute of its owner: fc, head.fc")
    for use in uses:
        if use.condition or use.members is not None or use.argument is None or not isinstance(use.node, ast.Call):
            raise _refused(place, use, f"only where {use.condition}" if use.condition else "it is run inside another call")
    calls = [use.call for use in uses]
    flows = flow.follow(place.code, place.cls, calls, kinds)
    edits = [edit for use, its in zip(uses, flows, strict=False) for edit in _edited(place, use, its, kinds)]
    return [*edits, *_annotations(place.code, flows, calls), *passing_by(place)]


def _edited(place: Place, use: Use, its: Flow, kinds: Mapping[str, str]) -> Iterator[Edit]:
    """The call, with the extra head's behind it: the classifier draws the random numbers that it drew.

    x = self.fc(x)                               ->  x, aux = self.fc(x), self.aux(x)
    return x                                         return x, aux
    return x if pre_logits else self.fc(x)       ->  return x if pre_logits else (self.fc(x), self.aux(x))
    """
    code, node = place.code, use.node
    received = yield from _received(place, use, its, kinds)
    if its.passed:
        yield from _through(place, use, its.passed, f"{use.me}.{place.attribute}({received})")
        return
    what = f"beside {use.method.name}:{node.lineno}"
    before, behind = "", f", {use.me}.{place.attribute}({received})"
    if isinstance(syntax.parents(use.method)[node], ast.IfExp):
        before, behind = "(", f"{behind})"
    if its.name and its.certain:
        assert isinstance(its.statement, ast.Assign)
        target, value = its.statement.targets[0], its.returns[0].value
        assert value is not None
        second = naming.free(place.attribute, naming.in_method(use.method))
        yield Edit(code.end(target), code.end(target), f", {second}", what)
        yield Edit(code.end(value), code.end(value), f", {second}", what)
    yield from [Edit(code.start(node), code.start(node), before, what)] if before else []
    yield Edit(code.end(node), code.end(node), behind, what)


def _through(place: Place, use: Use, passed: Passed, run: str) -> Iterator[Edit]:
    """The same where the result is shaped on the way, so the extra one is, too; probabilities are the classifier's alone.

    return F.log_softmax(self.fc(x), 1)  ->  return F.log_softmax(self.fc(x), 1), self.aux(x)
    x = self.fc(x)                           x, aux = self.fc(x), self.aux(x)
    return self.flatten(x)                   return self.flatten(x), self.flatten(aux)
    """
    code, what = place.code, f"beside {use.method.name}:{use.node.lineno}"
    second = naming.free(place.attribute, naming.in_method(use.method)) if passed.name else ""
    for statement, steps in passed.steps.items():
        first = statement is passed.statement
        value = statement.value
        assert value is not None
        extra = run if first else second
        for step in (step for step in steps if step.shared):
            start, text = code.start(step.call), code.segment(step.call)
            extra = f"{text[: code.start(step.value) - start]}{extra}{text[code.end(step.value) - start :]}"
        if isinstance(statement, ast.Assign):
            if not first and extra == second:
                continue
            target = statement.targets[0]
            yield Edit(code.end(target), code.end(target), f", {second}", what)
        yield Edit(code.end(value), code.end(value), f", {extra}", what)


def _received(place: Place, use: Use, its: Flow, kinds: Mapping[str, str]) -> Generator[Edit, None, str]:
    """The edits that give what the classifier receives a name, and that name; of a copy where the classifier changes it.

    x = self.fc(self.drop(x))     ->  fc_in = self.drop(x)
                                      x, aux = self.fc(fc_in), self.aux(fc_in)
    x = self.classifier(x)        ->  classifier_in = self.classifier[:6](x)
                                      x, aux = self.classifier[6](classifier_in), self.aux(classifier_in)
    """
    code, argument, what = place.code, use.argument, f"in {use.method.name}:{use.node.lineno}"
    assert argument is not None
    position, copied = _position(place, use, kinds), place.site.module.in_place
    given = argument.id if isinstance(argument, ast.Name) and not position else ""
    new = given or naming.free(_called(place), naming.in_method(use.method))
    if not (given or position or copied):
        yield from beside.named(place, use, new)
        return new
    lines = []
    if not given:
        run = f"{code.segment(use.call.func)}[:{position}]({code.segment(argument)})" if position else code.segment(argument)
        lines.append(f"{new} = {run}")
        yield Edit(code.start(argument), code.end(argument), new, what)
    if copied:
        kept, line = beside.kept(place, new, use.method)
        lines.append(line)
        new = kept
    if lines and (isinstance(syntax.parents(use.method)[use.node], ast.IfExp) or not code.stands_alone(its.statement)):
        raise _refused(place, use, "what it receives needs a statement of its own above")
    if lines:
        above = code.line_start(its.statement)
        yield Edit(above, above, style.block("\n".join(lines), code, code.indent(its.statement)), what)
    if place.site.parted:
        rest = f"{position}:" if kinds.keys() & {*_behind(place)} else f"{position}"
        yield Edit(code.end(use.call.func), code.end(use.call.func), f"[{rest}]", what)
    return new


def _position(place: Place, use: Use, kinds: Mapping[str, str]) -> int:
    """Where the site stands in the list that the host runs as a whole, with nothing behind it that has parameters; 0 where it
    is no element.
    """
    if not place.site.parted:
        return 0
    path, _, element = place.site.module.name.rpartition(".")
    elements = [name.removeprefix(f"{path}.") for name in place.site.names if name.startswith(f"{path}.")]
    elements = [name for name in elements if "." not in name]
    if not isinstance(use.call.func, (ast.Attribute, ast.Subscript)) or len(use.call.args) != 1:
        raise _refused(place, use, f"it does not run {path} as a whole")
    if {*_behind(place)} - kinds.keys():
        raise _refused(place, use, f"{place.site.name} is not the last layer of {path}")
    return elements.index(element)


def _behind(place: Place) -> list[str]:
    """The elements behind the site in its list, as the host names them: `classifier.2`."""
    if not place.site.parted:
        return []
    name, own = place.site.module.name, place.site.attribute.rpartition(".")[0]
    elements = [each for each in place.site.names if each.rpartition(".")[0] == name.rpartition(".")[0]]
    return [f"{own}.{each.rpartition('.')[2]}" for each in elements[elements.index(name) + 1 :]]


def _called(place: Place) -> str:
    """`fc_in`; `classifier_in` of the layers of a list."""
    site = place.site.attribute.rpartition(".")[0] if place.site.parted else place.site.attribute
    return f"{re.sub(r'[^A-Za-z0-9]+', '_', site).strip('_') or 'site'}_in"


def children(site: Site, trace: Trace | None) -> dict[str, str]:
    """The classes of what the host's objects hold without parameters, by its name there: {"flatten": "Flatten"}."""
    if trace is None or not site.host.instances:
        return {}
    own = f"{site.host.instances[0]}.".lstrip(".")
    found = (m for m in trace.modules if m.name.startswith(own) and m.name and m.class_name and not m.parameters)
    return {m.name.removeprefix(own): m.class_name for m in found}


def notes(place: Place, uses: Iterable[Use], kinds: Mapping[str, str]) -> Iterator[str]:
    """What is done to the classifier's result and not to the extra one; and what is done to both."""
    flows = flow.follow(place.code, place.cls, [use.call for use in uses], kinds)
    steps = [step for its in flows if its.passed for each in its.passed.steps.values() for step in each]
    alone = {_shown(place.code, step): passing.layer(step.call, kinds) for step in steps if not step.shared}
    alone |= {f"{name} ({kinds[name]})": kinds[name] for name in _behind(place)}
    own = place.named[0][1].construct
    for what, layer in alone.items() if not any(f"nn.{layer}(" in own for layer in alone.values()) else ():
        yield f"{what} gets only what {place.site.name} gives: end --layers with {layer} where {place.attribute} is to have it"
    if both := dict.fromkeys(_shown(place.code, step) for step in steps if step.shared):
        yield f"{' and '.join(both)} shape{'s' if len(both) == 1 else ''} what {place.attribute} gives, too"


def _shown(code: Code, step: Step) -> str:
    """`self.flatten`; of a method of the value itself its name: `view`."""
    func = step.call.func
    return func.attr if isinstance(func, ast.Attribute) and func.value is step.value else code.segment(func)


def around(parts: Parts, place: Place, trace: Trace) -> Iterator[tuple[Path, Edit]]:
    """What the methods of the modules around the host's objects say that they return, where they return its result as it is.

    Whether they do is proved by the contract: a call of another kind, `self.head(x, pre_logits=True)`, may stand beside.
    """
    files = {f.path.resolve(): code for f, code in ((parts.file, parts.main), (parts.host_file, parts.host))}
    files |= {f.file.path.resolve(): f.code for f in parts.foreign}
    inner = {*place.site.host.instances} - {""}
    nodes: dict[tuple[Path, str], dict[Span, None]] = {}
    while inner:
        for call in trace.calls:
            if call.module in inner and call.direct and call.owner == call.module.rpartition(".")[0]:
                nodes.setdefault((Path(call.file).resolve(), call.method.rpartition(".")[0]), {})[call.span] = None
        inner = {path.rpartition(".")[0] for path in inner} - {""}
    for (path, name), spans in nodes.items():
        code = files.get(path)
        cls = syntax.find_class(code, name, next(iter(spans)).line) if code else None
        if code is None or cls is None:
            continue
        calls = [node for span, node in loops.surveyed(cls)[0].items() if span in spans]
        with contextlib.suppress(CodegenError):
            yield from ((path, edit) for edit in _annotations(code, flow.follow(code, cls, calls), []))


def _annotations(code: Code, flows: Iterable[Flow], own: Collection[ast.expr]) -> Iterator[Edit]:
    """What the methods say that they return: `-> Tensor` becomes `-> tuple[Tensor, Tensor]`, of one that returns the
    classifier's result in some cases only `-> Tensor | tuple[Tensor, Tensor]`. own: the calls of the classifier itself; of
    other calls, one that hands on more than the tensor may hand on a flag.
    """
    methods: dict[syntax.Function, list[Flow]] = {}
    for its in flows:
        methods.setdefault(its.method, []).append(its)
    for method, its_flows in methods.items():
        said = method.returns
        if said is None or ast.unparse(said) not in ("Tensor", "torch.Tensor"):
            continue
        every = {n for n in loops.own_nodes(method) if isinstance(n, ast.Return)}
        certain = [its for its in its_flows if its.certain and (its.node in own or _is_plain(its.node))]
        always = {given for its in certain for given in its.returns} == every
        one = code.segment(said)
        text = f"tuple[{one}, {one}]" if always else f"{one} | tuple[{one}, {one}]"
        yield Edit(code.start(said), code.end(said), text, f"what {method.name} returns")


def _is_plain(node: ast.expr) -> bool:
    return isinstance(node, ast.Call) and len([*node.args, *node.keywords]) == 1


def _refused(place: Place, use: Use, why: str) -> CodegenError:
    text = " ".join(ast.unparse(use.node).split())[:60]
    return CodegenError(
        "site-not-editable",
        f"{place.cls.name}.{use.method.name}:{use.node.lineno} `{text}`: {why}",
        "choose another classifier: codegen sites SOURCE lists the sites",
    )
