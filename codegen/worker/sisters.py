"""Choose other entries of a file that build the same class: those that build it most differently. Runs nothing."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence

Features = frozenset[tuple[str, str]]


def differing(tree: ast.Module, names: Sequence[str], own: str, limit: int) -> list[str]:
    """Up to `limit` of the named functions, of which each adds the most that those before it, and `own`, do not show.

    What a function shows are the arguments that stand in it, or in the tables of the file under its name, with what kind of
    value each has: `channels=[...]`, `block=Bottleneck`, `num_features=0`. Where functions show nothing, they are spread
    over the file.
    """
    functions = {n.name: n for n in tree.body if isinstance(n, ast.FunctionDef)}
    records = _records(tree)
    shown = {name: _features(functions[name], records) for name in dict.fromkeys([*names, own]) if name in functions}
    arguments = {argument for features in shown.values() for argument, _ in features}
    known = {n: f | {(argument, "absent") for argument in arguments - {a for a, _ in f}} for n, f in shown.items()}
    seen = set(known.get(own, ()))
    step = max(1, len(names) // limit)
    left = [*names[::step], *(name for name in names if name not in names[::step])]
    chosen: list[str] = []
    while left and len(chosen) < limit:
        best = max(left, key=lambda name: len(known.get(name, frozenset()) - seen))  # the first of those that are alike
        chosen.append(best)
        left.remove(best)
        seen |= known.get(best, frozenset())
    return chosen


def _records(tree: ast.Module) -> dict[str, list[ast.expr]]:
    """What the tables of a file hold under each name: `cfgs = dict(net_50=Cfg(...))`, `cfgs = {"net_50": {...}}`."""
    found: dict[str, list[ast.expr]] = {}
    for statement in tree.body:
        value = statement.value if isinstance(statement, (ast.Assign, ast.AnnAssign)) else None
        for name, record in _items(value) if value is not None else ():
            found.setdefault(name, []).append(record)
    return found


def _items(node: ast.expr) -> Iterator[tuple[str, ast.expr]]:
    """Names and values of a dict, or of the keyword arguments of a call."""
    if isinstance(node, ast.Dict):
        for key, value in zip(node.keys, node.values, strict=True):
            if isinstance(key, ast.Constant) and isinstance(key.value, str):
                yield key.value, value
    elif isinstance(node, ast.Call):
        yield from ((keyword.arg, keyword.value) for keyword in node.keywords if keyword.arg)


def _features(function: ast.FunctionDef, records: dict[str, list[ast.expr]]) -> Features:
    words = {n.value for n in ast.walk(function) if isinstance(n, ast.Constant) and isinstance(n.value, str)}
    parts: list[ast.AST] = [function, *(r for word in {function.name, *words} for r in records.get(word, ()))]
    nodes = [node for part in parts for node in ast.walk(part) if isinstance(node, ast.expr)]
    return frozenset((name, _kind(value)) for node in nodes for name, value in _items(node))


def _kind(value: ast.expr) -> str:
    """`Bottleneck`, `None` and `True` as they stand, numbers by their type, save 0; else what it is: a list, a call."""
    if isinstance(value, (ast.Name, ast.Attribute)):
        return ast.unparse(value)
    if isinstance(value, ast.Constant):
        whole = isinstance(value.value, (int, float, str)) and not isinstance(value.value, bool)
        return type(value.value).__name__ if whole and value.value else repr(value.value)
    return "list" if isinstance(value, (ast.List, ast.Tuple)) else type(value).__name__
