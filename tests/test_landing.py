"""landing, ops.insert: where the new statement stands, or what is wrapped, for each way to call a site."""

from __future__ import annotations

import pytest
from small_host import INIT, check, edited, host, make_site, seen

from codegen import reading, syntax
from codegen.errors import CodegenError
from codegen.syntax import Code


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


def test_a_tensor_in_a_dict_is_put_back_into_it() -> None:
    code = host("def forward(self, x):\n    feats = self.m(x)\n    return feats['out']")
    site = make_site(output_kind="dict", output_index="out")
    text = edited(code, [seen(code, "self.m(x)")], "after", site)
    assert text.splitlines()[1:3] == ["    feats = self.m(x)", '    feats["out"] = self.se(feats["out"])']


@pytest.mark.parametrize(("kind", "key", "element"), [("list", "1", "xs[1]"), ("dict", "0", 'xs["0"]')])
def test_a_tensor_in_a_list_or_under_a_number_in_a_dict(kind: str, key: str, element: str) -> None:
    code = host("def forward(self, xs):\n    xs = self.m(xs)\n    return xs")
    text = edited(code, [seen(code, "self.m(xs)")], "after", make_site(output_kind=kind, output_index=key))
    assert text.splitlines()[2] == f"    {element} = self.se({element})"


@pytest.mark.parametrize(("key", "made"), [("0", "(self.se(xs[0]), *xs[1:])"), ("2", "(*xs[:2], self.se(xs[2]), *xs[3:])")])
def test_a_tensor_in_a_tuple_with_one_name(key: str, made: str) -> None:
    code = host("def forward(self, xs):\n    xs = self.m(xs)\n    return xs")
    text = edited(code, [seen(code, "self.m(xs)")], "after", make_site(output_kind="tuple", output_index=key))
    assert text.splitlines()[2] == f"    xs = {made}"


def test_a_named_tuple_with_one_name_is_refused() -> None:
    code = host("def forward(self, xs):\n    xs = self.m(xs)\n    return xs")
    with pytest.raises(CodegenError, match="returns a namedtuple"):
        edited(code, [seen(code, "self.m(xs)")], "after", make_site(output_kind="namedtuple", output_index="0"))


@pytest.mark.parametrize(
    ("kind", "key", "taken"), [("dict", "out", '["out"]'), ("tuple", "0", "[0]"), ("tuple", "1", "[1]"), ("list", "0", "[0]")]
)
def test_a_tensor_that_is_taken_out_of_the_result_at_once(kind: str, key: str, taken: str) -> None:
    site = make_site(output_kind=kind, output_index=key)
    code = host(f"def forward(self, x):\n    y = self.m(x){taken}\n    return x + self.m(y){taken}")
    text = edited(code, [seen(code, "self.m(x)"), seen(code, "self.m(y)")], "after", site)
    assert text.splitlines()[1:] == [
        f"    y = self.m(x){taken}",
        "    y = self.se(y)",
        f"    return x + self.se(self.m(y){taken})",
    ]


@pytest.mark.parametrize("used", ["", "[1]", "[-2]", "[:1]", "[self.index]", ".out"])
@pytest.mark.parametrize("start", ["return", "y ="])
def test_a_result_of_which_something_else_is_used_is_refused(start: str, used: str) -> None:
    code = host(f"def forward(self, x):\n    {start} [self.m(x){used}]")
    with pytest.raises(CodegenError) as refused:
        edited(code, [seen(code, "self.m(x)")], "after", make_site(output_kind="tuple", output_index="0"))
    assert refused.value.name == "site-not-editable"


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


@pytest.mark.parametrize(
    ("operation", "line"), [("after", "return self.se(self.m(x))"), ("before", "return self.m(self.se(x))")]
)
def test_return(operation: str, line: str) -> None:
    check("def forward(self, x):\n    return self.m(x)", f"def forward(self, x):\n    {line}", "self.m(x)", operation)


def test_an_argument_that_is_an_expression_is_wrapped_whole() -> None:
    check("def forward(self, x, y):\n    return self.m(x + y, 3)",
          "def forward(self, x, y):\n    return self.m(self.se(x + y), 3)", "self.m(x + y, 3)", "before")  # fmt: skip


