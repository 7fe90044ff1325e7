"""How much of a class an insertion changed: lines in its methods, base against variant."""

from __future__ import annotations

import ast
import difflib

from codegen import emit
from codegen.types import Variant


def sizes(variant: Variant) -> dict[str, int]:
    """lines: added and removed in the host's methods; of these `removed`, and `init`, in `__init__`; total: in the file."""
    base, text = variant.base.splitlines(), variant.text.splitlines()
    name = variant.host.rpartition(".")[2]
    before, after = methods(variant.base, name), methods(variant.text, name)
    changed = {method: changes(before.get(method, []), after.get(method, [])) for method in {**before, **after}}
    header = len(emit.header_of(variant.text).splitlines())
    return {
        "lines": sum(map(sum, changed.values())),
        "removed": sum(removed for removed, _ in changed.values()),
        "init": sum(changed.get("__init__", (0, 0))),
        "total": sum(changes(base, text)) - header,
    }


def methods(text: str, name: str) -> dict[str, list[str]]:
    """The lines of every method of a class, the last one of that name in the file; none where a later edit brings it in."""
    lines = text.splitlines()
    classes = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.ClassDef) and node.name == name]
    body = [node for cls in classes[-1:] for node in cls.body]
    found = [node for node in body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    return {node.name: lines[node.lineno - 1 : node.end_lineno] for node in found}


def changes(before: list[str], after: list[str]) -> tuple[int, int]:
    """(removed, added) lines."""
    codes = difflib.SequenceMatcher(None, before, after, autojunk=len(before) > 2000).get_opcodes()
    edits = [code for code in codes if code[0] != "equal"]
    return sum(end - start for _, start, end, *_ in edits), sum(end - start for *_, start, end in edits)
