"""composing: what an expression of modules means, as text, as code and in numbers; nothing of it is ever run."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from codegen import composing, expressions
from codegen.errors import CodegenError
from codegen.expressions import Around, Chain, Leaf, Node
from codegen.traced import HostClass, Layout, TracedModule, Width
from codegen.types import Component, Request, Site

HOST = HostClass("Net", "net.py", 1, ("",))
LAYOUTS = {
    "NCHW": (Layout("NCHW"), (2, 16, 4, 6)),
    "NHWC": (Layout("NHWC"), (2, 4, 6, 16)),
    "NLC": (Layout("NLC", 1, (4, 6), "grid"), (2, 25, 16)),
    "NCL": (Layout("NCL"), (2, 16, 24)),
}
MINE = """
from torch import nn


class Mine(nn.Module):
    def __init__(self, dim, ratio=2):
        super().__init__()
        self.weight = nn.Parameter(torch.full((1,), 1.0 / ratio))

    def forward(self, x):
        return x * self.weight
"""


def component(expression: str, kind: str = "NCHW", factory: str = "", **options: Any) -> Component:
    host = replace(HOST, factory=factory)
    site = Site("m", "m", host, TracedModule("m", "Conv2d", 1), LAYOUTS[kind][0], Width("dim", 16, "name"))
    return composing.resolve(Request("net.py", "after", "m", expression, **options), site)


def built(made: Component, folder: Path) -> nn.Module:
    """The module that a component makes where `dim` is 16 and `grid` is (4, 6)."""
    path = folder / f"made{len([*folder.iterdir()])}.py"
    path.write_text("\n".join([*made.imports, "import torch", "", made.code]))
    scope: dict[str, Any] = {"__name__": path.stem, "dim": 16, "grid": (4, 6), "dd": {"device": "cpu", "dtype": torch.float64}}
    exec(compile(path.read_text(), str(path), "exec"), scope)
    module: nn.Module = eval(made.construct, scope)
    generator = torch.Generator().manual_seed(0)
    for parameter in module.parameters():
        parameter.data = torch.randn(parameter.shape, generator=generator, dtype=parameter.dtype) * 0.3
    return module.eval()


class Reference:
    """The expression by hand: its parts from left to right are the children of the composed module, in their order."""

    def __init__(self, module: nn.Module, kind: str) -> None:
        self.parts = iter([m for name, m in module.named_children() if not name.startswith("project")])
        self.gains = iter([p for name, p in module.named_parameters(recurse=False) if name.startswith("gain")])
        self.projections = iter([m for name, m in module.named_children() if name.startswith("project")])
        self.dim = 1 if kind in ("NCHW", "NCL") else -1

    def __call__(self, node: Node, x: Tensor) -> Tensor:
        if isinstance(node, Leaf):
            value: Tensor = next(self.parts)(x)
        elif isinstance(node, Chain):
            value = x
            for part in node.parts:
                value = self(part, value)
        elif isinstance(node, Around):
            value = self(node.part, x)
            value = x + (value if node.how == "residual" else next(self.gains) * value)
        else:
            values = [self(part, x) for part in node.parts]
            if node.how == "cat":
                return next(self.projections)(torch.cat(values, dim=self.dim))  # type: ignore[no-any-return]
            value = values[0]
            for other in values[1:]:
                value = value + other if node.how == "+" else value * other
        return value


def check(expression: str, kind: str, folder: Path) -> None:
    module = built(component(expression, kind), folder)
    x = torch.randn(LAYOUTS[kind][1], generator=torch.Generator().manual_seed(1))
    node = expressions.parse(expression)
    wanted = module(x) if isinstance(node, Leaf) else Reference(module, kind)(node, x)
    found = module(x)
    assert found.shape == x.shape
    assert torch.equal(found, wanted)


@pytest.mark.parametrize("kind", ["NCHW", "NLC", *(pytest.param(kind, marks=pytest.mark.slow) for kind in ("NHWC", "NCL"))])
@pytest.mark.parametrize(
    "expression",
    [
        "se >> eca",
        "se + eca",
        "se * eca",
        "cat(se, eca)",
        "cat(se, eca, gate)",
        "residual(se)",
        "gate(se)",
        "scale(0.1)(se)",
        "drop_path(0.1)(se)",
        "residual(drop_path(0.1)(scale(0.5)(se >> adapter)))",
        "se(reduction=8) >> se(reduction=4) >> eca",
        "gate(se + eca) * residual(se >> cat(eca, se))",
        "se >> (eca + se) >> residual(eca)",
        "(se >> eca) + residual(se) * gate(eca)",
        "(se >> (eca >> (se + eca))) * eca",
        "gate(se >> (eca >> residual(se)))",
    ],
)
def test_the_numbers_are_those_of_the_modules_composed_by_hand(expression: str, kind: str, tmp_path: Path) -> None:
    check(expression, kind, tmp_path)


def composed() -> st.SearchStrategy[str]:
    leaves = st.sampled_from(["se", "eca", "gate", "se(reduction=8)", "adapter", "simam"])

    def grown(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
        pairs = st.tuples(inner, inner)
        return st.one_of(
            *(pairs.map(lambda p, o=o: f"({p[0]}) {o} ({p[1]})") for o in (">>", "+", "*")),  # type: ignore[misc]
            pairs.map(lambda p: f"cat({p[0]}, {p[1]})"),
            inner.map(lambda m: f"residual({m})"),
            inner.map(lambda m: f"gate(({m}))"),
            inner.map(lambda m: f"scale(0.5)({m})"),
        )

    return st.recursive(leaves, grown, max_leaves=6)


@pytest.mark.slow
@settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(expression=composed(), kind=st.sampled_from([*LAYOUTS]))
def test_so_are_those_of_nested_expressions(expression: str, kind: str, tmp_path: Path) -> None:
    check(expression, kind, tmp_path)


@pytest.mark.parametrize(
    ("expression", "lines"),
    [
        ("se >> eca", ["return self.eca(self.se(x))"]),
        ("se + cbam", ["return self.se(x) + self.cbam(x)"]),
        ("se * eca * se", ["return self.se(x) * self.eca(x) * self.se_2(x)"]),
        ("cat(se, eca)", ["return self.project(torch.cat([self.se(x), self.eca(x)], dim=1))"]),
        ("residual(se)", ["return x + self.se(x)"]),
        ("gate(se)", ["return x + self.gain.to(x.dtype) * self.se(x)"]),
        ("scale(0.1)(se)", ["return self.scale(self.se(x))"]),
        ("se >> eca + cbam", ["y = self.se(x)", "return self.eca(y) + self.cbam(y)"]),
        ("se >> residual(eca) >> residual(se)", ["y = self.se(x)", "z = y + self.eca(y)", "return z + self.se_2(z)"]),
        (
            "(se >> (eca >> se + eca)) * se",
            ["y = self.eca(self.se(x))", "return (self.se_2(y) + self.eca_2(y)) * self.se_3(x)"],
        ),
        ("(se + eca) * eca", ["return (self.se(x) + self.eca(x)) * self.eca_2(x)"]),
    ],
)
def test_the_code_reads_as_if_a_person_had_written_it(expression: str, lines: list[str]) -> None:
    made = component(expression)
    cls = next(n for n in ast.parse(made.code).body if isinstance(n, ast.ClassDef) and n.name == made.class_name)
    forward = next(n for n in cls.body if isinstance(n, ast.FunctionDef) and n.name == "forward")
    assert [ast.unparse(statement) for statement in forward.body] == lines
    assert ast.get_docstring(cls) == f"{expressions.shown(expressions.parse(expression))}, as one module."


def test_a_class_stands_once_and_its_settings_in_the_call() -> None:
    made = component("se(reduction=8) >> se >> se(4)")
    assert made.code.count("class SqueezeExcite") == 1
    for call in ("SqueezeExcite(channels)", "SqueezeExcite(channels, reduction=16)", "SqueezeExcite(channels, reduction=4)"):
        assert f"= {call}\n" in made.code


def test_the_class_takes_what_its_modules_need_and_no_more(tmp_path: Path) -> None:
    assert component("se >> eca").construct == "SeEca(dim)"
    assert component("cbam >> eca", "NLC").construct == "CbamEca(dim, grid_size=grid)"
    assert component("cbam + eca", "NLC", "**dd").construct == "CbamEca(dim, grid_size=grid, **dd)"
    module = built(component("cat(se, gate(eca))", factory="**dd"), tmp_path)
    assert {p.dtype for p in module.parameters()} == {torch.float64}


def test_users_classes_take_part(tmp_path: Path) -> None:
    folder = tmp_path / "my-own"
    folder.mkdir()
    (folder / "mine.py").write_text(MINE)
    for expression in (f"{folder}/mine.py:Mine(ratio=4) + se", f'"{folder}/mine.py:Mine"(ratio=4) + se'):
        made = component(expression)
        assert "self.mine = Mine(channels, ratio=4)" in made.code and made.class_name == "MineSe"
    (folder / "other.py").write_text(MINE.replace("Mine", "Lambda"))
    assert "self.lambda_ = Lambda(channels)" in component(f"{folder}/other.py:Lambda >> se").code
    module = built(component(f"residual({folder}/mine.py:Mine >> torch.nn:GELU)"), tmp_path)
    x = torch.randn(2, 16, 4, 6)
    assert torch.equal(module(x), x + nn.functional.gelu(x * module.get_parameter("mine.weight")))


def test_one_module_with_arguments_is_itself(tmp_path: Path) -> None:
    made = component("se(reduction=8)")
    assert made.class_name == "SqueezeExcite" and "reduction: int = 8" in made.code
    assert component("se(8)").code == made.code
    own = component("se(8)", as_class="Squeeze")
    assert own.class_name == "Squeeze" and own.name == "squeeze" and own.construct == "Squeeze(dim)"


@pytest.mark.parametrize("expression", ["se >> eca", "se + eca", "residual(se)", "cat(se, eca)"])
def test_identity_is_exact(expression: str, tmp_path: Path) -> None:
    made = component(expression, identity=True)
    path = tmp_path / "identity.py"
    path.write_text("\n".join([*made.imports, made.code]))
    scope: dict[str, Any] = {"__name__": "identity", "dim": 16}
    exec(compile(path.read_text(), str(path), "exec"), scope)
    x = torch.randn(2, 16, 4, 6)
    assert torch.equal(eval(made.construct, scope)(x), x)


@pytest.mark.filterwarnings("ignore:.*torch.jit.script:FutureWarning")
@pytest.mark.parametrize("factory", ["", "**dd"], ids=["bare", "factory"])
@pytest.mark.parametrize("expression", ["se >> eca + cbam", "gate(cat(se, eca)) * residual(drop_path(0.1)(se))"])
def test_it_can_be_scripted(expression: str, factory: str, tmp_path: Path) -> None:
    module = built(component(expression, factory=factory), tmp_path)
    x = torch.randn(2, 16, 4, 6, dtype=next(module.parameters()).dtype)
    torch.testing.assert_close(torch.jit.script(module)(x), module(x))


BAD = {
    "se >>": ", column 6: ",
    "se >> >> eca": ", column 7: ",
    "(se": ", column 1: ",
    "se - eca": ", column 1: 'se - eca' is neither a module nor a composition",
    "se >> eca.cat": ", column 7: 'eca.cat' is neither",
    "se >> eca[0]": ", column 7: 'eca[0]' is neither",
    "se + (lambda: 0)": ", column 7: 'lambda: 0' is neither",
    "se >> __import__": ", column 7: '__import__' is no name of a module",
    "__import__('os').system('x')": ", column 1: \"__import__('os').system\" is no name of a module",
    "se(reduction=print(1))": ", column 14: 'print(1)' is no value",
    "se(reduction=[x for x in y]) >> eca": ", column 14: '[x for x in y]' is no value",
    "se(8)(eca)": ", column 1: only scale and drop_path are written as se(...)(m)",
    "residual(se, eca)": ", column 1: residual takes one module",
    "gate(se, 0.1)": ", column 1: gate takes one module",
    "cat(se)": ", column 1: cat takes two modules",
    "se, eca": ", column 1: 'se, eca' is neither",
    "1 + se": ", column 1: '1' is no name of a module",
    "'se' + eca": ", column 1: \"'se'\" is no name of a module",
    "(" * 10_000 + "se" + ")" * 10_000: "it has 20,002 characters",
    "(" * 900 + "se" + ")" * 900: "nested",
    " >> ".join(["se"] * 40): "it has 40 modules, at most 32",
    "se >> eca\nse": ", column ",
    "é >> se.b": ", column 6: 'se.b' is neither",
}


@pytest.mark.parametrize("expression", BAD, ids=lambda text: text[:20])
def test_a_bad_expression_is_one_error_that_points_at_the_place(expression: str) -> None:
    with pytest.raises(CodegenError) as caught:
        expressions.called(expression)
    assert caught.value.name == "bad-expression" and BAD[expression] in caught.value.message and caught.value.hint
    assert "\n" not in caught.value.message


@pytest.mark.parametrize(
    ("expression", "name", "part"),
    [
        ("se >> nothing", "unknown-module", "no module `nothing` in the catalogue (column 7 of the module expression)"),
        ("se >> eca(reduction=3)", "unknown-argument", "`eca` has no argument `reduction` (column 7"),
        ("se(1, 2) >> eca", "unknown-argument", "se takes reduction, here it gets 2 by position"),
        ("se(**more) >> eca", "unknown-argument", "se takes reduction"),
        ("se(reduction=0) + eca", "bad-argument", "reduction must be at least 1"),
        ("missing.py:A >> se", "unknown-module", "missing.py is not a file"),
    ],
)
def test_what_a_module_refuses_is_told_with_its_place(expression: str, name: str, part: str) -> None:
    with pytest.raises(CodegenError) as caught:
        component(expression)
    assert caught.value.name == name and part in caught.value.message


def test_arguments_stand_in_one_place() -> None:
    for expression in ("se >> eca", "se(reduction=8)"):
        with pytest.raises(CodegenError, match="arg"):
            component(expression, arguments=(("reduction", "4"),))


def names() -> Iterator[tuple[str, str]]:
    yield from {
        "se": "se",
        "my.py:MyAttn": "my_attn",
        "timm.layers:EcaModule >> se": "eca_module_se",
        "residual(se >> se)": "residual_se",
        "se + eca + cbam + gc": "se_eca_more",
        "cat(se, eca)": "se_eca",
    }.items()


@pytest.mark.parametrize(
    ("expression", "name"),
    [
        ("se >> eca", "SeEca"),
        ("residual(torch.nn:BatchNorm2d >> my.py:_gate)", "ResidualBatchNorm2d_gate"),
        ("non_local + se + eca + cbam", "NonLocalSeMore"),
    ],
)
def test_what_its_class_is_called(expression: str, name: str) -> None:
    assert expressions.class_name(expression) == name


@pytest.mark.parametrize(("expression", "name"), [*names()])
def test_what_a_composition_is_called(expression: str, name: str) -> None:
    assert expressions.called(expression) == name


def test_paths_are_found_in_an_expression() -> None:
    found = expressions.mapped("/a/my-own.py:A >> se + timm.layers:B", str.upper)
    assert found == "/A/MY-OWN.PY:A >> se + TIMM.LAYERS:B"
