"""Where a statement of our own can stand: below (or above) the statement that runs the site, or below a whole if/else.

Reads statements and their nesting; writes nothing.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from codegen import points
from codegen.loops import loop_variable
from codegen.reading import Use
from codegen.syntax import Code, parents
from codegen.traced import TracedModule

# where an expression needs no parentheses around a sum
OPEN = (ast.Assign, ast.AnnAssign, ast.AugAssign, ast.Return, ast.Expr, ast.Call, ast.keyword, ast.Tuple, ast.List, ast.Dict)
# what runs only some of its parts, or runs them several times
LAZY = (ast.IfExp, ast.BoolOp, ast.Lambda, ast.ListComp, ast.GeneratorExp, ast.DictComp, ast.SetComp)


@dataclass(frozen=True)
class Landing:
    """After (before) `statement`, the tensor stands in `variable`; it is the site's where `condition` holds.

    uses: what this landing takes care of - several, where all branches of an if/else run the site last.
    index: where the tensor stands in a tuple that the variable is, "" for a bare tensor.
    """

    statement: ast.stmt
    variable: str
    condition: str
    uses: tuple[Use, ...]
    index: str = ""


@dataclass(frozen=True)
class Grounds:
    """What is needed to judge a statement: the uses in the class by node, and the tree around them."""

    code: Code
    uses: dict[ast.AST, Use]
    parents: dict[ast.AST, ast.AST]
    attribute: str
    key: str  # where the tensor stands in the site's result, as in `result[key]`: "" for a bare tensor
    kind: str  # what the site's result is: "tensor", "tuple", "list", "dict" ...
    after: bool


def landings(code: Code, cls: ast.ClassDef, uses: Iterable[Use], site: TracedModule, after: bool) -> list[Landing]:
    """The landings that take care of as many uses as can be; uses without one must be wrapped where they stand."""
    attribute = site.name.rpartition(".")[2]
    grounds = Grounds(code, {u.node: u for u in uses}, parents(cls), attribute, key(site), site.output_kind, after)
    found: dict[ast.stmt, Landing] = {}
    taken: set[ast.AST] = set()
    for use in grounds.uses.values():
        if use.node in taken:
            continue
        statement = _statement(use.node, grounds)
        best = _completed(statement, grounds)
        while best is not None:
            parent = grounds.parents.get(best.statement)
            wider = _completed(parent, grounds) if isinstance(parent, (ast.If, ast.For)) else None
            if wider is None:
                break
            best = wider
        if best is not None and code.stands_alone(best.statement) and not _is_elif(best.statement, grounds):
            found[best.statement] = best
            taken |= {u.node for u in best.uses}
    return list(found.values())


def above(code: Code, method: ast.AST, node: ast.expr) -> ast.stmt | None:
    """The statement in front of which this part of it can be computed, as nothing else of it runs before; None without one."""
    held = parents(method)
    statement: ast.AST = node
    around = set()
    while not isinstance(statement, ast.stmt):
        around.add(statement)
        statement = held[statement]
    simple = isinstance(statement, (ast.Assign, ast.AugAssign, ast.AnnAssign, ast.Return, ast.Expr))
    calls = [n for n in ast.walk(statement) if isinstance(n, ast.Call) and n not in around]
    earlier = any(code.start(n) < code.start(node) for n in calls)
    lazy = any(isinstance(n, LAZY) for n in around)
    return statement if simple and not earlier and not lazy and code.stands_alone(statement) else None


def key(site: TracedModule) -> str:
    """Where the tensor stands in the site's result, as it is written: `0` in a tuple, `"out"` in a dict, `.out` in a
    dataclass, "" for a tensor.
    """
    if site.output_kind == "dataclass":
        return f".{site.output_index}"
    positions = site.output_kind in ("tuple", "namedtuple", "list")
    return site.output_index if positions or not site.output_index else json.dumps(site.output_index)


def tensor(call: ast.AST, around: Mapping[ast.AST, ast.AST], key: str) -> ast.expr | None:
    """The expression that is the site's tensor: the call, or `self.m(x)[0]` where it is taken out of the result at once."""
    if not key:
        return call if isinstance(call, ast.expr) else None
    taken = around.get(call)
    if isinstance(taken, ast.Attribute):
        return taken if key == f".{taken.attr}" else None
    if isinstance(taken, ast.Subscript) and taken.value is call and isinstance(taken.slice, ast.Constant):
        return taken if json.dumps(taken.slice.value) == key else None
    return None


def _statement(node: ast.AST, grounds: Grounds) -> ast.stmt:
    while not isinstance(node, ast.stmt):
        node = grounds.parents[node]
    return node


def _is_elif(statement: ast.stmt, grounds: Grounds) -> bool:
    text = grounds.code.text[grounds.code.start(statement) :]
    return isinstance(statement, ast.If) and text.startswith("elif")


def _completed(statement: ast.stmt, grounds: Grounds) -> Landing | None:
    """The landing of a statement that runs the site as its last (first) act, on every way through it."""
    if (landing := _between(statement, grounds)) is not None:
        return landing
    if isinstance(statement, (ast.Assign, ast.AnnAssign)):
        return _assignment(statement, grounds)
    if isinstance(statement, ast.If):
        return _branches(statement, grounds)
    if isinstance(statement, ast.For):
        return _loop(statement, grounds)
    return None


