"""What a variant's class holds and where its code calls it. Reads only."""

from __future__ import annotations

import ast
import bisect

from codegen import syntax
from codegen.syntax import Code
from codegen.types import Variant


def held(variant: Variant) -> tuple[str, ...]:
    """The attributes of what was inserted."""
    return tuple(attribute for attribute, _ in variant.parts) or (variant.attribute,)


def call_sites(text: str, attribute: str, headed: str = "") -> tuple[tuple[str, int], ...]:
    """(method, line) of every call of a module by its attribute in the variant's classes.

    headed: the text with a header on top, whose lines are counted; the text itself was parsed before.
    """
    code = syntax.shared(text, syntax.VARIANT)
    above = len(Code(headed).lines) - len(code.lines) if headed else 0
    mentions = [number for number, line in enumerate(code.lines, 1) if attribute in line]
    methods = [
        (name, node)
        for name, cls in code.classes
        for node in cls.body
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
        and bisect.bisect_left(mentions, node.lineno) < bisect.bisect_right(mentions, node.end_lineno or 0)
    ]
    found = [
        (f"{name}.{method.name}", node.lineno + above)
        for name, method in methods
        for node in ast.walk(method)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == attribute
    ]
    return tuple(sorted(found, key=lambda c: c[1]))
