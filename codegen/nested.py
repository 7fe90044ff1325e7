"""A tensor inside a tuple, a list or a dict that a site receives or returns: how code reads it and puts another in its place.

Writes text only.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Collection

from codegen import inlining
from codegen.inlining import Running
from codegen.traced import TracedModule

KINDS = ("tuple", "list", "dict")  # of what a site may receive in the place of a bare tensor


def received(module: TracedModule, x: str) -> str:
    """`x`, or `x[0]` where the site receives a tuple: the tensor in what it receives."""
    return x if module.input_kind == "tensor" else element(module.input_kind, module.input_index, x)


def element(kind: str, index: str, x: str) -> str:
    """`x[0]`, `x["out"]`: the tensor in a tuple, a list or a dict."""
    return f"{x}[{_key(kind, index)}]"


def literal(node: ast.expr, index: str) -> ast.expr | None:
    """The tensor in a tuple, a list or a dict that is written out in the code, `[x, self.pool(x)]`; else None."""
    if isinstance(node, (ast.Tuple, ast.List)) and not any(isinstance(e, ast.Starred) for e in node.elts):
        return node.elts[int(index)]
    if isinstance(node, ast.Dict):
        keys = [k.value if isinstance(k, ast.Constant) else None for k in node.keys]
        return node.values[keys.index(index)] if keys.count(index) == 1 and None not in keys else None
    return None


def rebuilt(kind: str, index: str, x: str, value: str) -> str:
    """The tuple, list or dict `x` with another value in the tensor's place: `(self.se(x[0]), *x[1:])`."""
    if kind == "dict":
        return f"{{**{x}, {_key(kind, index)}: {value}}}"
    position = int(index)
    before = f"*{x}[:{position}], " if position else ""
    items = f"{before}{value}, *{x}[{position + 1}:]"
    return f"[{items}]" if kind == "list" else f"({items})"


def statements(running: Running, names: tuple[str, str], where: tuple[str, str], taken: Collection[str]) -> list[str]:
    """What runs an insertion on the tensor in a variable, and rebuilds that: see `inlining.statements`. names: `self` and the
    variable; where: its kind, and the tensor's place in it.

    x = (self.se(x[0]), *x[1:])
    """
    me, x = names
    lines, result = inlining.parted(running, me, element(*where, x), taken)
    return [*lines, f"{x} = {rebuilt(*where, x, result)}"]


def _key(kind: str, index: str) -> str:
    return json.dumps(index) if kind == "dict" else index
