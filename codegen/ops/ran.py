"""What a call that runs a site runs: the site itself, the list that holds what is meant, or an element of it. Edits nothing."""

from __future__ import annotations

import ast
import re

from codegen import reaching, selection
from codegen.ops.partly import Run
from codegen.reading import Use
from codegen.types import Site


def elements(site: Site, use: Use, name: str) -> Run | None:
    """What of a list a call runs, None where it is an element that is not meant. name: the site's, as it was asked for."""
    assert site.chosen is not None
    called, listed = ast.unparse(_called(use)), f"{use.me}.{site.attribute}"
    children = [name for name in site.names if name.rpartition(".")[0] == site.module.name]
    part = name.rpartition(".")[2]
    places = [index for index, name in enumerate(children) if name in site.chosen.names]
    if len(places) == len(children):
        part = "*"
    elif not (selection.POSITIONS.fullmatch(part) or selection.SLICE.fullmatch(part)):  # they have names
        part = ",".join(map(str, places))
    if called == listed or use.condition and not by_element(site, use):
        return Run(use, listed, part)
    fixed = re.fullmatch(rf"{re.escape(listed)}\[(-?\d+)\]", called)
    if fixed is None:
        return Run(use, listed, part, called)
    return Run(use, listed, "*", called) if children[int(fixed[1])] in site.chosen.names else None


def _called(use: Use) -> ast.expr:
    """What a call runs: `self.mlp` of self.mlp(x) and of self.mlp.forward(x)."""
    function = use.call.func
    return function.value if isinstance(function, ast.Attribute) and function.attr == "forward" else function


def by_element(site: Site, use: Use) -> bool:
    """Whether a call runs the elements of the list that is the site, one by one."""
    tested = use.condition.partition(" is ")[2].removeprefix("(")
    return tested.partition(" if ")[0] == _first(site, use)


def _first(site: Site, use: Use) -> str:
    """The first element of a list, by which the reading of its elements knows them."""
    return f"{reaching.in_host(site, use.me)}[0]"


def is_callee(site: Site, use: Use) -> bool:
    """Whether the site itself is called: not so in checkpoint(self.mlp, x)."""
    called = _called(use)
    text = ast.unparse(called)
    getter = isinstance(called, ast.Call) and ast.unparse(called.func) == "getattr"
    return getter or text in (f"{use.me}.{site.attribute}", _first(site, use)) or use.condition.startswith(f"{text} is ")
