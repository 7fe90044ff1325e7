"""`--emit-groups`: the method that gives the new parameters, where it stands and which it means."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from codegen import groups
from codegen.rewrite import apply
from codegen.syntax import Code
from codegen.worker.checks.groups import check
from codegen.worker.subject import Plan

MODEL = """class Net(nn.Module):
    depth = 2

    def __init__(self):
        super().__init__()
        self.a = 1

    def forward(self, x):
        return x
"""


def planned(text: str, *, own: bool = True) -> str:
    code = Code(text)
    cls = code.tree.body[0]
    assert isinstance(cls, ast.ClassDef)
    return apply(text, [groups.plan(code, cls, ("se",), own=own)])


def test_it_stands_behind_init() -> None:
    made = planned(MODEL)
    assert made.startswith(MODEL.partition("\n    def forward")[0] + "\n    def new_parameters(self):\n")
    assert "\n\n    def forward" in made and 'name.startswith("se.")' in made
    assert '"se" in name.split(".")' in planned(MODEL, own=False)


WITHOUT_INIT = MODEL.partition("    def __init__")[0] + "    def f(self):\n        pass"


@pytest.mark.parametrize("text", [MODEL.rstrip("\n"), WITHOUT_INIT])
def test_a_class_that_ends_the_file(text: str) -> None:
    assert "def new_parameters" in planned(text)
    ast.parse(planned(text))


def test_a_second_one_has_another_name() -> None:
    assert "def new_parameters2(self)" in planned(planned(MODEL))


class Net(nn.Module):
    def __init__(self, wrong: str = "") -> None:
        super().__init__()
        self.se, self.other, self.wrong = nn.Linear(1, 1), nn.Linear(1, 1), wrong

    def new_parameters(self) -> list[tuple[str, torch.nn.Parameter]]:
        return [(n, p) for n, p in self.named_parameters() if n.startswith(self.wrong or "se.")]


class Base(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.other = nn.Linear(1, 1)


Base.__qualname__ = "Net"  # the class has one name in both files


class Given:
    """Both models, in place of a Subject that would build them."""

    plan = Plan("Base()", "Net()", "Net", "other", "se", "Linear", "after", "", groups="new_parameters")

    def __init__(self, variant: nn.Module, base: nn.Module) -> None:
        self.models = {"variant": variant, "base": base}

    def shown(self, which: str) -> nn.Module:
        return self.models[which]

    full = shown


@pytest.mark.parametrize(("wrong", "status"), [("", "passed"), ("other.", "failed"), ("s", "passed"), ("nothing", "failed")])
def test_the_check_compares_it_with_the_base(wrong: str, status: str) -> None:
    assert check(Given(Net(wrong), Base())).status == status  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("matcher", "detail"),
    [
        ({"stem": r"^other|^se"}, "(fine and coarse)"),
        ({"stem": r"^other"}, "se.weight is in layer 1, other.bias in 0"),
        ({"stem": [(r"^other", (1,)), (r"^se", (2,))]}, "se.weight is in layer 1"),
        ({"first": r"^root", "stem": r"^other|^se"}, "other.weight was in layer 0, and is in 1"),
    ],
)
def test_the_check_asks_the_library_for_the_layers(matcher: dict[str, Any], detail: str) -> None:
    pytest.importorskip("timm")
    variant, base = Net(), Base()
    variant.group_matcher = lambda coarse: matcher  # type: ignore[assignment]
    base.group_matcher = lambda coarse: {"stem": r"^other"}  # type: ignore[assignment]
    base.root = nn.Parameter(torch.zeros(1))
    variant.root = nn.Parameter(torch.zeros(1))
    assert detail in check(Given(variant, base)).detail  # type: ignore[arg-type]


def test_the_golden_case_has_it() -> None:
    text = (Path(__file__).parent / "cases" / "plain_vit" / "adapter_with_groups.py").read_text(encoding="utf-8")
    assert "--emit-groups" in text.partition("import")[0] and text.count("def new_parameters(self):") == 1