def test_an_argument_over_several_lines() -> None:
    check("def forward(self, x):\n    return self.m(\n        torch.cat(\n            [x, x]\n        ),\n    )",
          "def forward(self, x):\n    return self.m(\n        self.se(torch.cat(\n"
          "            [x, x]\n        )),\n    )",
          "self.m(\n            torch.cat(\n                [x, x]\n            ),\n        )", "before")  # fmt: skip


def test_before_a_starred_argument_is_refused() -> None:
    code = host("def forward(self, xs):\n    return self.m(*xs)")
    with pytest.raises(CodegenError) as refused:
        edited(code, [seen(code, "self.m(*xs)")], "before")
    assert refused.value.name == "site-not-editable"


@pytest.mark.parametrize(
    "call", ["self.m(x, x)", "self.m(x, mask=self.mask(x))", "self.m(x, F.interpolate(x, (4, 4)))"]
)
def test_before_touches_no_other_argument_that_reads_the_same_name(call: str) -> None:
    code = host(f"def forward(self, x):\n    x = {call}\n    return x")
    assert f"x = {call.replace('self.m(x', 'self.m(self.se(x)', 1)}" in edited(code, [seen(code, call)], "before")


def test_a_tensor_passed_by_keyword() -> None:
    code = host("def forward(self, x):\n    return self.m(size=3, x=x)")
    site = make_site(input_argument="x")
    assert edited(code, [seen(code, "self.m(size=3, x=x)")], "before", site).endswith(
        "return self.m(size=3, x=self.se(x))"
    )


def test_a_conditional_expression_of_which_both_sides_run_the_site_is_covered_below_the_statement() -> None:
    code = host("def forward(self, x):\n    x = checkpoint(self.m, x) if self.ckpt else self.m(x)\n    return x")
    calls = [seen(code, "self.m(x)"), seen(code, "checkpoint(self.m, x)", direct=False)]
    assert "else self.m(x)\n    x = self.se(x)\n" in edited(code, calls)


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
    code = host(
        "def forward(self, x):\n    if self.a:\n        y = self.m(x)\n    else:\n"
        "        z = y = self.m(x)\n    return y"
    )
    text = edited(code, [seen(code, "self.m(x)"), seen(code, "self.m(x)", nth=1)])
    assert "        y = self.se(y)\n" in text and "z = y = self.se(self.m(x))" in text


def test_an_if_without_else_is_edited_inside() -> None:
    check("def forward(self, x):\n    if self.on:\n        x = self.m(x)\n    return x",
          "def forward(self, x):\n    if self.on:\n        x = self.m(x)\n"
          "        x = self.se(x)\n    return x", "self.m(x)")  # fmt: skip


def test_an_elif_chain_is_never_split() -> None:
    code = host(
        "def forward(self, x):\n    if self.a:\n        x = self.m(x)\n    elif self.b:\n        x = self.m(x)\n"
        "    else:\n        x = self.m(x)\n    return x"
    )
    text = edited(code, [seen(code, "self.m(x)")])
    assert text.count("self.se") in (1, 3) and text.count("elif") == 1


def test_before_an_if_whose_test_reads_the_tensor_is_edited_in_each_branch() -> None:
    code = host(
        "def forward(self, x):\n    if x.mean() > 0:\n        x = self.m(x)\n    else:\n"
        "        x = self.m(x)\n    return x"
    )
    assert edited(code, [seen(code, "self.m(x)")], "before").count("self.se") == 2


def test_work_behind_the_call_in_a_branch_is_not_skipped() -> None:
    code = host(
        "def forward(self, x):\n    if self.a:\n        x = self.m(x)\n        x = x + 1\n"
        "    else:\n        x = self.m(x)\n    return x"
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
    text = (
        INIT.rstrip()
        + "\n        y = self.m(torch.zeros(1, 3, 8, 8))\n\n    def forward(self, x):\n        return self.m(x)\n"
    )
    code = Code(text, "net.py")
    cls = syntax.find_class(code, "Net")
    assert cls is not None
    assert len(reading.uses(code, cls, make_site(), [seen(code, "self.m(x)")], ("after",))) == 1


def test_another_attribute_of_the_same_name_is_not_the_site() -> None:
    code = host("def forward(self, x, other):\n    x = self.m(x)\n    x = other.m(x)\n    return self.inner.m(x)")
    assert edited(code, [seen(code, "self.m(x)")]).count("self.se") == 1
