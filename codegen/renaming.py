"""Registered functions get names of their own, wherever the file names them. As edits; changes nothing itself."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping

from codegen import rewrite, style
from codegen.syntax import Code
from codegen.types import Edit


def renamed_expression(expression: str, names: Mapping[str, str]) -> str:
    """A build expression with the registered functions' new names."""
    code = Code(expression, "--build")
    edits = name_edits(code, code.tree, names)
    return rewrite.apply(expression, edits)


def name_edits(code: Code, node: ast.AST, names: Mapping[str, str]) -> list[Edit]:
    """Every mention of the old names below a node: definitions, calls, references."""
    edits: list[Edit] = []
    for found in ast.walk(node) if names and _mentions(code, node, names) else ():
        if isinstance(found, ast.Name) and found.id in names:
            edits.append(Edit(code.start(found), code.end(found), names[found.id], "renamed"))
        elif isinstance(found, ast.FunctionDef) and found.name in names:
            start = code.offset(found.lineno, found.col_offset)
            at = code.text.index(found.name, start + len("def"))
            edits.append(Edit(at, at + len(found.name), names[found.name], "renamed"))
    return edits


def _mentions(code: Code, node: ast.AST, names: Mapping[str, str]) -> bool:
    """Whether the text may name one of them: quoted words, as in a table of configurations, are no names."""
    text = code.text if isinstance(node, ast.Module) else code.segment(node)
    return not names.keys().isdisjoint(re.findall(r"(?<![\w'\"])[^\W\d]\w*", text))


def is_all(node: ast.stmt) -> bool:
    """Whether a statement assigns `__all__`."""
    return isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == "__all__" for t in node.targets)


def all_edit(code: Code, node: ast.stmt, kept: set[str], names: Mapping[str, str], keep: str) -> list[Edit]:
    """`__all__` with the names that are left, the registered functions under their new names."""
    assert isinstance(node, ast.Assign)
    if not isinstance(node.value, (ast.List, ast.Tuple)):
        return []
    old = [e.value for e in node.value.elts if isinstance(e, ast.Constant) and isinstance(e.value, str)]
    new = [names.get(n, n) for n in old if keep == "all" or n in kept]
    if new == old:
        return []
    quote = "'" if "'" in code.segment(node.value) else '"'
    quoted = [quote + n + quote for n in new]
    text = f"__all__ = [{', '.join(quoted)}]"
    if len(text) > style.line_length(code.text):
        text = code.newline.join(["__all__ = [", *(f"    {n}," for n in quoted), "]"])  # as black has it
    return [Edit(code.start(node), code.end(node), text, "__all__")]
