"""reading: loops, names, runners and results of several parts - which calls are the site's, and which are refused."""

from __future__ import annotations

import ast
from dataclasses import replace

import pytest
from small_host import INIT, check, edited, host, make_site, seen

from codegen import flags, loops, reaching, reading, syntax
from codegen.errors import CodegenError
from codegen.syntax import Code

LOOP = "def forward(self, x):\n    for blk in self.blocks:\n        x = blk(x)\n    return x"
ELEMENTS = {"names": (("blk", "blocks.0"),)}


@pytest.mark.parametrize("operation", ["after", "before"])
def test_a_loop_over_the_site_is_edited_around_it(operation: str) -> None:
    code = host(LOOP)
    calls = [seen(code, "blk(x)", f"blocks.{i}", names=(("blk", f"blocks.{i}"),)) for i in range(2)]
    lines = edited(code, calls, operation, make_site("blocks")).splitlines()
    assert lines.index("    x = self.se(x)") == (3 if operation == "after" else 1)


def test_a_loop_that_collects_is_edited_at_the_last_element() -> None:
    code = host(
        "def forward(self, x):\n    for i, blk in enumerate(self.blocks):\n        x = blk(x)\n"
        "        self.keep(i, x)\n    return x"
    )
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


def test_a_condition_inside_an_expression_chooses() -> None:
    code = host(
        "def forward(self, x):\n    for name in self.names:\n        x = x + getattr(self, name)(x)\n    return x"
    )
    text = edited(code, [seen(code, "getattr(self, name)(x)")])
    assert 'x = x + (self.se(getattr(self, name)(x)) if name == "m" else getattr(self, name)(x))' in text


def test_before_a_condition_inside_an_expression_wraps_the_argument() -> None:
    code = host("def forward(self, x):\n    for name in self.names:\n        y = getattr(self, name)(x)\n    return y")
    text = edited(code, [seen(code, "getattr(self, name)(x)")], "before")
    assert 'getattr(self, name)(self.se(x) if name == "m" else x)' in text


RUNNER = "def forward(self, x):\n    x = checkpoint_seq([self.a, self.m, self.b], x)\n    return x"


@pytest.mark.parametrize(
    ("operation", "first", "second"),
    [("after", "[self.a, self.m]", "[self.b]"), ("before", "[self.a]", "[self.m, self.b]")],
)
def test_a_list_handed_to_a_runner_is_split(operation: str, first: str, second: str) -> None:
    code = host(RUNNER)
    calls = [seen(code, "checkpoint_seq([self.a, self.m, self.b], x)", direct=False)]
    lines = edited(code, calls, operation).splitlines()
    assert lines[1:4] == [
        f"    x = checkpoint_seq({first}, x)",
        "    x = self.se(x)",
        f"    x = checkpoint_seq({second}, x)",
    ]


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


def test_a_tensor_that_is_taken_out_of_a_tuple_at_once() -> None:
    code = host("def forward(self, x):\n    return x + self.m(x)[0]")
    site = make_site(output_kind="tuple", output_index="0")
    assert edited(code, [seen(code, "self.m(x)")], "after", site).splitlines()[1] == "    return x + self.se(self.m(x)[0])"


def test_another_part_of_a_tuple_in_an_expression_is_refused() -> None:
    code = host("def forward(self, x):\n    return self.m(x)[1]")
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


HEAD = "def forward_head(self, x, pre_logits=False):\n    return self.m(x, True) if pre_logits else self.m(x)"


def test_calls_that_give_another_width_stay_as_they_are() -> None:
    code = host(HEAD)
    calls = [seen(code, "self.m(x)"), seen(code, "self.m(x, True)", misfits=("after",))]
    assert edited(code, calls).endswith("return self.m(x, True) if pre_logits else self.se(self.m(x))")
    assert edited(code, calls, "before").endswith("self.m(self.se(x), True) if pre_logits else self.m(self.se(x))")


def test_a_call_that_gives_now_this_and_now_another_width_is_refused() -> None:
    code = host("def forward_head(self, x, pre_logits=None):\n    return self.m(x, pre_logits)")
    calls = [seen(code, "self.m(x, pre_logits)"), seen(code, "self.m(x, pre_logits)", misfits=("after",))]
    with pytest.raises(CodegenError) as refused:
        edited(code, calls)
    assert refused.value.name == "mixed-widths" and "Net.forward_head:" in refused.value.message


