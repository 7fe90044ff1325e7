"""naming: attributes and classes that clash with nothing in the file."""

from __future__ import annotations

import ast

import pytest

from codegen import naming
from codegen.errors import CodegenError
from codegen.syntax import Code
from codegen.types import Component

NET = """
class Net(nn.Module):
    se3: int = 0

    def __init__(self):
        self.gate = 1

    def eca(self, x):
        return self.head_bias + x
"""
SE = "class SE(nn.Module):\n    def forward(self, x):\n        return x\n"


def attribute(wanted: str, *children: str, fixed: bool = False) -> str:
    cls = ast.parse(NET).body[0]
    assert isinstance(cls, ast.ClassDef)
    return naming.attribute(wanted, cls, children, fixed)


def component(code: str, construct: str = "SE(dim)", class_name: str = "SE") -> Component:
    return Component("se", class_name, construct, code=code)


def test_an_attribute_is_no_keyword() -> None:
    assert attribute("lambda") == "lambda_"  # of a class Lambda


@pytest.mark.parametrize(
    ("wanted", "children", "found"),
    [
        pytest.param("se", (), "se", id="free"),
        pytest.param("gate", (), "gate2", id="assigned in the class"),
        pytest.param("head_bias", (), "head_bias2", id="only read in the class"),
        pytest.param("eca", (), "eca2", id="a method"),
        pytest.param("se3", (), "se32", id="a class variable"),
        pytest.param("se", ("se",), "se2", id="a child that another file made"),
        pytest.param("se", ("se", "se2"), "se4", id="the next free number"),
    ],
)
def test_a_name_that_is_taken_gets_a_number(wanted: str, children: tuple[str, ...], found: str) -> None:
    assert attribute(wanted, *children) == found


@pytest.mark.parametrize("wanted", ["gate", "head_bias", "eca", "se3", "child", "2se", "a.b", "", "a b"])
def test_a_name_that_the_user_chose_is_refused_instead(wanted: str) -> None:
    with pytest.raises(CodegenError) as caught:
        attribute(wanted, "child", fixed=True)
    assert caught.value.name == "name-clash" and "--name" in caught.value.hint


def test_a_free_name_that_the_user_chose_is_taken() -> None:
    assert attribute("attention", fixed=True) == "attention"


@pytest.mark.parametrize("wanted", ["class", "None", "lambda"])
def test_a_keyword_is_no_attribute_name(wanted: str) -> None:
    with pytest.raises(CodegenError):
        attribute(wanted, fixed=True)


@pytest.mark.parametrize("wanted", ["training", "eval", "register_buffer", "_modules"])
def test_a_name_of_torchs_own_module_class_is_taken(wanted: str) -> None:
    with pytest.raises(CodegenError):
        attribute(wanted, fixed=True)


def test_nothing_clashes() -> None:
    wanted = component(SE)
    assert naming.fitted(wanted, Code("import torch\n\n\nclass Net:\n    pass\n")) == wanted


def test_an_equal_definition_is_reused_whatever_its_layout_and_comments() -> None:
    there = "# theirs\nclass SE( nn.Module ):\n  def forward(self, x): return x  # as it is\n"
    fitted = naming.fitted(component(SE), Code("import torch\n"), Code(there))
    assert (fitted.code.strip(), fitted.construct, fitted.class_name) == ("", "SE(dim)", "SE")


def test_the_comment_behind_a_definition_that_is_left_out_goes_with_it() -> None:
    own = f"{SE.rstrip()}  # (N, C)\n\n\nLIMIT = 4  # of all\n"
    fitted = naming.fitted(component(own), Code(SE))
    assert fitted.code == "LIMIT = 4  # of all\n"


def test_a_function_of_ours_is_renamed_where_the_file_has_another_one() -> None:
    made = ("place_se(self)", "def place_se(host):\n    return host[0]\n")
    assert naming.apart(made, Code("import torch\n")) == naming.apart(made, Code(f"x = 1\n{made[1]}")) == made
    other = Code("def place_se(host):\n    return host[1]\n")
    assert naming.apart(made, other) == ("place_se2(self)", "def place_se2(host):\n    return host[0]\n")


