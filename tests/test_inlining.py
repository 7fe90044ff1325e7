"""Compositions in the host's own code: the text that runs them, in numbers, and variants made and proved by the command."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import Run
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from small_host import edited, host, seen
from test_composing import HOST, LAYOUTS, Reference, composed
from torch import nn

from codegen import composing, expressions, inlining, naming
from codegen.errors import CodegenError
from codegen.syntax import Code
from codegen.traced import Chosen, TracedModule, Width
from codegen.types import Component, Request, Site

NET = """
import torch
import torch.nn.functional as F
from torch import nn


class Net(nn.Module):
    def __init__(self, dim=16, num_classes=10):
        super().__init__()
        self.stem = nn.Conv2d(3, dim, 3, padding=1)
        self.body = nn.Conv2d(dim, dim, 3, padding=1)
        self.fc = nn.Linear(dim, num_classes)

    def forward(self, x):
        x = self.stem(x)
        x = F.relu(self.body(x))
        return self.fc(x.mean((2, 3)))
"""
CASCADE = ("self.eca(self.se(x))",)
SUM = ("self.se(x) + self.eca(x)",)
LATER = ("y = self.se(x)", "self.eca(y) + self.cbam(y)")
WITHOUT_GATES = composed().filter(lambda text: "gate((" not in text)


def component(expression: str, kind: str = "NCHW", width: str = "dim", factory: str = "", **options: Any) -> Component:
    owner, module = replace(HOST, factory=factory), TracedModule("m", "Conv2d", 1)
    site = Site("m", "m", owner, module, LAYOUTS[kind][0], Width(width, 16, "name"))
    return composing.inline(Request("net.py", "after", "m", expression, **options), site)


def refused(make: Callable[[], object]) -> str:
    with pytest.raises(CodegenError) as caught:
        make()
    assert caught.value.name == inlining.REFUSED
    return caught.value.message


# --- the text -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("running", "x", "lines"),
    [
        (CASCADE, "x", ["x = me.eca(me.se(x))"]),
        (SUM, "feats", ["feats = me.se(feats) + me.eca(feats)"]),
        (LATER, "x", ["x = me.se(x)", "x = me.eca(x) + me.cbam(x)"]),
        (("y = self.se(x)", "self.eca(y) + self.cbam(y) * x"), "x", ["y2 = me.se(x)", "x = me.eca(y2) + me.cbam(y2) * x"]),
        (
            ("y = self.se(x)", "z = y + self.eca(y)", "z + self.se_2(z)"),
            "x",
            ["x = me.se(x)", "x = x + me.eca(x)", "x = x + me.se_2(x)"],
        ),
        (("self.x(x)",), "h", ["h = me.x(h)"]),
        (("self.p(torch.cat([self.se(x), x], dim=1))",), "x", ["x = me.p(torch.cat([me.se(x), x], dim=1))"]),
    ],
)  # fmt: skip
def test_statements_in_the_names_of_the_method(running: tuple[str, ...], x: str, lines: list[str]) -> None:
    taken = {"x", "y"} if "* x" in running[-1] else {"x"}
    assert inlining.statements(running, "me", x, taken) == lines


def test_an_expression_needs_a_name_where_it_is_read_twice() -> None:
    assert inlining.value(CASCADE, "self", "self.conv(x)") == "self.eca(self.se(self.conv(x)))"
    assert inlining.value(SUM, "self", "feats[0]") == "self.se(feats[0]) + self.eca(feats[0])"
    refused(lambda: inlining.value(SUM, "self", "self.conv(x)"))
    refused(lambda: inlining.value(LATER, "self", "x"))


@pytest.mark.parametrize(
    ("running", "line", "made"),
    [
        (CASCADE, "return F.relu(self.m(x))", "return F.relu(self.eca(self.se(self.m(x))))"),
        (SUM, "x = self.m(x)", "x = self.m(x)\n    x = self.se(x) + self.eca(x)"),
        (SUM, "return self.m(x)", "x = self.m(x)\n    return self.se(x) + self.eca(x)"),
        (LATER, "return self.m(x)", "x = self.m(x)\n    x = self.se(x)\n    return self.eca(x) + self.cbam(x)"),
        (SUM, "y = F.relu(self.m(x))", "y = self.m(x)\n    y = F.relu(self.se(y) + self.eca(y))"),
        (SUM, "x = x - self.m(x)", "m_out = self.m(x)\n    x = x - (self.se(m_out) + self.eca(m_out))"),
        (SUM, "return F.relu(self.m(x)).mean()", "x = self.m(x)\n    return F.relu(self.se(x) + self.eca(x)).mean()"),
        (SUM, "return x * self.m(x + 1)", "m_out = self.m(x + 1)\n    return x * (self.se(m_out) + self.eca(m_out))"),
    ],
)
def test_what_runs_on_the_result(running: tuple[str, ...], line: str, made: str) -> None:
    code = host(f"def forward(self, x):\n    {line}")
    call = "self.m(x + 1)" if "x + 1" in line else "self.m(x)"
    assert edited(code, [seen(code, call)], running=running) == f"def forward(self, x):\n    {made}"


@pytest.mark.parametrize(
    "line", ["return [self.m(x) for _ in x]", "return f(x) + self.m(x)", "return x if x is None else g(self.m(x))"]
)
def test_no_name_where_that_would_change_what_runs_before(line: str) -> None:
    code = host(f"def forward(self, x):\n    {line}")
    refused(lambda: edited(code, [seen(code, "self.m(x)")], running=SUM))
    assert "self.eca(self.se(self.m(x)))" in edited(code, [seen(code, "self.m(x)")], running=CASCADE)


def test_a_site_that_runs_on_its_own_result() -> None:
    code = host("def forward(self, x):\n    return g(self.m(self.m(x)))")
    calls = [seen(code, "self.m(self.m(x))"), seen(code, "self.m(x)")]
    refused(lambda: edited(code, calls, running=SUM))


@pytest.mark.parametrize(
    ("running", "made"),
    [(CASCADE, "return self.m(self.eca(self.se(x)))"), (SUM, "return self.m(self.se(x) + self.eca(x))")],
)
def test_before_a_nested_call(running: tuple[str, ...], made: str) -> None:
    code = host("def forward(self, x):\n    return g(self.m(x))")
    text = edited(code, [seen(code, "self.m(x)")], "before", running=running)
    assert made.removeprefix("return ") in text


# --- what goes into the host ------------------------------------------------------------------------------------------------


def test_parts_have_the_names_and_widths_of_the_host() -> None:
    made = component("cat(se(8), se) >> eca", width="a + b", factory="**dd")
    assert [(part.name, part.construct) for part in naming.fitted(made).parts] == [
        ("se", "SqueezeExcite(a + b, **dd)"),
        ("se_2", "SqueezeExcite(a + b, **dd, reduction=16)"),
        ("project", "nn.Conv2d(2 * (a + b), a + b, kernel_size=1, **dd)"),
        ("eca", "EfficientChannelAttention(a + b, **dd)"),
    ]


@pytest.mark.parametrize(
    ("expression", "options", "why"),
    [
        ("se >> eca", {"name": "attn"}, "--name attn is one attribute"),
        ("gate(se)", {}, "a parameter, and no module"),
        ("se >> gate(se >> eca)", {}, "a parameter, and no module"),
        ("se + eca", {"identity": True}, "start as the identity"),
        ("se + eca", {"combine": "add"}, "joined with that of m"),
        ("se >> eca", {"combine": "gate"}, "is a class"),
    ],
)
def test_what_stays_a_class_says_why(expression: str, options: dict[str, Any], why: str) -> None:
    assert why in refused(lambda: component(expression, **options))


def test_the_load_hook_names_what_has_a_state() -> None:
    parts = [(part.name, part) for part in component("drop_path(0.1)(simam >> se)").parts]
    assert [name for name, _ in parts] == ["simam", "se", "droppath"] and naming.stateful(parts) == ("se",)
    parts = [(part.name, part) for part in component("drop_path(0.1)(simam >> se)", identity=True).parts]
    assert "simam" in naming.stateful(parts)


def test_only_a_cascade_goes_into_chosen_objects() -> None:
    site = Site("m", "m", HOST, TracedModule("m", "Conv2d", 1), LAYOUTS["NCHW"][0], Width("dim", 16, "name"))
    site = replace(site, chosen=Chosen(("m",), ""))
    assert composing.inline(Request("net.py", "after", "m", "se >> eca"), site).running == CASCADE
    assert "nn.Identity" in refused(lambda: composing.inline(Request("net.py", "after", "m", "se + eca"), site))


# --- in numbers -----------------------------------------------------------------------------------------------------------


def check(expression: str, kind: str, **options: Any) -> None:
    """What the statements compute is what the parts give, composed by hand."""
    made = naming.fitted(component(expression, kind, **options))
    scope: dict[str, Any] = {"__name__": "made", "dim": 16, "grid": (4, 6)}
    exec("\n".join([*made.imports, "import torch", "", made.code]), scope)
    model, x = nn.Module(), torch.randn(LAYOUTS[kind][1], generator=torch.Generator().manual_seed(1))
    for part in made.parts:
        model.add_module(part.name, eval(part.construct, scope))
    generator = torch.Generator().manual_seed(0)
    for parameter in model.parameters() if not options else ():
        parameter.data = torch.randn(parameter.shape, generator=generator) * 0.3
    model.eval()
    names = {**scope, "me": model, "h": x}
    exec("\n".join(inlining.statements(inlining.of([(p.name, p) for p in made.parts], made.running), "me", "h", ())), names)
    wanted = x if options else Reference(model, kind)(expressions.parse(expression), x)
    assert torch.equal(names["h"], wanted)


@pytest.mark.parametrize("kind", ["NCHW", "NLC"])
@pytest.mark.parametrize(
    "expression",
    [
        "se >> eca",
        "se + eca",
        "se * eca",
        "cat(se, eca, gate)",
        "residual(se)",
        "scale(0.1)(se)",
        "drop_path(0.1)(se)",
        "residual(drop_path(0.1)(scale(0.5)(se >> adapter)))",
        "se >> (eca + se) >> residual(eca)",
        "(se >> (eca >> (se + eca))) * eca",
        "residual(se >> cat(eca, se)) >> se * eca",
    ],
)
def test_the_numbers_are_those_of_the_modules_composed_by_hand(expression: str, kind: str) -> None:
    check(expression, kind)


@pytest.mark.slow
@settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(expression=WITHOUT_GATES, kind=st.sampled_from([*LAYOUTS]))
def test_so_are_those_of_nested_expressions(expression: str, kind: str) -> None:
    if composing.is_composition(expression):
        check(expression, kind)


@pytest.mark.parametrize("expression", ["se >> eca", "scale(0.1)(se)", "drop_path(0.1)(se >> adapter)"])
def test_a_cascade_of_identities_is_one(expression: str) -> None:
    check(expression, "NCHW", identity=True)


# --- by the command -------------------------------------------------------------------------------------------------------


def made(codegen: Run, folder: Path, *words: str) -> tuple[dict[str, Any], str]:
    """(the report, the lines of `__init__` and `forward` in the variant that say `self.`)."""
    (folder / "net.py").write_text(NET.lstrip())
    run = codegen("insert", "net.py", "--input", "1x3x16x16", *words, "-o", "out.py", "--force", "--json", cwd=folder)
    assert run.returncode == 0, run.stderr.decode()
    text = (folder / "out.py").read_text()
    cls = next(node for node in Code(text).tree.body if getattr(node, "name", "") == "Net")
    return json.loads(run.stdout), Code(text).segment(cls)


def test_a_sum_in_the_hosts_own_code(codegen: Run, tmp_path: Path) -> None:
    report, text = made(codegen, tmp_path, "--module", "se + eca", "--after", "body")
    assert "        x = self.body(x)\n        x = F.relu(self.se(x) + self.eca(x))\n" in text
    assert "        self.se = SqueezeExcite(dim)\n        self.eca = EfficientChannelAttention(dim)\n" in text
    assert [part["attribute"] for part in report["parts"]] == ["se", "eca"] and report["attribute"] == "se"
    assert {check["status"] for check in report["checks"]} == {"passed", "skipped"} and len(report["call_sites"]) == 1
    assert next(check for check in report["checks"] if check["name"] == "weights")["detail"] == "5 new keys"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "lines"),
    [
        (("--module", "se >> eca", "--after", "stem", "--identity"), ["x = self.eca(self.se(x))"]),
        (("--module", "se * se(8)", "--before", "body"), ["x = F.relu(self.body(self.se(x) * self.se_2(x)))"]),
        (("--module", "residual(se) >> eca", "--after", "stem"), ["x = self.eca(x + self.se(x))"]),
        (("--module", "cat(se, eca)", "--after", "stem"), ["self.project = nn.Conv2d(2 * dim, dim, kernel_size=1)"]),
        (("--module", "se >> eca", "--beside", "body"), ["x = F.relu(self.body(x) + self.eca(self.se(x)))"]),
        (("--module", "drop_path(0.1)(se)", "--after", "body"), ["x = F.relu(self.droppath(self.se(self.body(x))))"]),
        (("--module", "se >> eca", "--after", "stem", "--emit-groups"), ['if name.startswith(("se.", "eca."))']),
        (("--module", "se + eca", "--after", "stem", "--static"), ["x = self.se(x) + self.eca(x)"]),
        (("--module", "se + eca", "--after", "stem", "--as-class", "Both"), ["self.both = Both(dim)", "x = self.both(x)"]),
    ],
)  # fmt: skip
def test_every_operator_is_proved(words: tuple[str, ...], lines: list[str], codegen: Run, tmp_path: Path) -> None:
    _, text = made(codegen, tmp_path, *words)
    assert all(f"        {line}\n" in f"{text}\n" for line in lines), text


@pytest.mark.slow
def test_a_class_is_written_where_the_parts_cannot_stand_apart_and_the_report_says_so(codegen: Run, tmp_path: Path) -> None:
    report, text = made(codegen, tmp_path, "--module", "gate(se)", "--after", "stem")
    assert "self.gate_se = GateSe(dim)" in text and "parts" not in report
    assert any(note.startswith("GateSe is a class that holds se: ") for note in report["notes"])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "check"),
    [
        ("self.se(x) + self.eca(self.se(x))", "placement"),
        ("self.se(x) + x", "placement"),
        ("self.se(x) * self.eca(x)", "placement"),
        ("self.se(x) + self.eca(x).relu()", "placement"),
    ],
)
def test_a_composition_that_is_run_otherwise_does_not_hold(change: str, check: str, codegen: Run, tmp_path: Path) -> None:
    made(codegen, tmp_path, "--module", "se + eca", "--after", "stem")
    file = tmp_path / "out.py"
    file.write_text(file.read_text().replace("self.se(x) + self.eca(x)", change))
    run = codegen("verify", "out.py", "--json", cwd=tmp_path)
    found = json.loads(run.stdout)["checks"]
    assert run.returncode == 3 and next(c for c in found if c["name"] == check)["status"] == "failed"


@pytest.mark.slow
def test_a_damaged_checkpoint_of_any_part_is_refused_and_the_whole_can_be_taken_out(codegen: Run, tmp_path: Path) -> None:
    made(codegen, tmp_path, "--module", "se >> eca", "--after", "stem")
    for name in ("se", "eca"):
        run = codegen("remove", "out.py", "--name", name, "-o", "back.py", "--force", cwd=tmp_path)
        assert run.returncode == 0, run.stderr.decode()
        assert (tmp_path / "back.py").read_bytes() == (tmp_path / "net.py").read_bytes()
    run = codegen("remove", "out.py", "--name", "cbam", "-o", "back.py", "--force", cwd=tmp_path)
    assert run.returncode == 2 and b"is named Net.se and eca, not cbam" in run.stderr
