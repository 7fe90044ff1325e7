"""reading, landing, ops.insert: which calls are the site's, and what the edited method looks like. Nothing is run."""

from __future__ import annotations

import ast
from dataclasses import replace
from textwrap import dedent, indent
from typing import Any

import pytest

from codegen import reading, rewrite, syntax
from codegen.errors import CodegenError
from codegen.ops import insert
from codegen.syntax import Code
from codegen.types import Call, HostClass, Layout, Site, TracedModule, Width

INIT = "class Net(nn.Module):\n    def __init__(self):\n        super().__init__()\n        self.m = nn.Conv2d(3, 3, 1)\n\n"


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


def edited(code: Code, calls: list[Call], operation: str = "after", site: Site | None = None) -> str:
    """The class's methods (without `__init__`) after an insertion of `self.se`."""
    site = site or make_site()
    cls = syntax.find_class(code, "Net")
    assert cls is not None
    uses = reading.uses(code, cls, site, calls, operation)
    edits = insert.plan(insert.Place(code, cls, site, "se", operation == "after"), uses)
    text = rewrite.apply(code.text, edits)
    ast.parse(text)
    return dedent(text[len(INIT) :]).strip("\n")


def check(before: str, after: str, text: str, operation: str = "after", **more: Any) -> None:
    code = host(before)
    assert edited(code, [seen(code, text, **more)], operation) == dedent(after).strip("\n")


def test_a_plain_statement_gets_one_below() -> None:
    check(
        "def forward(self, x):\n    x = self.m(x)  # why\n    return x",
        "def forward(self, x):\n    x = self.m(x)  # why\n    x = self.se(x)\n    return x",
        "self.m(x)",
    )


def test_before_a_plain_statement_one_above() -> None:
    check(
        "def forward(self, x):\n    # the stem\n    x = self.m(x)\n    return x",
        "def forward(self, x):\n    # the stem\n    x = self.se(x)\n    x = self.m(x)\n    return x",
        "self.m(x)",
        "before",
    )


def test_another_target_keeps_its_name() -> None:
    check("def forward(self, x):\n    y = self.m(x)\n    return x + y",
          "def forward(self, x):\n    y = self.m(x)\n    y = self.se(y)\n    return x + y", "self.m(x)")  # fmt: skip


def test_before_with_another_target_touches_the_argument_only() -> None:
    check("def forward(self, x):\n    y = self.m(x)\n    return x + y",
          "def forward(self, x):\n    y = self.m(self.se(x))\n    return x + y", "self.m(x)", "before")  # fmt: skip


@pytest.mark.parametrize(
    ("operation", "line"),
    [("after", "x = self.pool(F.relu(self.se(self.m(x))))"), ("before", "x = self.pool(F.relu(self.m(self.se(x))))")],
)
def test_nested(operation: str, line: str) -> None:
    check("def forward(self, x):\n    x = self.pool(F.relu(self.m(x)))\n    return x",
          f"def forward(self, x):\n    {line}\n    return x", "self.m(x)", operation)  # fmt: skip


@pytest.mark.parametrize(("operation", "line"), [("after", "return self.se(self.m(x))"), ("before", "return self.m(self.se(x))")])
def test_return(operation: str, line: str) -> None:
    check("def forward(self, x):\n    return self.m(x)", f"def forward(self, x):\n    {line}", "self.m(x)", operation)


def test_an_argument_that_is_an_expression_is_wrapped_whole() -> None:
    check("def forward(self, x, y):\n    return self.m(x + y, 3)",
          "def forward(self, x, y):\n    return self.m(self.se(x + y), 3)", "self.m(x + y, 3)", "before")  # fmt: skip


def test_an_argument_over_several_lines() -> None:
    check("def forward(self, x):\n    return self.m(\n        torch.cat(\n            [x, x]\n        ),\n    )",
          "def forward(self, x):\n    return self.m(\n        self.se(torch.cat(\n            [x, x]\n        )),\n    )",
          "self.m(\n            torch.cat(\n                [x, x]\n            ),\n        )", "before")  # fmt: skip