@pytest.mark.parametrize(("default", "when"), [("False", "not pre_logits"), ("True", "pre_logits")])
def test_a_flag_decides_which_width_a_call_gives(default: str, when: str) -> None:
    code = host(f"def forward_head(self, x, pre_logits={default}):\n    return self.m(x, pre_logits)")
    calls = [seen(code, "self.m(x, pre_logits)"), seen(code, "self.m(x, pre_logits)", misfits=("after",))]
    assert edited(code, calls).splitlines()[1:5] == [
        "    x = self.m(x, pre_logits)",
        f"    if {when}:",
        "        x = self.se(x)",
        "    return x",
    ]


@pytest.mark.parametrize("body", ["pre_logits = bool(x)\n    ", "x = x if flag else -x\n    "])
def test_a_flag_that_does_not_decide_alone(body: str) -> None:
    given = "pre_logits" if "pre_logits" in body else "pre_logits, flag"
    code = host(f"def forward_head(self, x, pre_logits=False, flag=False):\n    {body}return self.m(x, {given})")
    text = f"self.m(x, {given})"
    with pytest.raises(CodegenError, match="mixed-widths"):
        edited(code, [seen(code, text), seen(code, text, misfits=("after",))])


def test_what_the_constructor_runs_stays_as_it_is() -> None:
    """The inserted module is not made yet."""
    code = host("def probe(self, x):\n    return self.m(x)\n\ndef forward(self, x):\n    return self.m(x)")
    code = Code(code.text.replace("nn.Conv2d(3, 3, 1)\n", "nn.Conv2d(3, 3, 1)\n        self.probe(0)\n", 1), "net.py")
    cls = syntax.find_class(code, "Net")
    assert cls is not None
    found = reading.uses(code, cls, make_site(), [seen(code, "self.m(x)", nth=1)], ("after",))
    assert [use.method.name for use in found] == ["forward"]


def test_elements_run_before_the_last_are_not_the_sites_result() -> None:
    code = host("def forward(self, x):\n    x = self.m[:-1](x)\n    self.keep(x)\n    x = self.m[-1](x)\n    return x")
    calls = [seen(code, "self.m[:-1](x)", "m.0", direct=False), seen(code, "self.m[-1](x)", "m.1")]
    site = replace(make_site(), names=("m", "m.0", "m.1"))
    assert edited(code, calls, site=site).splitlines()[3:5] == ["    x = self.m[-1](x)", "    x = self.se(x)"]
    before = edited(code, calls, "before", site).splitlines()
    assert before[1:3] == ["    x = self.se(x)", "    x = self.m[:-1](x)"] and before[4] == "    if self.m[-1] is self.m[0]:"


def test_a_part_of_the_list_with_its_last_element_is_the_site() -> None:
    last = "checkpoint_seq(self.m[2:], x, flatten=True)"
    code = host(f"def forward(self, x):\n    x = self.m[:2](x)\n    x = {last}\n    return x")
    calls = [seen(code, "self.m[:2](x)", "m.conv", direct=False), seen(code, last, "m.layer1", direct=False)]
    site = replace(make_site(), names=("m", "m.s2d", "m.conv", "m.layer1"))
    assert edited(code, calls, site=site).splitlines()[2:4] == [f"    x = {last}", "    x = self.se(x)"]
    assert edited(code, calls, "before", site).splitlines()[1:3] == ["    x = self.se(x)", "    x = self.m[:2](x)"]


@pytest.mark.parametrize(
    ("loop", "variable"),
    [
        ("for name, layer in self.items()", "layer"),
        ("for layer in self.children()", "layer"),
        ("for key, m in self.named_children()", "m"),
        ("for layer in self.blocks", ""),
        ("for name in self.items()", ""),
    ],
)
def test_loops_over_all_children(loop: str, variable: str) -> None:
    statement = ast.parse(f"{loop}: pass").body[0]
    assert isinstance(statement, ast.For) and loops.over_children(statement) == variable


def test_a_loop_over_all_children_passes_the_inserted_one_by() -> None:
    code = host(
        "def forward(self, x):\n    found = [x]\n    for name, layer in self.items():\n"
        "        new = layer(found)\n        found.append(new)\n    return found"
    )
    text = edited(code, [seen(code, "layer(found)", names=(("layer", "m"),))])
    assert text.splitlines()[3:8] == [
        "        if layer is self.se:",
        "            continue",
        "        new = layer(found)",
        "        if layer is self.m:",
        "            new = self.se(new)",
    ]


