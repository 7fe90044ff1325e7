"""What goes out of an object itself: in the `forward` of its class, which may return more for other objects."""

from __future__ import annotations

import ast

import pytest
from small_host import held

from codegen.errors import CodegenError
from codegen.ops import whole
from codegen.ops.insert import Place
from codegen.rewrite import apply
from codegen.syntax import Code
from codegen.types import HostClass, Layout, Site, TracedModule, Width


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
