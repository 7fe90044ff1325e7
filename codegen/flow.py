"""Where the value of a call goes: into what its method returns, and from there into what the method's callers return.

Reads a class; refuses what goes anywhere else. Changes nothing.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from codegen import loops, passing, syntax
from codegen.errors import CodegenError
from codegen.passing import Passed
from codegen.syntax import Code, Function


@dataclass(frozen=True)
class Flow:
    """A call whose value its method returns as it is.

    name: the variable in between, "" where `return` has the call itself; certain: each of `returns` gives the value in
    every case, not only in one branch: `return x if pre_logits else self.fc(x)`; passed: what is done to it on the way, None
    where nothing is.
    """

    node: ast.expr
    method: Function
    statement: ast.stmt  # that has the call
    returns: tuple[ast.Return, ...]
    name: str = ""
    certain: bool = True
    passed: Passed | None = None


def follow(
    code: Code, cls: ast.ClassDef, nodes: Iterable[ast.expr], kinds: Mapping[str, str] | None = None
) -> list[Flow]:
    """The flow of each node, and of every call in the class of the methods that return them, up to its `forward`.

    kinds: of the host's children, for what is done to the nodes' own values on the way, see `passing`.
    Raises CodegenError("site-not-editable") where a value goes on into something else.
    """
    method_of = loops.surveyed(cls)[1]
    waiting, found = [*nodes], dict[ast.expr, Flow]()
    first = frozenset(waiting)
    while waiting:
        node = waiting.pop(0)
        if node in found:
            continue
        method = method_of[node]
        try:
            found[node] = _flow(code, cls, node, method)
        except CodegenError:
            passed = passing.follow(method, node, kinds) if kinds is not None and node in first else None
            if passed is None:
                raise
            found[node] = Flow(node, method, passed.statement, passed.returns, passed.name, True, passed)
        waiting += _calls(cls, method)
    return [*found.values()]


def _calls(cls: ast.ClassDef, method: Function) -> Iterator[ast.Call]:
    """Where other methods of the class call this one: `self.forward_head(x)`, and `self(x)` of forward."""
    for node, owner in loops.surveyed(cls)[1].items():
        me = owner.args.args[0].arg if owner.args.args else ""
        if isinstance(node, ast.Call) and me:
            called = ast.unparse(node.func)
            if called == f"{me}.{method.name}" or method.name == "forward" and called == me:
                yield node


def _flow(code: Code, cls: ast.ClassDef, node: ast.expr, method: Function) -> Flow:
    above = syntax.parents(method)
    top = _whole(node, above)
    statement = above[top]
    if any(isinstance(n, ast.FunctionDef) and n is not method for n in _around(statement, above)):
        raise _refused(cls, method, node, "it stands in a function inside the method")
    if isinstance(statement, ast.Return):
        return Flow(node, method, statement, (statement,), certain=top is node)
    target = statement.targets[0] if isinstance(statement, ast.Assign) and len(statement.targets) == 1 else None
    if not isinstance(statement, ast.stmt) or not isinstance(target, ast.Name):
        raise _refused(cls, method, node, f"what it returns goes into `{_shown(code, statement)}`")
    around = _around(statement, above)
    if any(isinstance(n, (ast.For, ast.While, ast.Try)) for n in around):
        raise _refused(cls, method, node, "it stands in a loop or a try")
    for changed in (n for n in ast.walk(method) if isinstance(n, ast.AugAssign) and n.lineno > node.lineno):
        if ast.unparse(changed.target) == target.id:
            raise _refused(cls, method, node, f"what it returns is changed by `{_shown(code, changed)}`, line {changed.lineno}")
    returns: dict[ast.Return, bool] = {}
    for read in _reads(method, statement, target.id, around, above):
        value = _whole(read, above)
        given = above[value]
        if not isinstance(given, ast.Return):
            raise _refused(cls, method, node, f"what it returns goes on into `{_shown(code, given)}`, line {read.lineno}")
        returns[given] = value is read and above[given] is above[statement] and not _later(method, statement, given, target.id)
    if not returns:
        raise _refused(cls, method, node, f"{method.name} does not return what it returns")
    certain = top is node and len(returns) == 1 and all(returns.values())
    return Flow(node, method, statement, tuple(returns), target.id, certain)


def _whole(node: ast.AST, above: dict[ast.AST, ast.AST]) -> ast.AST:
    """The expression around a node that has its value: the node, or `x if pre_logits else self.fc(x)`."""
    while isinstance(parent := above[node], ast.IfExp) and node is not parent.test:
        node = parent
    return node


def _around(node: ast.AST, above: dict[ast.AST, ast.AST]) -> list[ast.AST]:
    found = [node]
    while found[-1] in above:
        found.append(above[found[-1]])
    return found


def _reads(
    method: Function, statement: ast.stmt, name: str, around: list[ast.AST], above: dict[ast.AST, ast.AST]
) -> Iterator[ast.Name]:
    """Where the variable is read behind the statement, but for the other branches of an `if` around it."""
    for node in ast.walk(method):
        if not isinstance(node, ast.Name) or node.id != name or not isinstance(node.ctx, ast.Load):
            continue
        if (node.lineno, node.col_offset) > (statement.end_lineno or 0, statement.end_col_offset or 0):
            lines = _around(node, above)
            if not any(isinstance(n, ast.If) and _branch(n, around) != _branch(n, lines) for n in around if n in lines):
                yield node


def _branch(condition: ast.If, around: list[ast.AST]) -> bool:
    """Whether what stands in these nodes stands in the body of the `if`."""
    return any(n in condition.body for n in around)


def _later(method: Function, statement: ast.stmt, given: ast.Return, name: str) -> bool:
    """Whether the variable is written between the statement and the return."""
    written = (n.lineno for n in ast.walk(method) if isinstance(n, ast.Name) and n.id == name and isinstance(n.ctx, ast.Store))
    return any((statement.end_lineno or 0) < line < given.lineno for line in written)


def _shown(code: Code, node: ast.AST) -> str:
    text = code.segment(node) if isinstance(node, (ast.expr, ast.stmt)) else ast.unparse(node)
    return " ".join(text.split())[:60]


def _refused(cls: ast.ClassDef, method: Function, node: ast.expr, why: str) -> CodegenError:
    text = " ".join(ast.unparse(node).split())[:60]
    return CodegenError(
        "site-not-editable",
        f"{cls.name}.{method.name}:{node.lineno} `{text}`: {why}",
        "an extra head stands beside a classifier whose result the model returns, as it is or as probabilities",
    )