def test_a_list_that_the_class_cuts_short_may_lack_the_element() -> None:
    body = "for blk in self.blocks:\n        x = blk(x)\n        self.keep(x)\n    return x"
    methods = f"def forward(self, x):\n    {body}\n\ndef prune(self, n):\n    self.blocks, self.n = self.blocks[:n], n"
    site = replace(make_site("blocks.3"), names=("blocks", *(f"blocks.{i}" for i in range(4))))

    def condition(methods: str) -> str:
        code = host(methods)
        text = edited(code, [seen(code, "blk(x)", "blocks.3", names=(("blk", "blocks.3"),))], "after", site)
        return next(line.strip() for line in text.splitlines() if " is " in line)

    assert condition(methods) == 'if blk is getattr(self.blocks, "3", None):'
    assert condition(methods.partition("\n\n")[0]) == "if blk is self.blocks[3]:"


def test_a_child_that_the_host_runs_is_not_the_site_unless_that_is_a_list() -> None:
    body = "def forward(self, x):\n    return self.enc(x)\n\ndef late(self, x):\n    x = self.enc.norm(x)\n    return x"
    code = host(body)
    calls = [seen(code, "self.enc(x)", "enc"), seen(code, "self.enc.norm(x)", "enc.norm")]
    site = replace(make_site("enc"), names=("enc", "enc.norm"), is_list=False)
    assert edited(code, calls, "after", site) == body.replace("self.enc(x)", "self.se(self.enc(x))")


@pytest.mark.parametrize("operation", ["after", "before"])
def test_what_torchs_checkpoint_sequential_is_given_first_is_a_number(operation: str) -> None:
    code = host(
        "def forward(self, x):\n    if self.again:\n        return checkpoint_sequential(self.m, 2, x, use_reentrant=False)\n"
        "    return self.m(x)"
    )
    text = edited(code, [seen(code, "self.m(x)")], operation)
    run = "checkpoint_sequential(self.m, 2, {}, use_reentrant=False)"
    assert (run.format("self.se(x)") if operation == "before" else f"self.se({run.format('x')})") in text


def test_a_list_that_runs_in_segments_is_not_parted() -> None:
    code = host(
        "def forward(self, x):\n    if self.again:\n        x = checkpoint_sequential([self.m, self.n], 2, x)\n"
        "    else:\n        x = self.n(self.m(x))\n    return x"
    )
    with pytest.raises(CodegenError, match="runs in segments"):
        edited(code, [seen(code, "self.m(x)")])
    assert "x = self.se(x)" in edited(code, [seen(code, "self.n(self.m(x))", "n")], site=make_site("n"))  # the last of them


def test_a_call_that_the_code_says_is_another_element_s_stays() -> None:
    code = host(
        "def forward(self, x):\n    for m in self:\n        if m is self[1]:\n            x = m(x) + 1\n"
        "        else:\n            x = m(x)\n    return x"
    )
    elements = {"names": (("m", "2"),), "owner": ""}
    site = replace(make_site("2"), host=replace(make_site("2").host, indexed=True))
    text = edited(code, [seen(code, "m(x)", "2", nth=1, **elements)], "after", site)
    assert "            x = m(x) + 1\n        else:\n            x = m(x)\n            if m is self[2]:\n" in text
    method, calls = _forward(code), [n for n in ast.walk(code.tree) if isinstance(n, ast.Call) and code.segment(n) == "m(x)"]
    said = {call.lineno - method.lineno: flags.of_another(method, call, "m is self[2]") for call in calls}
    assert said == {3: True, 5: False} and not any(flags.of_another(method, call, "m is self[-1]") for call in calls)


def _forward(code: Code) -> syntax.Function:
    cls = syntax.find_class(code, "Net")
    method = cls and syntax.method(cls, "forward")
    assert method is not None
    return method


@pytest.mark.parametrize(
    ("text", "positions"),
    [("self.m", [0, 1, 2, 3, 4]), ("self.m[2:]", [2, 3, 4]), ("self.m[1:-1]", [1, 2, 3]), ("self.m[:k]", []), ("self.n", [])],
)
def test_the_positions_of_a_list_that_an_expression_stands_for(text: str, positions: list[int]) -> None:
    node = ast.parse(text, mode="eval").body
    assert [*reaching.part(node, ["self.m"], 5)] == positions
