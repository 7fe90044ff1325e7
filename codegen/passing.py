"""What a method does to the value of a call before it returns it: makes it flat, makes probabilities of it. Changes nothing."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from codegen import loops, syntax
from codegen.syntax import Function

FLAT = ("flatten", "squeeze")  # functions and methods that only shape a tensor, whatever its channels are
SCORES = {"softmax": "Softmax", "log_softmax": "LogSoftmax", "sigmoid": "Sigmoid", "logsigmoid": "LogSigmoid"}
ABOUT = ("shape", "size", "dim", "ndim", "device", "dtype")  # what is asked of a tensor beside its values


@dataclass(frozen=True)
class Step:
    """A call on the value (its operand there): `self.flatten(x)`. shared: it only shapes it, and may shape another head's."""

    call: ast.Call
    value: ast.expr
    shared: bool


@dataclass(frozen=True)
class Passed:
    """From the statement that has the call to the returns behind it. name: the variable that it is given, "" in a return."""

    statement: ast.Assign | ast.Return
    name: str
    steps: Mapping[ast.Assign | ast.Return, tuple[Step, ...]]  # by the statement in which they stand, from the inside out
    returns: tuple[ast.Return, ...]


def follow(method: Function, node: ast.expr, kinds: Mapping[str, str]) -> Passed | None:
    """The way of the value, None where it goes anywhere but through such steps into every return behind it.

    kinds: the classes of the host's children that have no parameters, by their names: {"flatten": "Flatten"}.
    """
    above = syntax.parents(method)
    me = method.args.args[0].arg if method.args.args else "self"
    inner = tuple(_steps(node, above, me, kinds))
    statement = above[inner[-1].call if inner else node]
    if isinstance(statement, ast.Return):
        return Passed(statement, "", {statement: inner}, (statement,))
    target = _target(statement)
    if target is None or not isinstance(statement, ast.Assign) or above[statement] is not method:
        return None
    found: dict[ast.Assign | ast.Return, tuple[Step, ...]] = {statement: inner}
    names, behind = {target}, (statement.end_lineno or 0)
    reads = sorted(_reads(method, behind), key=lambda n: (n.lineno, n.col_offset))
    for read in reads:
        if read.id not in names or isinstance(parent := above[read], ast.Attribute) and parent.attr in ABOUT:
            continue
        steps = tuple(_steps(read, above, me, kinds))
        given = above[steps[-1].call if steps else read]
        if not isinstance(given, (ast.Assign, ast.Return)) or given in found:
            return None
        if isinstance(given, ast.Assign) and _target(given) is None:
            return None
        found[given] = steps
        names |= {name} if (name := _target(given)) else set()
    left = tuple(n for n in loops.own_nodes(method) if isinstance(n, ast.Return) and n.lineno > behind)
    straight = all(isinstance(given, ast.Return) or _target(given) in names for given in found)
    return Passed(statement, target, found, left) if straight and {*left} <= {*found} and left else None


def _steps(node: ast.expr, above: Mapping[ast.AST, ast.AST], me: str, kinds: Mapping[str, str]) -> Iterator[Step]:
    """The calls around a value, from the inside out, as far as they are known."""
    while True:
        parent = above[node]
        call = above[parent] if isinstance(parent, ast.Attribute) else parent
        if not isinstance(call, ast.Call) or node in (keyword.value for keyword in call.keywords):
            return
        method = call.func is parent and isinstance(parent, ast.Attribute)
        if not method and (call.args[:1] != [node]):
            return
        shared = _shares(call, me, kinds, method=method)
        if shared is None:
            return
        yield Step(call, node, shared)
        node = call


def _shares(call: ast.Call, me: str, kinds: Mapping[str, str], *, method: bool) -> bool | None:
    """Whether a call only shapes what it is given; None where it is none of those that are known."""
    function = call.func
    name = function.attr if isinstance(function, ast.Attribute) else function.id if isinstance(function, ast.Name) else ""
    if isinstance(function, ast.Attribute) and ast.unparse(function.value) == me:
        kind = kinds.get(name)
        return None if kind is None else kind == "Flatten" or kind == "Identity" and "flat" in name
    if name in SCORES:
        return False
    if name in FLAT or method and name in ("view", "reshape") and _of_any_width(call):
        return True
    return None


def layer(call: ast.Call, kinds: Mapping[str, str]) -> str:
    """The class of torch.nn that does what a step does: LogSoftmax."""
    name = ast.unparse(call.func).rpartition(".")[2]
    return SCORES.get(name) or kinds.get(name, name)


def _of_any_width(call: ast.Call) -> bool:
    """x.view(x.size(0), -1)"""
    return len(call.args) == 2 and ast.unparse(call.args[1]) == "-1" and not isinstance(call.args[0], ast.Constant)


def _target(statement: ast.AST) -> str | None:
    if isinstance(statement, ast.Assign) and len(statement.targets) == 1 and isinstance(statement.targets[0], ast.Name):
        return statement.targets[0].id
    return None


def _reads(method: Function, behind: int) -> Iterator[ast.Name]:
    """Names that are read, or changed in place, behind a line."""
    for node in ast.walk(method):
        target = node.target if isinstance(node, ast.AugAssign) else node
        read = isinstance(node, ast.AugAssign) or isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)
        if read and isinstance(target, ast.Name) and target.lineno > behind:
            yield target
