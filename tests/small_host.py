"""A small class Net in which tests look for the calls of a site: made from a few lines, edited without being run."""

from __future__ import annotations

import ast
from dataclasses import replace
from textwrap import dedent, indent
from typing import Any

from codegen import reading, rewrite, syntax
from codegen.inlining import Running
from codegen.ops import insert
from codegen.syntax import Code
from codegen.traced import Call, HostClass, Layout, TracedModule, Width
from codegen.types import Component, Site

INIT = (
    "class Net(nn.Module):\n    def __init__(self):\n        super().__init__()\n"
    "        self.m = nn.Conv2d(3, 3, 1)\n\n"
)


def host(methods: str) -> Code:
    """A class Net with these methods, indented as they stand in a class."""
    return Code(INIT + indent(dedent(methods).strip("\n") + "\n", "    "), "net.py")


def make_site(name: str = "m", **module: Any) -> Site:
    traced = TracedModule(name, "Conv2d", 1, (2, 3, 8, 8), (2, 3, 8, 8))
    width = Width("dim", 3, "name")
    return Site(name, name, HostClass("Net", "net.py", 1, ("",)), replace(traced, **module), Layout("NCHW"), width)


def seen(code: Code, text: str, module: str = "m", *, nth: int = 0, **more: Any) -> Call:
    """The measured call whose text is `text`."""
    nodes = [n for n in ast.walk(code.tree) if isinstance(n, ast.Call) and code.segment(n) == text]
    node = sorted(nodes, key=lambda n: n.lineno)[nth]
    values = {"direct": True, "path": "forward", "count": 1, "names": (), "owner": "", "file": "net.py"} | more
    return Call(module=module, method="Net.forward", span=syntax.span(node), **values)


def held(attribute: str) -> tuple[tuple[str, Component], ...]:
    """One module, by the attribute that holds it."""
    return ((attribute, Component(attribute, "SE", "SE(dim)")),)


def edited(
    code: Code, calls: list[Call], operation: str = "after", site: Site | None = None, running: Running = ("self.se(x)",)
) -> str:
    """The class's methods (without `__init__`) after an insertion of `self.se`, or of what runs otherwise."""
    site = site or make_site()
    cls = syntax.find_class(code, "Net")
    assert cls is not None
    uses = reading.uses(code, cls, site, calls, (operation,))
    edits = insert.plan(insert.Place(code, cls, site, held("se"), running, operation == "after"), uses)
    text = rewrite.apply(code.text, edits)
    ast.parse(text)
    return dedent(text[len(INIT) :]).strip("\n")


def check(before: str, after: str, text: str, operation: str = "after", **more: Any) -> None:
    code = host(before)
    assert edited(code, [seen(code, text, **more)], operation) == dedent(after).strip("\n")
