"""What goes out of an object itself: in the `forward` of its class, which may return more for other objects."""

from __future__ import annotations

import ast
from dataclasses import replace
from textwrap import dedent
from typing import Any

import pytest
from small_host import held

from codegen.errors import CodegenError
from codegen.ops import whole
from codegen.ops.insert import Place
from codegen.rewrite import apply
from codegen.syntax import Code
from codegen.traced import HostClass, Layout, TracedModule, Width
from codegen.types import Site


def edited(body: str, kind: str = "tensor", index: str = "") -> str:
    text = "class Tree:\n    def forward(self, x):\n" + "".join(f"        {line}\n" for line in body.splitlines())
    code = Code(text)
    cls = code.tree.body[0]
    assert isinstance(cls, ast.ClassDef)
    module = TracedModule("stage", "Tree", 1, output_kind=kind, output_index=index)
    host = HostClass("Tree", "tree.py", 1, ("stage",))
    site = Site("stage", "", host, module, Layout("NCHW"), Width("8", 8, "literal"), whole=True)
    return apply(text, whole.plan(Place(code, cls, site, held("se"), ("self.se(x)",), True)))


def test_every_return_is_edited() -> None:
    made = edited("if self.a:\n    return x\nreturn x + 1")
    assert "return self.se(x)\n" in made and "return self.se(x + 1)\n" in made


def test_of_several_results_that_which_is_returned_alone_elsewhere() -> None:
    """Other objects of the class return `x, down`, those that are meant `x`: a recursive block."""
    made = edited("if self.more:\n    return x, down\nreturn x")
    assert "return self.se(x), down\n" in made and "return self.se(x)\n" in made


@pytest.mark.parametrize("first", ["y, down", "x, x", "{'x': x}"])
def test_several_results_in_which_it_cannot_be_told(first: str) -> None:
    with pytest.raises(CodegenError, match="several values"):
        edited(f"if self.more:\n    return {first}\nreturn x")


def test_the_tensor_of_a_tuple_and_of_a_dataclass() -> None:
    assert "return x, self.se(y)\n" in edited("return x, y", "tuple", "1")
    assert "return Output(low=x, high=self.se(y))\n" in edited("return Output(low=x, high=y)", "dataclass", "high")


INHERITING = '''\
class Base(nn.Module):
    def forward(self, x: Tensor, mask=None, *, scale=1) -> Tensor:
        return x


class Middle(Base):
    pass


class Block(Middle):
    def __init__(self):
        super().__init__()

    def other(self):
        return 1
'''


def overridden(operation: str, running: tuple[str, ...] = ("self.se(x)",), text: str = INHERITING, **module: Any) -> str:
    """The forward that the class gets."""
    code = Code(text)
    cls = next(n for n in code.tree.body if isinstance(n, ast.ClassDef) and n.name == "Block")
    traced = replace(TracedModule("stage", "Block", 1), **module)
    host = HostClass("Block", "net.py", 1, ("stage",))
    site = Site("stage", "", host, traced, Layout("NCHW"), Width("8", 8, "literal"), whole=True)
    combine = "add" if operation == "beside" else ""
    made = apply(text, whole.plan(Place(code, cls, site, held("se"), running, operation == "after", combine)))
    head, tail = text.split("\n    def other")
    assert made.startswith(head) and made.endswith(f"\n    def other{tail}")
    return dedent(made[len(head) : -len(tail) - len("\n    def other")]).strip("\n")


HEADER = "def forward(self, x: Tensor, mask=None, *, scale=1) -> Tensor:\n"
RUN = "super().forward(x, mask, scale=scale)"


@pytest.mark.parametrize(
    ("operation", "lines"),
    [
        ("after", f"    return self.se({RUN})"),
        ("before", f"    x = self.se(x)\n    return {RUN}"),
        ("beside", f"    return {RUN} + self.se(x)"),
    ],
)
def test_a_class_that_inherits_its_forward_gets_one_that_runs_that(operation: str, lines: str) -> None:
    assert overridden(operation) == HEADER + lines


def test_a_module_that_needs_what_it_gets_twice() -> None:
    wanted = f"    x = {RUN}\n    return self.se(x) + self.eca(x)"
    assert overridden("after", ("self.se(x) + self.eca(x)",)) == HEADER + wanted


def test_what_the_inherited_one_changes_in_place_is_copied() -> None:
    assert f"    x_in = x.clone()\n    return {RUN} + self.se(x_in)" in overridden("beside", in_place=True)


@pytest.mark.parametrize(
    ("old", "new", "module", "why"),
    [
        ("class Middle(Base)", "class Middle(elsewhere.Base)", {}, "in no class of"),
        ("pass", "pass", {"output_kind": "tuple"}, "it returns a tuple"),
        ("x: Tensor, mask=None, *, scale=1", "**inputs", {}, "cannot be told"),
    ],
)
def test_an_inherited_forward_that_cannot_be_run_around(old: str, new: str, module: dict[str, str], why: str) -> None:
    operation = "before" if "inputs" in new else "after"
    with pytest.raises(CodegenError, match=why):
        overridden(operation, text=INHERITING.replace(old, new), **module)
