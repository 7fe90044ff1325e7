"""ops.beside: what the site receives goes through the module too, and both results become one."""

from __future__ import annotations

from dataclasses import replace
from textwrap import dedent
from typing import Any

import pytest
from small_host import INIT, held, host, make_site, seen

from codegen import branch, fitting, reading, rewrite, syntax
from codegen.errors import CodegenError
from codegen.ops import beside, insert
from codegen.traced import HostClass, Layout, Width
from codegen.types import Component, Request, Site


def edited(body: str, text: str = "self.m(x)", combine: str = "add", calls: int = 1, **module: Any) -> str:
    code = host(body)
    site = make_site(**module)
    cls = syntax.find_class(code, "Net")
    assert cls is not None
    found = [seen(code, text, nth=nth) for nth in range(calls)]
    uses = reading.uses(code, cls, site, found, ("before", "after"))
    edits = beside.plan(insert.Place(code, cls, site, held("se"), ("self.se(x)",), False, combine), uses)
    made = rewrite.apply(code.text, edits)
    syntax.Code(made)
    return dedent(made[len(INIT) :]).strip("\n")


@pytest.mark.parametrize(
    ("line", "made"),
    [
        ("x = self.m(x)  # why", "x = self.m(x) + self.se(x)  # why"),
        ("return F.relu(self.m(x))", "return F.relu(self.m(x) + self.se(x))"),
        ("return x - self.m(x)", "return x - (self.m(x) + self.se(x))"),
        ("y = self.m(x)[0]", "y = (self.m(x) + self.se(x))[0]"),
    ],
)
def test_the_call_becomes_a_sum(line: str, made: str) -> None:
    assert edited(f"def forward(self, x):\n    {line}") == f"def forward(self, x):\n    {made}"


@pytest.mark.parametrize(
    ("combine", "made"),
    [("mul", "self.m(x) * self.se(x)"), ("gate", "self.se(x, self.m(x))"), ("cat", "self.se(x, self.m(x))")],
)
def test_other_ways_to_combine(combine: str, made: str) -> None:
    text = edited("def forward(self, x):\n    return self.m(x)", combine=combine)
    assert text == f"def forward(self, x):\n    return {made}"


@pytest.mark.parametrize(
    ("combine", "made"),
    [("add", "self.se(x.clone()) + self.m(x)"), ("gate", "self.se(x.clone(), self.m(x))")],
)
def test_a_site_that_changes_its_input_gets_it_second(combine: str, made: str) -> None:
    text = edited("def forward(self, x):\n    return self.m(x)", combine=combine, in_place=True)
    assert text == f"def forward(self, x):\n    return {made}"


def test_an_argument_gets_a_name_in_a_statement_above() -> None:
    text = edited("def forward(self, x):\n    x = x + self.m(self.norm(x), None)\n    return x", "self.m(self.norm(x), None)")
    assert text.splitlines()[1:3] == ["    m_in = self.norm(x)", "    x = x + (self.m(m_in, None) + self.se(m_in))"]


@pytest.mark.parametrize("line", ["x = self.a(x) + self.m(self.norm(x))", "x = self.m(self.norm(x)) if self.on else x"])
def test_an_argument_gets_its_name_in_place_where_something_runs_before_it(line: str) -> None:
    text = edited(f"def forward(self, x):\n    {line}\n    return x", "self.m(self.norm(x))")
    assert "(self.m((m_in := self.norm(x))) + self.se(m_in))" in text


def test_the_branches_of_an_if_are_joined_below_it() -> None:
    body = """
        def forward(self, x):
            if self.on:
                x = checkpoint(self.m, x)
            else:
                x = self.m(x)
            return x
    """
    assert edited(dedent(body).strip("\n")) == dedent("""
        def forward(self, x):
            x_in = x
            if self.on:
                x = checkpoint(self.m, x)
            else:
                x = self.m(x)
            x = x + self.se(x_in)
            return x
    """).strip("\n")


def test_a_loop_joins_where_the_site_is_run() -> None:
    code = "def forward(self, x):\n    for name in self.names:\n        x = getattr(self, name)(x)\n    return x"
    assert edited(code, "getattr(self, name)(x)").splitlines()[2:6] == [
        "        x_in = x",
        "        x = getattr(self, name)(x)",
        '        if name == "m":',
        "            x = x + self.se(x_in)",
    ]


