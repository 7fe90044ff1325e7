"""What the code of a module's `__init__` says: names that change on the way, expressions that stand there. Runs nothing."""

from __future__ import annotations

import ast
import functools
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from codegen.worker.scopes import Scope

PURE = (
    ast.Name,
    ast.Attribute,
    ast.Subscript,
    ast.BinOp,
    ast.UnaryOp,
    ast.Constant,
    ast.operator,
    ast.unaryop,
    ast.Load,
)


def made_with(scope: Scope, attribute: str, outgoing: bool) -> list[str]:
    """The names in the statement that assigns the site."""
    tree, me = constructor(scope), scope.code.co_varnames[0]
    names: list[str] = []
    for node in ast.walk(tree) if tree is not None else ():
        if isinstance(node, ast.Assign) and any(ast.unparse(t) == f"{me}.{attribute}" for t in node.targets):
            names += [n.id for n in ast.walk(node.value) if isinstance(n, ast.Name)]
    return names[::-1] if outgoing else names


def changing(scope: Scope) -> set[str]:
    """Names that take several values on the way: assigned in a loop, twice, or by a helper method of the class."""
    tree = constructor(scope)
    if tree is None:
        return set()
    me = scope.code.co_varnames[0]
    counts: Counter[str] = Counter()
    for node in ast.walk(tree):
        weight = 2 if isinstance(node, (ast.For, ast.While)) else 1
        for inner in ast.walk(node) if weight == 2 else [node]:
            for target in _targets(inner):
                counts[ast.unparse(target)] += weight
    for function in _methods(scope.code.co_filename, tree):
        if any(isinstance(n, ast.Attribute) and n.attr == function.name for n in ast.walk(tree)):
            counts.update(
                {
                    ast.unparse(t): 2
                    for n in ast.walk(function)
                    for t in _targets(n)
                    if ast.unparse(t).startswith(f"{me}.")
                }
            )
    return {name for name, count in counts.items() if count > 1}


def expressions(scope: Scope) -> Iterator[str]:
    """Expressions without calls that stand in `__init__`, in their order."""
    tree = constructor(scope)
    if tree is None:
        return
    for node in ast.walk(tree):
        if isinstance(node, (ast.BinOp, ast.Attribute, ast.Subscript)) and isinstance(
            getattr(node, "ctx", ast.Load()), ast.Load
        ):
            parts = list(ast.walk(node))
            if all(isinstance(p, PURE) for p in parts) and any(isinstance(p, ast.Name) for p in parts):
                yield ast.unparse(node)


def constructor(scope: Scope) -> ast.FunctionDef | None:
    return _functions(scope.code.co_filename).get(scope.code.co_firstlineno)


def _targets(node: ast.AST) -> Iterator[ast.expr]:
    """What a statement binds: `a`, `self.b` in `a, (self.b, c) = ...` and in `for a, self.b in ...`."""
    targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
    if isinstance(node, (ast.Assign, ast.AugAssign, ast.AnnAssign, ast.For, ast.NamedExpr)):
        for target in targets:
            for part in ast.walk(target) if target is not None else ():
                if isinstance(part, (ast.Name, ast.Attribute)) and isinstance(part.ctx, ast.Store):
                    yield part


def _methods(file: str, init: ast.FunctionDef) -> list[ast.FunctionDef]:
    """The other methods of the class that an `__init__` belongs to."""
    for node in ast.walk(_tree(file)):
        if isinstance(node, ast.ClassDef) and init in node.body:
            return [n for n in node.body if isinstance(n, ast.FunctionDef) and n is not init]
    return []


@functools.cache
def _tree(file: str) -> ast.Module:
    try:
        return ast.parse(Path(file).read_bytes())
    except (OSError, SyntaxError, ValueError):
        return ast.Module([], [])


@functools.cache
def _functions(file: str) -> dict[int, ast.FunctionDef]:
    """Every `__init__` of a file by its first line (that of its decorators)."""
    inits = [n for n in ast.walk(_tree(file)) if isinstance(n, ast.FunctionDef) and n.name == "__init__"]
    return {min([n.lineno, *(d.lineno for d in n.decorator_list)]): n for n in inits}
