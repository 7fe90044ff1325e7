"""What the code of a module's `__init__` says: names that change on the way, expressions that stand there. Runs nothing."""

from __future__ import annotations

import ast
import functools
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from types import CodeType

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


@functools.cache
def made_with(init: CodeType, attribute: str) -> tuple[str, ...]:
    """The names in the statement that assigns the site."""
    tree, me = constructor(init), next(iter(init.co_varnames), "")
    names: list[str] = []
    for node in ast.walk(tree) if tree is not None else ():
        if isinstance(node, ast.Assign) and any(ast.unparse(t) == f"{me}.{attribute}" for t in node.targets):
            names += [n.id for n in ast.walk(node.value) if isinstance(n, ast.Name)]
    return tuple(names)


@functools.cache
def changing(init: CodeType) -> frozenset[str]:
    """Names that take several values on the way: assigned in a loop, twice, or by a helper method of the class."""
    tree = constructor(init)
    if tree is None:
        return frozenset()
    me = next(iter(init.co_varnames), "")
    counts: Counter[str] = Counter()
    for node in ast.walk(tree):
        weight = 2 if isinstance(node, (ast.For, ast.While)) else 1
        for inner in ast.walk(node) if weight == 2 else [node]:
            for target in _targets(inner):
                counts[ast.unparse(target)] += weight
    called = {n.attr for n in ast.walk(tree) if isinstance(n, ast.Attribute)}
    for function in _methods(init.co_filename, tree):
        if function.name in called:
            targets = {ast.unparse(t) for n in ast.walk(function) for t in _targets(n)}
            counts.update({text: 2 for text in targets if text.startswith(f"{me}.")})
    return frozenset(name for name, count in counts.items() if count > 1)


@functools.cache
def parted(init: CodeType) -> frozenset[str]:
    """The arguments that the attribute of their name holds in some cases only.

    if dim > 0: self.dim = dim    # else: self.dim = in_dim
    """
    tree, me = constructor(init), next(iter(init.co_varnames), "")
    values: dict[str, set[str]] = defaultdict(set)
    for node in ast.walk(tree) if tree is not None else ():
        if isinstance(node, ast.Assign):
            for target in _targets(node):
                values[ast.unparse(target)].add(ast.unparse(node.value))
    arguments = init.co_varnames[1 : init.co_argcount + init.co_kwonlyargcount]
    return frozenset(n for n in arguments if n in values[f"{me}.{n}"] and len(values[f"{me}.{n}"]) > 1)


@functools.cache
def loop_variables(init: CodeType) -> frozenset[str]:
    """The variables of the loops in `__init__`: behind a loop they are what its last turn left."""
    tree = constructor(init)
    loops = [n for n in ast.walk(tree) if isinstance(n, ast.For)] if tree is not None else []
    return frozenset(n.id for loop in loops for n in ast.walk(loop.target) if isinstance(n, ast.Name))


@functools.cache
def expressions(init: CodeType) -> tuple[str, ...]:
    """Expressions without calls that stand in `__init__`, in their order, but for those of a loop's variable."""
    tree = constructor(init)
    found, variables = [], loop_variables(init)
    for node in ast.walk(tree) if tree is not None else ():
        if isinstance(node, (ast.BinOp, ast.Attribute, ast.Subscript)) and isinstance(
            getattr(node, "ctx", ast.Load()), ast.Load
        ):
            parts = list(ast.walk(node))
            names = {p.id for p in parts if isinstance(p, ast.Name)}
            if names and not names & variables and all(isinstance(p, PURE) for p in parts):
                found.append(ast.unparse(node))
    return tuple(found)


@functools.cache
def products(init: CodeType) -> tuple[str, ...]:
    """Those of the expressions that are products: `base * 2`."""
    parsed = ((text, ast.parse(text, mode="eval").body) for text in expressions(init))
    return tuple(text for text, node in parsed if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult))


@functools.cache
def constants(init: CodeType) -> frozenset[int]:
    """The whole numbers that stand in `__init__`, from 8 on."""
    tree = constructor(init)
    numbers = [n.value for n in ast.walk(tree) if isinstance(n, ast.Constant)] if tree is not None else []
    return frozenset(value for value in numbers if isinstance(value, int) and value >= 8)


def constructor(init: CodeType) -> ast.FunctionDef | None:
    """The definition of an `__init__`."""
    return _functions(init.co_filename).get(init.co_firstlineno)


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
    """Every function of a file by its first line (that of its decorators)."""
    inits = [n for n in ast.walk(_tree(file)) if isinstance(n, ast.FunctionDef)]
    return {min([n.lineno, *(d.lineno for d in n.decorator_list)]): n for n in inits}
