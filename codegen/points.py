"""Places that are no module but have names: `blocks.*@residual1`, `@position`, `head@pool`, the call `relu@2`. Changes none."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Collection, Container, Iterable, Iterator, Mapping
from dataclasses import dataclass

from codegen import syntax
from codegen.syntax import Function

# a comprehension and a function run in a frame of their own
COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
INNER = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda, *COMPREHENSIONS)
SIMPLE = (ast.Assign, ast.AnnAssign, ast.AugAssign, ast.Return, ast.Expr)


@dataclass(frozen=True)
class Point:
    """A value in a method of a class.

    nodes: what has the value - `x + y`, the statement `x += y`, the `x` of `x.mean(1)`, `self.relu(x)`. Several say the
    same in branches of an `if`: one of them runs.
    around: of a value that goes into an expression, that expression: `x.mean(1)`.
    statement: where that value is a name, the statement that it is read in: all of it reads the same.
    """

    method: str
    syntax: str  # "sum", "operand", or "call" with the name of the child
    index: int  # among those of its syntax in the method
    nodes: tuple[ast.expr | ast.AugAssign, ...]
    around: ast.expr | None = None
    statement: ast.stmt | None = None

    @property
    def key(self) -> tuple[tuple[str, str], ...]:
        """What finds it again in another text of the class."""
        return (("method", self.method), ("syntax", self.syntax), ("index", str(self.index)))


def found(cls: ast.ClassDef, ignore: Collection[str] = ()) -> list[Point]:
    """All sums, operands and calls of children in the methods of a class, in the order of the source.

    ignore: attributes whose calls are none: those of inserted modules.
    """
    points = []
    for method in cls.body:
        if isinstance(method, (ast.FunctionDef, ast.AsyncFunctionDef)) and method.args.args and method.name != "__init__":
            nodes, parents = _nodes(method), syntax.parents(method)
            points += [Point(method.name, "sum", i, same) for i, same in enumerate(_sums(nodes, parents))]
            for i, (around, node) in enumerate(_operands(method, nodes, ignore)):
                statement = reading(node, parents) if isinstance(node, ast.Name) else None
                points.append(Point(method.name, "operand", i, (node,), around, statement))
            for child, calls in _calls(method, nodes, ignore).items():
                points += [Point(method.name, f"call {child}", i, (node,)) for i, node in enumerate(calls)]
    return points


def reading(node: ast.AST, parents: Mapping[ast.AST, ast.AST]) -> ast.stmt | None:
    """The simple statement around an expression; None where it stands in the head of a larger one."""
    while not isinstance(node, ast.stmt):
        node = parents[node]
    return node if isinstance(node, SIMPLE) else None


def again(cls: ast.ClassDef, key: Mapping[str, str], ignore: Collection[str] = ()) -> Point | None:
    """The point of that key in a class."""
    return next((point for point in found(cls, ignore) if dict(point.key) == dict(key)), None)


def _sums(nodes: Iterable[ast.AST], around: Mapping[ast.AST, ast.AST]) -> list[tuple[ast.expr | ast.AugAssign, ...]]:
    """The outermost sums of a method: those of the same text that exclude each other are one."""
    groups: list[list[ast.expr | ast.AugAssign]] = []
    for node in nodes:
        if not _is_sum(node) or _is_sum(around[node]) and not isinstance(around[node], ast.AugAssign):
            continue
        assert isinstance(node, (ast.expr, ast.AugAssign))
        twins = (g for g in groups if ast.unparse(g[0]) == ast.unparse(node) and all(_exclude(n, node, around) for n in g))
        group = next(twins, None)
        if group is None:
            groups.append(group := [])
        group.append(node)
    return [tuple(group) for group in groups]


def _is_sum(node: ast.AST) -> bool:
    if isinstance(node, ast.AugAssign):  # x += shortcut
        return isinstance(node.op, ast.Add) and isinstance(node.target, ast.Name)
    return isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add)


def _exclude(one: ast.AST, other: ast.AST, around: Mapping[ast.AST, ast.AST]) -> bool:
    """Whether two nodes stand in different branches of an `if`."""
    branches = dict(_branches(one, around))
    return any(branches.get(statement, branch) != branch for statement, branch in _branches(other, around))


def _branches(node: ast.AST, around: Mapping[ast.AST, ast.AST]) -> Iterator[tuple[ast.AST, bool]]:
    while (parent := around.get(node)) is not None:
        if isinstance(parent, ast.If) and node is not parent.test:
            yield parent, node in parent.body
        node = parent


def _operands(method: Function, nodes: Iterable[ast.AST], ignore: Collection[str]) -> Iterator[tuple[ast.expr, ast.expr]]:
    """(expression, what goes into it first): (`x.mean(1)`, `x`), (`self.pool(x)`, `x`), (`x[:, 0]`, `x`)."""
    local = {n.id for n in ast.walk(method) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    local |= {a.arg for a in method.args.args[1:]}
    for node in nodes:
        if isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Load):
            yield node, node.value
        elif isinstance(node, ast.Call) and not (isinstance(node.func, ast.Attribute) and node.func.attr in ignore):
            receiver = node.func.value if isinstance(node.func, ast.Attribute) else None
            if receiver is not None and _is_value(receiver, local):
                yield node, receiver
            elif node.args and not isinstance(node.args[0], ast.Starred):
                yield node, node.args[0]


def _calls(method: Function, nodes: Iterable[ast.AST], ignore: Collection[str]) -> dict[str, list[ast.Call]]:
    """The calls `self.relu(x)` by the name of what is called."""
    calls: dict[str, list[ast.Call]] = defaultdict(list)
    for node in nodes:
        function = node.func if isinstance(node, ast.Call) else None
        owner = function.value if isinstance(function, ast.Attribute) else None
        if isinstance(node, ast.Call) and isinstance(function, ast.Attribute) and isinstance(owner, ast.Name):
            calls[function.attr] += [node] if owner.id == method.args.args[0].arg else []
    return {name: found for name, found in calls.items() if name not in ignore}


def _is_value(node: ast.expr, local: Container[str]) -> bool:
    """Whether a method is called of what the code computes, `x.mean(1)`, and not of `torch`, `self` or `self.pool`."""
    while isinstance(node, (ast.Attribute, ast.Subscript)):
        node = node.value
    return node.id in local if isinstance(node, ast.Name) else ast.unparse(node) != "super()"


def _nodes(method: Function) -> list[ast.AST]:
    """The nodes of a method's body that run in its own frame, in the order of the source."""
    found: list[ast.AST] = []
    waiting: list[ast.AST] = [*reversed(method.body)]
    while waiting:
        node = waiting.pop()
        if not isinstance(node, INNER):
            found.append(node)
            waiting += reversed([*ast.iter_child_nodes(node)])
    return found
