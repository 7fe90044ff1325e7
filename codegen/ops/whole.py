"""Insert a module at what goes into or out of an object itself: in the `forward` of its own class."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence

from codegen import branch, inlining, loops, naming, nested, style, syntax
from codegen.errors import CodegenError
from codegen.ops import beside, overriding
from codegen.ops.insert import Place, passing_by
from codegen.types import Edit


def plan(place: Place) -> list[Edit]:
    """The edits of `forward`. Raises CodegenError("inherited-forward", "site-not-editable")."""
    forward = syntax.method(place.cls, "forward")
    if forward is None:
        return [*overriding.plan(place), *passing_by(place)]
    if place.combine:
        return [*_beside(place, forward), *passing_by(place)]
    return [*(_results(place, forward) if place.after else _entry(place, forward)), *passing_by(place)]


def _beside(place: Place, forward: syntax.Function) -> Iterator[Edit]:
    """What comes in is kept, and joined with what goes out.

    def forward(self, x):             def forward(self, x):
        return self.act(x)        ->      x_in = x
                                          return self.act(x) + self.se(x_in)
    """
    me, given = _given(place, forward)
    kept, keeping = beside.kept(place, given, forward)  # x_in = x, x_in = x[0]
    yield _first(place, forward, keeping)
    for start, end, value in _tensors(place, forward):
        bare = isinstance(value, (ast.Name, ast.Call, ast.Attribute, ast.Subscript))
        text = beside.joined(place, me, kept, "\0" if bare or not branch.operator(place.combine, place.site) else "(\0)")
        before, behind = text.split("\0")
        yield Edit(start, start, before, f"in forward:{value.lineno}")
        yield Edit(end, end, behind, f"in forward:{value.lineno}")


def _results(place: Place, forward: syntax.Function) -> Iterator[Edit]:
    # return self.drop(x) + shortcut  ->  return self.se(self.drop(x) + shortcut)
    me = forward.args.args[0].arg
    if held := _held(place, forward):
        yield from _rebuilt(place, forward, held)
        return
    for start, end, value in _tensors(place, forward):
        what = f"in forward:{value.lineno}"
        if isinstance(value, ast.Name) and not inlining.is_cascade(place.running):
            yield Edit(start, end, inlining.value(place.running, me, value.id), what)  # return self.se(x) + self.eca(x)
            continue
        returned = next((n for n in loops.own_nodes(forward) if isinstance(n, ast.Return) and n.value is value), None)
        if returned is not None and not inlining.is_cascade(place.running) and place.code.stands_alone(returned):
            yield from _named(place, forward, returned)
            continue
        before, behind = inlining.around(place.running, me)
        yield Edit(start, start, before, what)
        yield Edit(end, end, behind, what)


def _held(place: Place, forward: syntax.Function) -> list[ast.Return]:
    """The returns, where each gives a list, a tuple or a dict by its name."""
    returns = [n for n in loops.own_nodes(forward) if isinstance(n, ast.Return)]
    named = all(isinstance(r.value, ast.Name) and place.code.stands_alone(r) for r in returns)
    return returns if named and place.site.module.output_kind in nested.KINDS else []


def _rebuilt(place: Place, forward: syntax.Function, returns: Sequence[ast.Return]) -> Iterator[Edit]:
    # return outs  ->  outs = [self.se(outs[0]), *outs[1:]]
    #                  return outs
    code, where = place.code, (place.site.module.output_kind, place.site.module.output_index)
    for statement in returns:
        assert isinstance(statement.value, ast.Name)
        names = (forward.args.args[0].arg, statement.value.id)
        lines = nested.statements(place.running, names, where, naming.in_method(forward))
        start = code.line_start(statement)
        block = style.block("\n".join(lines), code, code.indent(statement))
        yield Edit(start, start, block, f"in forward:{statement.lineno}")


def _named(place: Place, forward: syntax.Function, returned: ast.Return) -> Iterator[Edit]:
    # return self.act(x + y)  ->  x = self.act(x + y)
    #                             return self.se(x) + self.eca(x)
    code, what = place.code, f"in forward:{returned.lineno}"
    lines, result = inlining.parted(place.running, forward.args.args[0].arg, "x", naming.in_method(forward))
    start, block = code.start(returned), style.block("\n".join([*lines, f"return {result}"]), code, code.indent(returned))
    yield Edit(start, start + len("return"), "x =", what)
    yield style.below(code, returned, block, what)


def _tensors(place: Place, forward: syntax.Function) -> Iterator[tuple[int, int, ast.expr]]:
    """The returned tensors with where they stand."""
    returns = [n for n in loops.own_nodes(forward) if isinstance(n, ast.Return)]
    if not returns or any(isinstance(n, (ast.Yield, ast.YieldFrom)) for n in loops.own_nodes(forward)):
        raise _refused(place, forward, "it returns nothing")
    for statement in returns:
        value = _tensor(place, statement, returns)
        yield place.code.start(value), place.code.end(value), value


def _tensor(place: Place, statement: ast.Return, returns: Sequence[ast.Return]) -> ast.expr:
    """The part of a returned value that is the tensor: `x` of `return x, attn`."""
    module, value = place.site.module, statement.value
    if module.output_kind == "tensor" and isinstance(value, (ast.Tuple, ast.List, ast.Dict)):
        # return x, down - of other objects of the class, where those that are meant return x
        alone = {ast.unparse(r.value) for r in returns if r.value is not None and r is not statement}
        elements = [] if isinstance(value, ast.Dict) else value.elts
        same = [e for e in elements if ast.unparse(e) in alone]
        if len(same) != 1:
            raise _refused(place, statement, "it returns several values here, and elsewhere a tensor that is none of them")
        return same[0]
    if value is not None and module.output_kind == "tensor":
        return value
    if isinstance(value, (ast.Tuple, ast.List)) and not any(isinstance(e, ast.Starred) for e in value.elts):
        return value.elts[int(module.output_index)]
    if isinstance(value, ast.Dict):
        keys = [k.value if isinstance(k, ast.Constant) else None for k in value.keys]
        if module.output_index in keys:
            return value.values[keys.index(module.output_index)]
    if isinstance(value, ast.Call) and module.output_kind == "dataclass":  # return Output(features=x)
        given = {keyword.arg: keyword.value for keyword in value.keywords}
        if module.output_index in given:
            return given[module.output_index]
    raise _refused(place, statement, f"it returns a {module.output_kind}, in which the tensor cannot be told")


def _entry(place: Place, forward: syntax.Function) -> Iterator[Edit]:
    # def forward(self, x):  ->  x = self.se(x), as the first statement
    (me, name), module = _given(place, forward), place.site.module
    lines = inlining.statements(place.running, me, name, naming.in_method(forward))
    if module.input_kind != "tensor":
        where = module.input_kind, module.input_index
        lines = nested.statements(place.running, (me, name), where, naming.in_method(forward))
    yield _first(place, forward, "\n".join(lines))


def _given(place: Place, forward: syntax.Function) -> tuple[str, str]:
    """(the name of `self`, that of the argument which is the tensor)."""
    wanted, names = place.site.module.input_argument, [a.arg for a in [*forward.args.posonlyargs, *forward.args.args]]
    me, given = names[0], names[1:]
    name = wanted if wanted in given else given[int(wanted)] if wanted.isdigit() and int(wanted) < len(given) else ""
    if not name:
        raise _refused(place, forward, "the tensor among its arguments cannot be told")
    return me, name


def _first(place: Place, forward: syntax.Function, statement: str) -> Edit:
    """A statement in front of all others of the method."""
    body = forward.body[1:] if _is_text(forward.body[0]) else forward.body
    if not body or body[0].lineno == forward.lineno:
        raise _refused(place, forward, "its first statement does not stand on a line of its own")
    start = place.code.line_start(body[0])
    return Edit(start, start, style.block(statement, place.code, place.code.indent(body[0])), f"in forward:{forward.lineno}")


def _is_text(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)


def _refused(place: Place, node: ast.AST, why: str) -> CodegenError:
    where = f"{place.cls.name}.forward:{getattr(node, 'lineno', 0)}"
    return CodegenError("site-not-editable", f"{where}: {why}", "choose a site inside the class")