def _between(statement: ast.stmt, grounds: Grounds) -> Landing | None:
    """The landing at a place between modules: below `x += y`, above `x = x.mean(1)` and `return x.mean(1)`."""
    use = grounds.uses.get(statement)
    if use is not None and isinstance(statement, ast.AugAssign) and isinstance(statement.target, ast.Name):
        return Landing(statement, statement.target.id, "", (use,))
    for use in grounds.uses.values():
        if use.node is use.argument and isinstance(use.node, ast.Name):
            around = points.reading(use.node, grounds.parents)
            return Landing(statement, use.node.id, "", (use,)) if around is statement else None
    return None


def _assignment(statement: ast.Assign | ast.AnnAssign, grounds: Grounds) -> Landing | None:
    targets: list[ast.expr] = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
    if isinstance(statement.value, ast.IfExp):
        # x = checkpoint(self.m, x) if self.checkpointing else self.m(x)
        arms = [
            _value(statement.value.body, targets, statement, grounds),
            _value(statement.value.orelse, targets, statement, grounds),
        ]
        return _joined(statement, arms[0], arms[1], statement.value.test, grounds)
    # x = self.m(x)
    return _value(statement.value, targets, statement, grounds)


def _value(value: ast.expr | None, targets: list[ast.expr], statement: ast.stmt, grounds: Grounds) -> Landing | None:
    call = value.value if isinstance(value, (ast.Subscript, ast.Attribute)) and grounds.after else value
    use = grounds.uses.get(call) if call is not None else None
    if use is None or len(targets) != 1 or _split_needed(use, grounds.attribute, grounds.after):
        return None
    target = targets[0]
    if value is not call:  # x = self.m(x)[0]
        if not isinstance(target, ast.Name) or tensor(use.node, grounds.parents, grounds.key) is not value:
            return None
        return Landing(statement, target.id, use.condition, (use,))
    if grounds.after and grounds.key.isdigit() and isinstance(target, ast.Tuple):
        # x, size = self.m(x)
        index = int(grounds.key)
        if index >= len(target.elts):
            return None
        target = target.elts[index]
    elif grounds.after and grounds.key and isinstance(target, ast.Name):
        if grounds.kind == "tuple":
            return Landing(statement, target.id, use.condition, (use,), grounds.key)
        # features = self.m(x), where the tensor is features["out"], or features[0] of a list
        element = f"{target.id}{grounds.key}" if grounds.kind == "dataclass" else f"{target.id}[{grounds.key}]"
        kinds = ("list", "dict", "dataclass")
        return Landing(statement, element, use.condition, (use,)) if grounds.kind in kinds else None
    if not isinstance(target, ast.Name):
        return None
    if not grounds.after:
        read = [n for n in ast.walk(use.node) if isinstance(n, ast.Name) and n.id == target.id]
        if read != [use.argument]:
            return None  # y = self.m(x), x = self.m(x, x): x has another use, so only the argument is touched
    return Landing(statement, target.id, use.condition, (use,))


def _branches(statement: ast.If, grounds: Grounds) -> Landing | None:
    # if self.checkpointing: x = checkpoint(self.m, x)
    # else: x = self.m(x)
    if not statement.orelse:
        return None
    edge = -1 if grounds.after else 0
    first, second = (_completed(body[edge], grounds) for body in (statement.body, statement.orelse))
    return _joined(statement, first, second, statement.test, grounds)


def _joined(
    statement: ast.stmt, first: Landing | None, second: Landing | None, test: ast.expr, grounds: Grounds
) -> Landing | None:
    """One landing for both branches, where they leave the site's tensor in the same name."""
    if first is None or second is None:
        return None
    if (first.variable, first.condition, first.index) != (second.variable, second.condition, second.index):
        return None
    if not grounds.after and first.variable in {n.id for n in ast.walk(test) if isinstance(n, ast.Name)}:
        return None
    joined = replace(first, statement=statement, uses=first.uses + second.uses)
    return joined if _holds_only(statement, joined, grounds) else None


def _loop(statement: ast.For, grounds: Grounds) -> Landing | None:
    # for blk in self.blocks: x = blk(x)
    def is_site(node: ast.AST) -> bool:
        return isinstance(node, ast.Attribute) and node.attr == grounds.attribute and isinstance(node.value, ast.Name)

    variable = loop_variable(statement, is_site)
    if not variable or statement.orelse or len(statement.body) != 1:
        return None
    inner = _completed(statement.body[0], grounds)
    if inner is None or not inner.condition.startswith(f"{variable} is "):
        return None
    joined = replace(inner, statement=statement, condition="")
    return joined if _holds_only(statement, joined, grounds) else None


def _holds_only(statement: ast.stmt, landing: Landing, grounds: Grounds) -> bool:
    inside = {n for n in ast.walk(statement) if n in grounds.uses}
    return inside == {u.node for u in landing.uses}


def _split_needed(use: Use, attribute: str, after: bool) -> bool:
    return use.members is not None and not at_edge(use, attribute, after)


def at_edge(use: Use, attribute: str, after: bool) -> bool:
    """Whether the site is the last (first) of the list that is run: then nothing has to be split."""
    assert use.members is not None
    edge = use.members.elts[-1 if after else 0]
    return isinstance(edge, ast.Attribute) and edge.attr == attribute