def test_before_a_starred_argument_is_refused() -> None:
    code = host("def forward(self, xs):\n    return self.m(*xs)")
    with pytest.raises(CodegenError) as refused:
        edited(code, [seen(code, "self.m(*xs)")], "before")
    assert refused.value.name == "site-not-editable"


@pytest.mark.parametrize("call", ["self.m(x, x)", "self.m(x, mask=self.mask(x))", "self.m(x, F.interpolate(x, (4, 4)))"])
def test_before_touches_no_other_argument_that_reads_the_same_name(call: str) -> None:
    code = host(f"def forward(self, x):\n    x = {call}\n    return x")
    assert f"x = {call.replace('self.m(x', 'self.m(self.se(x)', 1)}" in edited(code, [seen(code, call)], "before")


def test_a_tensor_passed_by_keyword() -> None:
    code = host("def forward(self, x):\n    return self.m(size=3, x=x)")
    site = make_site(input_argument="x")
    assert edited(code, [seen(code, "self.m(size=3, x=x)")], "before", site).endswith("return self.m(size=3, x=self.se(x))")


def test_a_conditional_expression_is_covered_below_the_statement_or_wrapped_on_each_side() -> None:
    code = host("def forward(self, x):\n    x = checkpoint(self.m, x) if self.ckpt else self.m(x)\n    return x")
    calls = [seen(code, "self.m(x)"), seen(code, "checkpoint(self.m, x)", direct=False)]
    line = "x = self.se(checkpoint(self.m, x)) if self.ckpt else self.se(self.m(x))"
    assert line in edited(code, calls)


def test_a_conditional_expression_with_one_side_only() -> None:
    check("def forward(self, x):\n    x = self.m(x) if self.on else x\n    return x",
          "def forward(self, x):\n    x = self.se(self.m(x)) if self.on else x\n    return x", "self.m(x)")  # fmt: skip


BRANCHES = """
def forward(self, x):
    if self.ckpt:
        x = checkpoint(self.m, x)
    else:
        x = self.m(x)
    return x
"""


@pytest.mark.parametrize("operation", ["after", "before"])
@pytest.mark.parametrize("measured", [1, 2])
def test_an_if_else_is_joined_though_one_branch_was_only_read(operation: str, measured: int) -> None:
    code = host(BRANCHES)
    calls = [seen(code, "self.m(x)"), seen(code, "checkpoint(self.m, x)", direct=False)][:measured]
    lines = edited(code, calls, operation).splitlines()
    assert lines.count("    x = self.se(x)") == 1
    assert lines.index("    x = self.se(x)") == (5 if operation == "after" else 1)


def test_branches_with_different_names_are_edited_each() -> None:
    code = host("def forward(self, x):\n    if self.a:\n        y = self.m(x)\n    else:\n        z = y = self.m(x)\n    return y")
    text = edited(code, [seen(code, "self.m(x)"), seen(code, "self.m(x)", nth=1)])
    assert "        y = self.se(y)\n" in text and "z = y = self.se(self.m(x))" in text


def test_an_if_without_else_is_edited_inside() -> None:
    check("def forward(self, x):\n    if self.on:\n        x = self.m(x)\n    return x",
          "def forward(self, x):\n    if self.on:\n        x = self.m(x)\n        x = self.se(x)\n    return x", "self.m(x)")  # fmt: skip


def test_an_elif_chain_is_never_split() -> None:
    code = host(
        "def forward(self, x):\n    if self.a:\n        x = self.m(x)\n    elif self.b:\n        x = self.m(x)\n"
        "    else:\n        x = self.m(x)\n    return x"
    )
    text = edited(code, [seen(code, "self.m(x)")])
    assert text.count("self.se") in (1, 3) and text.count("elif") == 1


def test_before_an_if_whose_test_reads_the_tensor_is_edited_in_each_branch() -> None:
    code = host("def forward(self, x):\n    if x.mean() > 0:\n        x = self.m(x)\n    else:\n        x = self.m(x)\n    return x")
    assert edited(code, [seen(code, "self.m(x)")], "before").count("self.se") == 2


