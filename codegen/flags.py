"""What decides, in a method, what one of its calls gives or runs. Reads code; writes nothing."""

from __future__ import annotations

import ast
import re

from codegen import syntax
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


def of_another(method: Function, call: ast.Call, condition: str) -> bool:
    """Whether the code says that a call runs another element than the one of the condition, `module is self[4]`.

    if module is self[2]:
        x = module(x)
    """
    wanted, above = _tested(condition), syntax.parents(method)
    inside: ast.AST = call
    while wanted and inside is not method:
        outside = above[inside]
        said = _tested(ast.unparse(outside.test)) if isinstance(outside, ast.If) and inside in outside.body else None
        if said and said[:2] == wanted[:2] and said[2] != wanted[2]:
            return True
        inside = outside
    return False


def _tested(condition: str) -> tuple[str, str, int] | None:
    """("module", "self", 4) of `module is self[4]`; None of another condition."""
    if match := re.fullmatch(r"(\w+) is ([\w.]+)\[(\d+)\]", condition):
        return match[1], match[2], int(match[3])
    return None
