"""Let a hook see values inside the methods of a class, by other code objects in the place of theirs."""

from __future__ import annotations

import ast
import contextlib
import inspect
import linecache
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import CodeType, FunctionType
from typing import Any

from torch import nn

from codegen import syntax

HOOK = "__codegen_point__"


@dataclass(frozen=True)
class Wrap:
    """What the hook is told of a value. read: the name that is bound anew before a statement, where that is the value."""

    key: str
    read: ast.Name | None = None


Before = list[tuple[FunctionType, CodeType]]  # methods, and their code before it was swapped
Keys = Mapping[ast.AST, list[Wrap]]  # the nodes whose values the hook sees
Hook = Callable[[str, nn.Module, Any], Any]  # key, the object whose method runs, value: the value that goes on


class _Wrapper(ast.NodeTransformer):
    """`x + y` becomes `HOOK(key, self, x + y)`, at the same place in the source."""

    def __init__(self, keys: Keys, me: str) -> None:
        self.keys, self.me = keys, me

    def visit(self, node: ast.AST) -> Any:
        """The node with what is below it, wrapped where it is a point."""
        result: Any = self.generic_visit(node)
        for wrap in self.keys.get(node, ()):
            if wrap.read is not None:  # x = HOOK(key, self, x); return x.mean(1)
                result = [self._assigned(wrap.key, wrap.read.id, wrap.read), node]
            elif isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name):  # x += y; x = HOOK(key, self, x)
                result = [node, self._assigned(wrap.key, node.target.id, node)]
            else:
                result = self._call(wrap.key, result, node)
        return result

    def _assigned(self, name: str, variable: str, where: ast.AST) -> ast.stmt:
        value = self._call(name, ast.Name(variable, ast.Load()), where)
        return ast.copy_location(ast.Assign([ast.Name(variable, ast.Store())], value), where)

    def _call(self, name: str, value: ast.expr, where: ast.AST) -> ast.expr:
        function, me = ast.Name(HOOK, ast.Load()), ast.Name(self.me, ast.Load())
        call = ast.Call(function, [ast.Constant(name), me, value], [])
        for node in (call, function, me, call.args[0], value if isinstance(value, ast.Name) else call):
            ast.copy_location(node, where) if not hasattr(node, "lineno") else None
        return call


def definition(cls: type) -> ast.ClassDef | None:
    """The class as it stands in its file, parsed anew; None where there is no such file."""
    functions = [f for f in (_function(cls, name) for name in vars(cls)) if f and f.__module__ == cls.__module__]
    lines = {f.__code__.co_filename: f.__code__.co_firstlineno for f in functions}
    for file, line in lines.items():
        linecache.checkcache(file)  # a loose file may be another one by now
        for text in _around(linecache.getlines(file), cls.__qualname__, line):
            with contextlib.suppress(SyntaxError):
                defined = [node for name, node in syntax.classes(ast.parse(text)) if name == cls.__qualname__]
                return next((node for node in defined if node.lineno <= line <= (node.end_lineno or 0)), None)
    return None


def _function(cls: type, name: str) -> FunctionType | None:
    """The method of that name of the class itself, below its decorators."""
    value = vars(cls).get(name)
    function = inspect.unwrap(value) if isinstance(value, FunctionType) else None
    return function if isinstance(function, FunctionType) else None


def _around(lines: list[str], name: str, line: int) -> Iterator[str]:
    """The text of a class as it seems to end, at its own lines; then that of the whole file, which takes longer to parse."""
    first = next((i for i in range(min(line, len(lines)) - 1, -1, -1) if lines[i].startswith(f"class {name}")), None)
    if first is not None:
        end = next((i for i in range(line, len(lines)) if lines[i][:1] not in (" ", "\t", "\n", "\r", "#", ")")), len(lines))
        yield "\n" * first + "".join(lines[first:end])
    yield "".join(lines)


def swapped(cls: type, node: ast.ClassDef, keys: Keys, hook: Hook) -> Before:
    """Let the methods of a class call the hook, and change the node for that; their code as it was."""
    before = []
    for method in node.body:
        function = _function(cls, method.name) if isinstance(method, ast.FunctionDef) else None
        if function is None or not isinstance(method, ast.FunctionDef) or method.name == "__init__":
            continue
        if not any(inner in keys for inner in ast.walk(method)):
            continue
        old = function.__code__
        new = _compiled(cls, method, keys, old)
        if new is not None:
            function.__globals__[HOOK] = hook
            function.__code__ = new
            before.append((function, old))
    return before


def _compiled(cls: type, method: ast.FunctionDef, keys: Keys, old: CodeType) -> CodeType | None:
    """The code of a method with its points wrapped, None where it closes over other names than before."""
    changed = _Wrapper(keys, method.args.args[0].arg).visit(method)
    changed.decorator_list = []
    shell = ast.copy_location(ast.ClassDef(cls.__name__, [], [], [changed], []), method)
    module = ast.fix_missing_locations(ast.Module([shell], []))
    outer: Any = compile(module, old.co_filename, "exec", dont_inherit=True)
    for _ in range(2):
        outer = next((c for c in outer.co_consts if isinstance(c, CodeType) and c.co_name in (cls.__name__, method.name)), None)
    if outer is None or outer.co_freevars != old.co_freevars:
        return None
    renamed: CodeType = outer.replace(co_qualname=old.co_qualname, co_firstlineno=old.co_firstlineno)
    return renamed


def restore(before: Before) -> None:
    """Give methods their own code back, the last change first."""
    while before:
        function, code = before.pop()
        function.__code__ = code