def test_a_list_of_modules_is_run_in_three_parts() -> None:
    call = "run([self.a, self.m, self.b], x)"
    text = edited(f"def forward(self, x):\n    x = {call}\n    return x", call)
    assert text.splitlines()[1:6] == [
        "    x = run([self.a], x)",
        "    x_in = x",
        "    x = run([self.m], x)",
        "    x = x + self.se(x_in)",
        "    x = run([self.b], x)",
    ]


def test_a_tensor_in_a_tuple_is_joined_in_it() -> None:
    text = edited("def forward(self, x):\n    y = self.m(x)\n    return y", output_kind="tuple", output_index="0")
    assert text.splitlines()[2] == "    y = (y[0] + self.se(x), *y[1:])"


@pytest.mark.parametrize("line", ["return self.m(x)['out']", "return [m(x) for m in (self.m, self.a)]"])
def test_what_cannot_be_joined_exactly_is_refused(line: str) -> None:
    kind = {"output_kind": "dict", "output_index": "out"} if "out" in line else {}
    text = "m(x)" if "for" in line else "self.m(x)"
    with pytest.raises(CodegenError) as refused:
        edited(f"def forward(self, x):\n    {line}", text, **kind)
    assert refused.value.name in ("site-not-editable", "hidden-call")


SE = Component("se", "SE", "SE(dim)", code="class SE(nn.Module):\n    pass\n")


def make(combine: str, layout: str = "NCHW", *, module: str = "se") -> Component:
    host, traced = HostClass("Net", "net.py", 1, ("",), factory="**dd"), make_site().module
    site = Site("m", "m", host, traced, Layout(layout), Width("dim", 3, "name"))
    return branch.around(SE, Request("net.py", "beside", "m", module, combine=combine), site)


def test_a_sum_needs_no_class() -> None:
    assert make("add") == SE


@pytest.mark.parametrize(
    ("layout", "layer", "dim"),
    [("NCHW", "nn.Conv2d(", "1"), ("NLC", "nn.Linear(", "-1")],
)
def test_cat_projects_back_along_the_channels(layout: str, layer: str, dim: str) -> None:
    made = make("cat", layout)
    assert made.construct == "JoinedBranch(SE(dim), dim, **dd)"
    assert layer in made.code and f"dim={dim}" in made.code


def test_gate_starts_at_zero() -> None:
    made = make("gate")
    assert made.construct == "GatedBranch(SE(dim), **dd)" and "torch.zeros(1, device=device" in made.code and made.stateful


def test_a_module_of_the_catalogue_keeps_the_shape_and_so_must_the_site() -> None:
    halving = make_site(output_shape=(2, 6, 4, 4)).module
    with pytest.raises(CodegenError, match=r"turns \(2, 3, 8, 8\) into \(2, 6, 4, 4\)"):
        fitting.demand_shape(Request("net.py", "beside", "m", "se", combine="add"), halving)
    fitting.demand_shape(Request("net.py", "beside", "m", "my.py:Down", combine="add"), halving)
    fitting.demand_shape(Request("net.py", "after", "m", "se"), halving)
    assert make("add", module="my.py:Down") == SE


def test_cat_needs_the_channel_dim() -> None:
    with pytest.raises(CodegenError, match="could not be measured"):
        make("cat", "")


def test_the_site_among_others_in_an_expression() -> None:
    code = host("def forward(self, x):\n    return sum(getattr(self, name)(x) for name in self.names)")
    cls, site = syntax.find_class(code, "Net"), make_site()
    assert cls is not None
    uses = reading.uses(code, cls, site, [seen(code, "getattr(self, name)(x)")], ("before", "after"))
    place = insert.Place(code, cls, site, held("se"), ("self.se(x)",), False, "add")
    text = rewrite.apply(code.text, beside.plan(place, uses))
    assert '(getattr(self, name)(x) + self.se(x) if name == "m" else getattr(self, name)(x)) for name' in text
    with pytest.raises(CodegenError, match="run among others"):
        beside.plan(replace(place, site=make_site(in_place=True)), uses)
