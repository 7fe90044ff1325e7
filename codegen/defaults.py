"""A class that differs from one that a file has already in the defaults of its arguments only: the call says them."""

from __future__ import annotations

import ast
import copy
from collections.abc import Mapping

from codegen import rewrite, syntax
from codegen.syntax import Code
from codegen.types import Component, Edit


def settings(existing: ast.stmt | None, wanted: ast.stmt | None) -> dict[str, str]:
    """The defaults of `wanted` that are others in `existing`; {} where the two are equal or differ in anything else."""
    if not (isinstance(existing, ast.ClassDef) and isinstance(wanted, ast.ClassDef)):
        return {}
    if ast.dump(_without(existing)) != ast.dump(_without(wanted)):
        return {}
    old, new = _defaults(existing), _defaults(wanted)
    return {name: value for name, value in new.items() if value != old[name]}


def given(component: Component, values: Mapping[str, str]) -> str:
    """`SqueezeExcite(dim)` -> `SqueezeExcite(dim, reduction=8)`; what the call says already stays."""
    code = Code(component.construct)
    calls = [node for node in ast.walk(code.tree) if isinstance(node, ast.Call)]
    call = next((call for call in calls if ast.unparse(call.func) == component.class_name), None)
    said = {keyword.arg for keyword in call.keywords} if call else set()
    words = [f"{name}={value}" for name, value in values.items() if name not in said]
    if call is None or not words:
        return component.construct
    end = code.end(call) - 1
    text = ", ".join([*([""] if call.args or call.keywords else []), *words])
    return rewrite.apply(component.construct, [Edit(end, end, text, "settings")])


def _defaults(cls: ast.ClassDef) -> dict[str, str]:
    """The arguments of `__init__` that have a default."""
    init = syntax.method(cls, "__init__")
    if init is None:
        return {}
    named = init.args.args[len(init.args.args) - len(init.args.defaults) :]
    return {argument.arg: ast.unparse(value) for argument, value in zip(named, init.args.defaults, strict=True)}


def _without(cls: ast.ClassDef) -> ast.ClassDef:
    """The class with every default the same."""
    bare = copy.deepcopy(cls)
    if init := syntax.method(bare, "__init__"):
        init.args.defaults = [ast.Constant(None) for _ in init.args.defaults]
    return bare