def test_work_behind_the_call_in_a_branch_is_not_skipped() -> None:
    code = host(
        "def forward(self, x):\n    if self.a:\n        x = self.m(x)\n        x = x + 1\n    else:\n        x = self.m(x)\n    return x"
    )
    text = edited(code, [seen(code, "self.m(x)")])
    assert "        x = self.m(x)\n        x = self.se(x)\n        x = x + 1\n" in text
    assert text.count("self.se") == 2


def test_twins_in_other_methods_and_scripting_branches() -> None:
    code = host(
        """
        def forward_intermediates(self, x):
            x = self.m(x)
            return x

        def forward(self, x):
            if torch.jit.is_scripting():
                x = self.m.forward(x)
            else:
                x = self.m(x)
            return x
        """
    )
    text = edited(code, [seen(code, "self.m(x)", nth=1)])
    assert text.count("self.se(x)") == 2
    assert "    x = self.m(x)\n    x = self.se(x)\n    return x\n\ndef forward" in text


def test_the_constructor_is_no_twin() -> None:
    text = INIT.rstrip() + "\n        y = self.m(torch.zeros(1, 3, 8, 8))\n\n    def forward(self, x):\n        return self.m(x)\n"
    code = Code(text, "net.py")
    cls = syntax.find_class(code, "Net")
    assert cls is not None
    assert len(reading.uses(code, cls, make_site(), [seen(code, "self.m(x)")], "after")) == 1


def test_another_attribute_of_the_same_name_is_not_the_site() -> None:
    code = host("def forward(self, x, other):\n    x = self.m(x)\n    x = other.m(x)\n    return self.inner.m(x)")
    assert edited(code, [seen(code, "self.m(x)")]).count("self.se") == 1


LOOP = "def forward(self, x):\n    for blk in self.blocks:\n        x = blk(x)\n    return x"
ELEMENTS = {"names": (("blk", "blocks.0"),)}


@pytest.mark.parametrize("operation", ["after", "before"])
def test_a_loop_over_the_site_is_edited_around_it(operation: str) -> None:
    code = host(LOOP)
    calls = [seen(code, "blk(x)", f"blocks.{i}", names=(("blk", f"blocks.{i}"),)) for i in range(2)]
    lines = edited(code, calls, operation, make_site("blocks")).splitlines()
    assert lines.index("    x = self.se(x)") == (3 if operation == "after" else 1)


def test_a_loop_that_collects_is_edited_at_the_last_element() -> None:
    code = host("def forward(self, x):\n    for i, blk in enumerate(self.blocks):\n        x = blk(x)\n        self.keep(i, x)\n    return x")
    text = edited(code, [seen(code, "blk(x)", "blocks.0", **ELEMENTS)], "after", make_site("blocks"))
    assert "        if blk is self.blocks[-1]:\n            x = self.se(x)\n        self.keep" in text


def test_a_slice_of_the_site_is_edited_at_the_last_element() -> None:
    code = host("def forward(self, x):\n    for blk in self.blocks[: self.k]:\n        x = blk(x)\n    return x")
    text = edited(code, [seen(code, "blk(x)", "blocks.0", **ELEMENTS)], "after", make_site("blocks"))
    assert "if blk is self.blocks[-1]:" in text


def test_getattr_in_a_loop_is_edited_by_name() -> None:
    code = host("def forward(self, x):\n    for name in self.names:\n        x = getattr(self, name)(x)\n    return x")
    text = edited(code, [seen(code, "getattr(self, name)(x)")])
    assert '        if name == "m":\n            x = self.se(x)\n' in text


def test_getattr_with_the_name_itself() -> None:
    code = host("def forward(self, x):\n    return getattr(self, 'm')(x)")
    assert edited(code, [seen(code, "getattr(self, 'm')(x)")]).endswith("return self.se(getattr(self, 'm')(x))")


def test_a_condition_inside_an_expression_is_refused() -> None:
    code = host("def forward(self, x):\n    for name in self.names:\n        x = x + getattr(self, name)(x)\n    return x")
    with pytest.raises(CodegenError) as refused:
        edited(code, [seen(code, "getattr(self, name)(x)")])
    assert refused.value.name == "site-not-editable"


