"""Give a classifier a second one on the same input: the model returns what both return, `(logits, aux)`."""

from __future__ import annotations

import ast
import re
from collections.abc import Generator, Iterable, Iterator

from codegen import flow, loops, naming, style, syntax
from codegen.errors import CodegenError
from codegen.flow import Flow
from codegen.ops import beside
from codegen.ops.insert import Place, passing_by
from codegen.reading import Use
from codegen.types import Edit


def plan(place: Place, uses: list[Use]) -> list[Edit]:
    """The edits of the class's methods. Raises CodegenError("site-not-editable") where the model does not return the site's
    result as it is, or an extra result would have no place.
    """
    if place.site.chosen or place.site.whole or not uses:
        what = f"{place.site.name}: an extra head is written where the code of one class calls the classifier by its name"
        raise CodegenError("site-not-editable", what, "give a site that is one attribute of its owner: fc, head.fc")
    for use in uses:
        if use.condition or use.members is not None or use.argument is None or not isinstance(use.node, ast.Call):
            raise _refused(place, use, f"only where {use.condition}" if use.condition else "it is run inside another call")
    flows = flow.follow(place.code, place.cls, [use.call for use in uses])
    edits = [edit for use, its in zip(uses, flows, strict=False) for edit in _edited(place, use, its)]
    return [*edits, *_annotations(place, flows), *passing_by(place)]


def _edited(place: Place, use: Use, its: Flow) -> Iterator[Edit]:
    """The call, with the extra head's behind it: the classifier draws the random numbers that it drew.

    x = self.fc(x)                               ->  x, aux = self.fc(x), self.aux(x)
    return x                                         return x, aux
    return x if pre_logits else self.fc(x)       ->  return x if pre_logits else (self.fc(x), self.aux(x))
    """
    code, node = place.code, use.node
    received = yield from _received(place, use, its)
    what = f"beside {use.method.name}:{node.lineno}"
    before, behind = "", f", {use.me}.{place.attribute}({received})"
    if isinstance(syntax.parents(use.method)[node], ast.IfExp):
        before, behind = "(", f"{behind})"
    if its.name and its.certain:
        assert isinstance(its.statement, ast.Assign)
        target, value = its.statement.targets[0], its.returns[0].value
        assert value is not None
        second = naming.free(place.attribute, beside.names(use.method))
        yield Edit(code.end(target), code.end(target), f", {second}", what)
        yield Edit(code.end(value), code.end(value), f", {second}", what)
    yield from [Edit(code.start(node), code.start(node), before, what)] if before else []
    yield Edit(code.end(node), code.end(node), behind, what)


def _received(place: Place, use: Use, its: Flow) -> Generator[Edit, None, str]:
    """The edits that give what the classifier receives a name, and that name; of a copy where the classifier changes it.

    x = self.fc(self.drop(x))     ->  fc_in = self.drop(x)
                                      x, aux = self.fc(fc_in), self.aux(fc_in)
    x = self.classifier(x)        ->  classifier_in = self.classifier[:6](x)
                                      x, aux = self.classifier[6](classifier_in), self.aux(classifier_in)
    """
    code, argument, what = place.code, use.argument, f"in {use.method.name}:{use.node.lineno}"
    assert argument is not None
    position, copied = _position(place, use), place.site.module.in_place
    given = argument.id if isinstance(argument, ast.Name) and not position else ""
    new = given or naming.free(_called(place), beside.names(use.method))
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
        yield Edit(code.end(use.call.func), code.end(use.call.func), f"[{position}]", what)
    return new


def _position(place: Place, use: Use) -> int:
    """Where the site stands in the list that the host runs as a whole, which must be at its end; 0 where it is no element."""
    if not place.site.parted:
        return 0
    path, _, element = place.site.module.name.rpartition(".")
    elements = [name.removeprefix(f"{path}.") for name in place.site.names if name.startswith(f"{path}.")]
    elements = [name for name in elements if "." not in name]
    if not isinstance(use.call.func, (ast.Attribute, ast.Subscript)) or len(use.call.args) != 1:
        raise _refused(place, use, f"it does not run {path} as a whole")
    if elements[-1] != element:
        raise _refused(place, use, f"{place.site.name} is not the last layer of {path}")
    return len(elements) - 1


def _called(place: Place) -> str:
    """`fc_in`; `classifier_in` of the layers of a list."""
    site = place.site.attribute.rpartition(".")[0] if place.site.parted else place.site.attribute
    return f"{re.sub(r'[^A-Za-z0-9]+', '_', site).strip('_') or 'site'}_in"


def _annotations(place: Place, flows: Iterable[Flow]) -> Iterator[Edit]:
    """What the methods say that they return: `-> Tensor` becomes `-> tuple[Tensor, Tensor]`, of one that returns the
    classifier's result in some cases only `-> Tensor | tuple[Tensor, Tensor]`.
    """
    methods: dict[syntax.Function, list[Flow]] = {}
    for its in flows:
        methods.setdefault(its.method, []).append(its)
    for method, its_flows in methods.items():
        said = method.returns
        if said is None or ast.unparse(said) not in ("Tensor", "torch.Tensor"):
            continue
        every = {n for n in loops.own_nodes(method) if isinstance(n, ast.Return)}
        always = {given for its in its_flows if its.certain for given in its.returns} == every
        one = place.code.segment(said)
        text = f"tuple[{one}, {one}]" if always else f"{one} | tuple[{one}, {one}]"
        yield Edit(place.code.start(said), place.code.end(said), text, f"what {method.name} returns")


def _refused(place: Place, use: Use, why: str) -> CodegenError:
    text = " ".join(ast.unparse(use.node).split())[:60]
    return CodegenError(
        "site-not-editable",
        f"{place.cls.name}.{use.method.name}:{use.node.lineno} `{text}`: {why}",
        "choose another classifier: codegen sites SOURCE lists the sites",
    )
