"""The flags of a method that decide what one of its calls gives. Reads code; writes nothing."""

from __future__ import annotations

import ast

from codegen.syntax import Function


def usual(method: Function, call: ast.Call) -> str:
    """When a call gives what it gives by default: `not pre_logits` for `self.head(x, pre_logits=pre_logits)`.

    "" where not exactly one flag of the method is handed over.
    """
    flags = _defaults(method)
    values = [*call.args, *(keyword.value for keyword in call.keywords)]
    given = [value.id for value in values if isinstance(value, ast.Name) and value.id in flags]
    if len(given) != 1 or _is_assigned(method, given[0]):
        return ""
    return given[0] if flags[given[0]] else f"not {given[0]}"


def _defaults(method: Function) -> dict[str, bool]:
    """The parameters that are True or False by default: `def forward_head(self, x, pre_logits: bool = False)`."""
    positional = [*method.args.posonlyargs, *method.args.args]
    behind = positional[len(positional) - len(method.args.defaults) :]
    defaults = [*method.args.defaults, *method.args.kw_defaults]
    pairs = zip([*behind, *method.args.kwonlyargs], defaults, strict=True)
    return {a.arg: d.value for a, d in pairs if isinstance(d, ast.Constant) and isinstance(d.value, bool)}


def _is_assigned(method: Function, name: str) -> bool:
    return any(isinstance(n, ast.Name) and n.id == name and isinstance(n.ctx, ast.Store) for n in ast.walk(method))
