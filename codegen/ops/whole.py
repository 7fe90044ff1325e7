"""Insert a module at what goes into or out of an object itself: in the `forward` of its own class."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from codegen import loops, style, syntax
from codegen.errors import CodegenError
from codegen.ops.insert import Place, passing_by
from codegen.types import Edit


def plan(place: Place) -> list[Edit]:
    """The edits of `forward`. Raises CodegenError("inherited-forward", "site-not-editable")."""
    forward = syntax.method(place.cls, "forward")
    if forward is None:
        raise CodegenError(
            "inherited-forward",
            f"{place.cls.name} inherits its forward: not built yet",
            "insert at a child of it, or around the module that holds it",
        )
    return [*(_results(place, forward) if place.after else _entry(place, forward)), *passing_by(place)]


def _results(place: Place, forward: syntax.Function) -> Iterator[Edit]:
    # return self.drop(x) + shortcut  ->  return self.se(self.drop(x) + shortcut)
    me = forward.args.args[0].arg
    returns = [n for n in loops.own_nodes(forward) if isinstance(n, ast.Return)]
    if not returns or any(isinstance(n, (ast.Yield, ast.YieldFrom)) for n in loops.own_nodes(forward)):
        raise _refused(place, forward, "it returns nothing")
    for statement in returns:
        value = _tensor(place, statement)
        what = f"in forward:{statement.lineno}"
        yield Edit(place.code.start(value), place.code.start(value), f"{me}.{place.attribute}(", what)
        yield Edit(place.code.end(value), place.code.end(value), ")", what)


def _tensor(place: Place, statement: ast.Return) -> ast.expr:
    """The part of a returned value that is the tensor: `x` of `return x, attn`."""
    module, value = place.site.module, statement.value
    if value is not None and module.output_kind == "tensor":
        return value
    if isinstance(value, (ast.Tuple, ast.List)) and not any(isinstance(e, ast.Starred) for e in value.elts):
        return value.elts[int(module.output_index)]
    if isinstance(value, ast.Dict):
        keys = [k.value if isinstance(k, ast.Constant) else None for k in value.keys]
        if module.output_index in keys:
            return value.values[keys.index(module.output_index)]
    raise _refused(place, statement, f"it returns a {module.output_kind}, in which the tensor cannot be told")


def _entry(place: Place, forward: syntax.Function) -> Iterator[Edit]:
    # def forward(self, x):  ->  x = self.se(x), as the first statement
    wanted, names = place.site.module.input_argument, [a.arg for a in [*forward.args.posonlyargs, *forward.args.args]]
    me, given = names[0], names[1:]
    name = wanted if wanted in given else given[int(wanted)] if wanted.isdigit() and int(wanted) < len(given) else ""
    body = forward.body[1:] if _is_text(forward.body[0]) else forward.body
    if not name or not body or body[0].lineno == forward.lineno:
        raise _refused(place, forward, "the tensor among its arguments cannot be told")
    start = place.code.line_start(body[0])
    text = style.block(f"{name} = {me}.{place.attribute}({name})", place.code, place.code.indent(body[0]))
    yield Edit(start, start, text, f"in forward:{forward.lineno}")


def _is_text(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)


def _refused(place: Place, node: ast.AST, why: str) -> CodegenError:
    where = f"{place.cls.name}.forward:{getattr(node, 'lineno', 0)}"
    return CodegenError("site-not-editable", f"{where}: {why}", "choose a site inside the class")