def test_before_a_condition_inside_an_expression_wraps_the_argument() -> None:
    code = host("def forward(self, x):\n    for name in self.names:\n        y = getattr(self, name)(x)\n    return y")
    text = edited(code, [seen(code, "getattr(self, name)(x)")], "before")
    assert 'getattr(self, name)(self.se(x) if name == "m" else x)' in text


RUNNER = "def forward(self, x):\n    x = checkpoint_seq([self.a, self.m, self.b], x)\n    return x"


@pytest.mark.parametrize(("operation", "first", "second"), [("after", "[self.a, self.m]", "[self.b]"), ("before", "[self.a]", "[self.m, self.b]")])
def test_a_list_handed_to_a_runner_is_split(operation: str, first: str, second: str) -> None:
    code = host(RUNNER)
    calls = [seen(code, "checkpoint_seq([self.a, self.m, self.b], x)", direct=False)]
    lines = edited(code, calls, operation).splitlines()
    assert lines[1:4] == [f"    x = checkpoint_seq({first}, x)", "    x = self.se(x)", f"    x = checkpoint_seq({second}, x)"]


def test_the_last_of_a_list_needs_no_split() -> None:
    code = host("def forward(self, x):\n    x = checkpoint_seq([self.a, self.m], x, flatten=True)\n    return x")
    calls = [seen(code, "checkpoint_seq([self.a, self.m], x, flatten=True)", direct=False)]
    assert "flatten=True)\n    x = self.se(x)\n" in edited(code, calls)


def test_a_list_in_a_larger_expression_is_refused() -> None:
    code = host("def forward(self, x):\n    return checkpoint_seq([self.a, self.m, self.b], x)")
    with pytest.raises(CodegenError) as refused:
        edited(code, [seen(code, "checkpoint_seq([self.a, self.m, self.b], x)", direct=False)])
    assert refused.value.name == "site-not-editable"


def test_one_of_several_results() -> None:
    code = host("def forward(self, x):\n    x, size = self.m(x)\n    return x")
    site = make_site(output_kind="tuple", output_index="0")
    assert edited(code, [seen(code, "self.m(x)")], "after", site).splitlines()[2] == "    x = self.se(x)"


def test_a_tuple_in_an_expression_is_refused() -> None:
    code = host("def forward(self, x):\n    return self.m(x)[0]")
    with pytest.raises(CodegenError) as refused:
        edited(code, [seen(code, "self.m(x)")], "after", make_site(output_kind="tuple", output_index="0"))
    assert refused.value.name == "site-not-editable"


def test_two_statements_on_a_line_are_wrapped() -> None:
    check("def forward(self, x):\n    x = self.m(x); x = x + 1\n    return x",
          "def forward(self, x):\n    x = self.se(self.m(x)); x = x + 1\n    return x", "self.m(x)")  # fmt: skip


def test_another_name_for_self() -> None:
    check("def forward(me, x):\n    x = me.m(x)\n    return x",
          "def forward(me, x):\n    x = me.m(x)\n    x = me.se(x)\n    return x", "me.m(x)")  # fmt: skip


def test_no_line_end_at_the_end_of_the_file() -> None:
    code = Code(INIT + "    def forward(self, x):\n        x = self.m(x)", "net.py")
    assert edited(code, [seen(code, "self.m(x)")]).endswith("x = self.m(x)\n    x = self.se(x)")


def test_a_call_in_another_file_is_refused() -> None:
    code = host("def forward(self, x):\n    return self.m(x)")
    with pytest.raises(CodegenError) as refused:
        edited(code, [seen(code, "self.m(x)", file="base.py")])
    assert refused.value.name == "inherited-forward"


def test_a_site_hidden_in_another_call_is_refused() -> None:
    code = host("def forward(self, x):\n    return run_all(self, x)")
    with pytest.raises(CodegenError) as refused:
        edited(code, [seen(code, "run_all(self, x)", direct=False)])
    assert refused.value.name == "hidden-call"


def test_calls_of_other_modules_are_not_the_site() -> None:
    code = host("def forward(self, x):\n    x = self.m2(x)\n    x = self.m(x)\n    return x")
    calls = [seen(code, "self.m2(x)", "m2"), seen(code, "self.m(x)"), seen(code, "self.m(x)", "inner.m", owner="inner")]
    assert edited(code, calls).count("self.se") == 1