def test_a_different_definition_is_renamed_in_code_and_construct() -> None:
    fitted = naming.fitted(component(SE + "\n\nSE.kind = SE.__name__\n"), Code("class SE:\n    pass\n\n\nSE2 = 1\n"))
    assert "class SE3(nn.Module)" in fitted.code and "SE3.kind = SE3.__name__" in fitted.code
    assert (fitted.construct, fitted.class_name) == ("SE3(dim)", "SE3")


@pytest.mark.parametrize("taken", ["from timm.layers import SE", "SE = None", "def SE():\n    pass", "if x:\n    SE = 1"])
def test_whatever_holds_the_name_in_the_file_keeps_it(taken: str) -> None:
    assert naming.fitted(component(SE), Code(taken + "\n")).construct == "SE2(dim)"


@pytest.mark.parametrize(("read", "name"), [("SE", "SE2"), ("Conv2d", "SE")])
def test_a_name_that_may_come_from_a_star_import_keeps_its_meaning(read: str, name: str) -> None:
    text = f"from torch.nn import *\n\n\nclass Net(Module):\n    def __init__(self):\n        self.m = {read}()\n"
    assert naming.fitted(component(SE), Code(text)).construct == f"{name}(dim)"


def test_a_helper_is_renamed_where_the_class_uses_it_and_an_equal_one_left_out() -> None:
    code = "def gate(x):\n    return x\n\n\ndef scale(x):\n    return 2 * x\n\n\n"
    code += "class SE(nn.Module):\n    def forward(self, x):\n        return scale(gate(x))\n"
    fitted = naming.fitted(component(code), Code("def gate(x):\n    return -x\n\n\ndef scale(x):\n    return 2 * x\n"))
    assert "def gate2(x)" in fitted.code and "return scale(gate2(x))" in fitted.code and "def scale" not in fitted.code
    assert fitted.construct == "SE(dim)"


def test_an_importable_class_has_no_code_to_fit() -> None:
    imported = Component("eca", "EcaModule", "EcaModule(dim)", ("from timm.layers import EcaModule",))
    assert naming.fitted(imported, Code("class EcaModule:\n    pass\n")).code == ""


def test_an_equal_class_over_a_different_helper_is_not_the_same_class() -> None:
    code = "def gate(x):\n    return x\n\n\nclass SE(nn.Module):\n    def forward(self, x):\n        return gate(x)\n"
    fitted = naming.fitted(component(code), Code(code.replace("return x\n", "return -x\n", 1)))
    assert "class SE2" in fitted.code and fitted.construct == "SE2(dim)"


def test_a_new_name_does_not_hit_another_of_the_modules_own() -> None:
    code = "class Gate:\n    pass\n\n\nclass Gate2:\n    pass\n\n\nclass SE:\n    parts = Gate, Gate2\n"
    defined = [n.name for n in ast.parse(naming.fitted(component(code), Code("Gate = 1\n")).code).body]  # type: ignore[attr-defined]
    assert len(set(defined)) == 3


def test_an_argument_of_the_same_name_as_a_renamed_helper_stays_an_argument() -> None:
    code = "def gate(x):\n    return x\n\n\ndef twice(gate):\n    return 2 * gate\n"
    scope: dict[str, object] = {}
    exec(naming.fitted(component(code, "twice(1)", "twice"), Code("gate = 1\n")).code, scope)
    assert eval("twice(1)", scope) == 2


def test_a_class_attribute_of_the_same_name_as_a_renamed_helper_stays_one() -> None:
    code = "def gate(x):\n    return 2 * x\n\n\nclass SE:\n    gate = 5\n\n"
    code += "    def __call__(self):\n        return gate(self.gate)\n"
    scope: dict[str, object] = {}
    exec(naming.fitted(component(code, "SE()"), Code("gate = 1\n")).code, scope)
    assert eval("SE()()", scope) == 10
