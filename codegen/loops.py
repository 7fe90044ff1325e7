"""How a class runs its children: its calls, the loops around them, whether it runs all in order. Changes nothing."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from pathlib import Path

from codegen import syntax
from codegen.syntax import Function
from codegen.traced import Call, Span
from codegen.types import Site

Survey = tuple[dict[Span, ast.Call], dict[ast.AST, Function], dict[ast.Call, list[ast.For]]]


@lru_cache(maxsize=32)
def surveyed(cls: ast.ClassDef) -> Survey:
    """(its calls by where they stand, the method of every node, the loops around every call), once for all its sites."""
    by_span = {syntax.span(n): n for n in ast.walk(cls) if isinstance(n, ast.Call)}
    methods = [n for n in cls.body if isinstance(n, (ast.FunctionDef, ast.AsyncFunctionDef))]
    method_of = {node: method for method in methods for node in ast.walk(method)}
    loops_around: dict[ast.Call, list[ast.For]] = {call: [] for call in by_span.values()}
    for loop in (node for node in method_of if isinstance(node, ast.For)):
        for call in ast.walk(loop):
            if isinstance(call, ast.Call):
                loops_around[call].append(loop)
    return by_span, method_of, loops_around


@lru_cache(maxsize=32)
def constructing(cls: ast.ClassDef) -> frozenset[str]:
    """`__init__` and the methods that it calls: what they run, they run before the inserted module is made."""
    methods = {n.name: n for n in cls.body if isinstance(n, (ast.FunctionDef, ast.AsyncFunctionDef))}
    found, new = {"__init__"}, {"__init__"}
    while new:
        bodies = [methods[name] for name in new if name in methods]
        called = {n.func for body in bodies for n in ast.walk(body) if isinstance(n, ast.Call)}
        new = {f.attr for f in called if isinstance(f, ast.Attribute) and f.attr in methods} - found
        found |= new
    return frozenset(found)


def cut_short(cls: ast.ClassDef) -> frozenset[str]:
    """The lists that a method leaves elements out of when the object is made: `self.blocks = self.blocks[:3]`."""
    made = constructing(cls)
    methods = [n for n in cls.body if isinstance(n, (ast.FunctionDef, ast.AsyncFunctionDef)) and n.name not in made]
    nodes = [n for method in methods for n in ast.walk(method)]
    assigned = {n.attr for n in nodes if isinstance(n, ast.Attribute) and isinstance(n.ctx, ast.Store)}
    parts = [t.value for n in nodes if isinstance(n, ast.Delete) for t in n.targets if isinstance(t, ast.Subscript)]
    return frozenset(assigned | {part.attr for part in parts if isinstance(part, ast.Attribute)})


def around(method: Function, node: ast.AST) -> list[ast.For]:
    """The loops of a method around a node, the innermost first."""
    above, found = syntax.parents(method), []
    while node is not method:
        node = above[node]
        found += [node] if isinstance(node, ast.For) else []
    return found


def loop_variable(loop: ast.For, is_site: Callable[[ast.AST], bool]) -> str:
    """`blk` for `for blk in self.blocks` and `for i, blk in enumerate(self.blocks)`, "" for any other loop."""
    iterable, target = loop.iter, loop.target
    if isinstance(iterable, ast.Call) and isinstance(iterable.func, ast.Name) and iterable.func.id == "enumerate":
        if not iterable.args or not isinstance(target, ast.Tuple) or len(target.elts) != 2:
            return ""
        iterable, target = iterable.args[0], target.elts[1]
    if is_site(iterable) and isinstance(target, ast.Name):
        return target.id
    return ""


def in_order(cls: ast.ClassDef, site: Site, calls: Iterable[Call], operation: str) -> bool:
    """Whether the host runs the site as one of its children, in the order of their registration, wherever it runs it.

    A child that gives more than a tensor is none of these: the next one takes all that it gives.
    """
    if (site.module.output_kind if operation == "after" else site.module.input_kind) != "tensor":
        return False
    mine = [c for c in calls if c.owner in site.host.instances and c.module == f"{c.owner}.{site.attribute}".lstrip(".")]
    over_children = _over_children(cls)
    return bool(mine) and all(
        c.method == "Sequential.forward" and Path(c.file).parent.name == "modules"
        or c.file == site.host.file
        and c.span in over_children
        for c in mine
    )


def over_children(loop: ast.For) -> str:
    """The variable of a loop over all children of the object, "" for any other loop."""
    iterable, target = ast.unparse(loop.iter), loop.target
    if iterable.startswith("enumerate(") and isinstance(target, ast.Tuple):  # for i, layer in enumerate(self)
        iterable, target = iterable.removeprefix("enumerate(").removesuffix(")"), target.elts[-1]
    if iterable in ("self.items()", "self.named_children()", "self._modules.items()") and isinstance(target, ast.Tuple):
        target = target.elts[-1]  # for name, layer in self.items()
    elif iterable not in ("self", "self.children()", "self.values()", "self._modules.values()"):
        return ""
    return target.id if isinstance(target, ast.Name) else ""


def runs(call: ast.Call, variable: str) -> bool:
    """Whether a call runs what a variable holds: `layer(x)`, `layer.forward(x)`, `checkpoint(layer, x)`."""
    function = call.func
    if isinstance(function, ast.Attribute) and function.attr == "forward":
        function = function.value
    return any(isinstance(node, ast.Name) and node.id == variable for node in (function, *call.args[:1]))


@lru_cache(maxsize=64)
def _over_children(cls: ast.ClassDef) -> frozenset[Span]:
    """Where the calls stand that run all children of the object one on the result of the other."""
    return frozenset(syntax.span(node) for node in _calls_over_children(cls))


def _calls_over_children(cls: ast.ClassDef) -> Iterator[ast.Call]:
    for node in ast.walk(cls):
        if isinstance(node, ast.For) and over_children(node) and not ast.unparse(node.iter).startswith("enumerate("):
            # for block in self.children(): x = block(x)
            yield from _chained(node) if len(node.body) == 1 else ()  # what else it does, it would do with the new one
        elif isinstance(node, ast.Call) and any(ast.unparse(a) == "self.children()" for a in node.args):
            yield node  # x = checkpoint_seq(self.children(), x)


def _chained(loop: ast.For) -> Iterator[ast.Call]:
    for statement in ast.walk(loop):
        if isinstance(statement, ast.Assign):
            results = {n.id for t in statement.targets for n in ast.walk(t) if isinstance(n, ast.Name)}
            for call in ast.walk(statement.value):
                if isinstance(call, ast.Call) and isinstance(call.func, ast.Name):
                    given = {argument.id for argument in call.args if isinstance(argument, ast.Name)}
                    yield from [call] if results & given else []


def own_nodes(function: ast.AST) -> Iterator[ast.AST]:
    """The nodes of a function without those of functions and classes inside it."""
    for child in ast.iter_child_nodes(function):
        if not isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)):
            yield child
            yield from own_nodes(child)
