"""modules: a --module expression becomes the constructor call that a person would write; no argument becomes code."""

from __future__ import annotations

import ast
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from codegen import components, expressions
from codegen.errors import CodegenError
from codegen.traced import HostClass, Layout, TracedModule, Width
from codegen.types import Component, Request, Site

SITE = Site(
    "m",
    "m",
    HostClass("Net", "net.py", 1, ("",)),
    TracedModule("m", "Conv2d", 1),
    Layout("NCHW"),
    Width("dims[-1]", 32, "name"),
)


UserClass = Callable[..., str]


def component(module: str, *arguments: tuple[str, str], identity: bool = False) -> Component:
    return components.resolve(Request("net.py", "after", "m", module, arguments=arguments, identity=identity), SITE)


@pytest.fixture
def user_class(tmp_path: Path) -> UserClass:
    """user_class(parameters) -> the module expression of a class with such a constructor."""

    def write(parameters: str, body: str = "super().__init__()", head: str = "from torch import nn\n") -> str:
        path = tmp_path / "mine.py"
        path.write_text(f"{head}\n\nclass Mine(nn.Module):\n    def __init__(self, {parameters}):\n        {body}\n")
        return f"{path}:Mine"

    return write


@pytest.mark.parametrize(
    "name",
    [
        "channel",
        "channels",
        "dim",
        "in_channels",
        "in_planes",
        "inplanes",
        "inp",
        "in_chs",
        "in_ch",
        "in_dim",
        "in_features",
        "d_model",
        "embed_dim",
        "hidden_dim",
        "num_features",
        "num_channels",
        "planes",
        "c1",
        "in_c",
        "nf",
        "n_feat",
        "width",
        "whatever",
    ],
)
def test_the_first_positional_argument_takes_the_channels_whatever_its_name(name: str, user_class: UserClass) -> None:
    assert component(user_class(f"{name}, reduction=16")).construct == "Mine(dims[-1])"


@pytest.mark.parametrize(
    ("parameters", "construct"),
    [
        ("kernel_size=3, channels=64", "Mine(channels=dims[-1])"),
        ("reduction=4, *, dim", "Mine(dim=dims[-1])"),
        ("inp, oup, stride=1", "Mine(dims[-1], oup=dims[-1])"),
        ("c1, c2", "Mine(dims[-1], c2=dims[-1])"),
        ("in_channels, out_channels=None", "Mine(dims[-1], out_channels=dims[-1])"),
        ("in_planes, planes", "Mine(dims[-1], planes=dims[-1])"),
        ("inplanes, planes, stride=1", "Mine(dims[-1], planes=dims[-1])"),
        ("dim, num_heads=8", "Mine(dims[-1])"),
        ("**kwargs", "Mine()"),
        ("p=0.5", "Mine()"),
    ],
)
def test_the_channels_are_recognised(parameters: str, construct: str, user_class: UserClass) -> None:
    assert component(user_class(parameters)).construct == construct


@pytest.mark.parametrize(
    ("arguments", "construct"),
    [
        ([("reduction", "8")], "Mine(dims[-1], reduction=8)"),
        ([("channels", "{width}")], "Mine(dims[-1])"),
        ([("channels", "{width} // 2")], "Mine(dims[-1] // 2)"),
        ([("channels", "64")], "Mine(64)"),
        ([("act", "relu")], "Mine(dims[-1], act='relu')"),
        ([("act", "'relu'")], "Mine(dims[-1], act='relu')"),
        ([("size", "(3, 5)"), ("reduction", "1e-3")], "Mine(dims[-1], reduction=0.001, size=(3, 5))"),
        ([("reduction", "-1")], "Mine(dims[-1], reduction=-1)"),
        ([("act", "None")], "Mine(dims[-1], act=None)"),
    ],
)
def test_arguments(arguments: list[tuple[str, str]], construct: str, user_class: UserClass) -> None:
    made = component(user_class("channels, reduction=16, act='gelu', size=None"), *arguments)
    assert ast.dump(ast.parse(made.construct)) == ast.dump(ast.parse(construct))


def test_width_in_an_argument_counts_as_the_channels(user_class: UserClass) -> None:
    assert component(user_class("size, kernel=3"), ("size", "{width}")).construct == "Mine(dims[-1])"


def test_an_argument_that_is_missing_is_named(user_class: UserClass) -> None:
    with pytest.raises(CodegenError) as caught:
        component(user_class("channels, grid"))
    assert caught.value.name == "no-channel-argument" and "--arg grid=" in caught.value.hint


def test_an_argument_that_does_not_exist_is_named(user_class: UserClass) -> None:
    with pytest.raises(CodegenError) as caught:
        component(user_class("channels, reduction=4"), ("reducton", "8"))
    assert caught.value.name == "unknown-argument" and "reduction" in caught.value.hint


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os').system('x')", "exit()", "(lambda: 1)()", "[f() for f in x]", "1); import os; (",
        "a\nimport os", "x if y else z()",
        "f'{exit()}'", "'a' + str(exit())", "#", "", "\\", "'''", "(yield)", "await x", "x := 3", "*a",
        "\x00", "self.__class__()",
    ],
)  # fmt: skip
def test_no_argument_becomes_a_call_or_a_second_statement(text: str, user_class: UserClass) -> None:
    try:
        made = component(user_class("channels, act=None"), ("act", text))
    except CodegenError:
        return
    tree = ast.parse(made.construct)
    assert len(tree.body) == 1
    nodes = list(ast.walk(tree))
    assert len([n for n in nodes if isinstance(n, ast.Call)]) == 1
    assert not [
        n for n in nodes if isinstance(n, (ast.Lambda, ast.comprehension, ast.NamedExpr, ast.Yield, ast.JoinedStr))
    ]


@pytest.mark.parametrize(
    "module",
    [
        "x.py:A; import os",
        "my.py:",
        ":",
        "torch.nn:Dropout()",
        "os:system('x')",
        "torch.nn:no_such",
        "a b",
        "",
        "SE",
        "../se",
        "se\n",
    ],
)
def test_what_is_no_module_is_an_error_with_a_hint(module: str) -> None:
    with pytest.raises(CodegenError) as caught:
        component(module)
    assert caught.value.name == "unknown-module" and caught.value.hint


def test_a_class_that_the_file_lacks_gets_the_nearest_names(user_class: UserClass) -> None:
    with pytest.raises(CodegenError) as caught:
        component(user_class("channels").replace(":Mine", ":Mime"))
    assert caught.value.name == "unknown-module" and "Mine" in caught.value.hint


def test_torch_nn_is_imported_the_usual_way() -> None:
    made = component("torch.nn:Dropout", ("p", "0.1"))
    assert (made.name, made.construct, made.imports, made.code) == (
        "dropout",
        "nn.Dropout(0.1)",
        ("from torch import nn",),
        "",
    )


def test_torch_nn_class_with_a_width() -> None:
    assert component("torch.nn:BatchNorm2d").construct == "nn.BatchNorm2d(dims[-1])"
    assert (
        component("torch.nn:Conv2d", ("kernel_size", "1")).construct
        == "nn.Conv2d(dims[-1], out_channels=dims[-1], kernel_size=1)"
    )


def test_a_re_exported_class_is_found_and_imported() -> None:
    made = component("timm.layers:CbamModule")
    assert made.construct == "CbamModule(dims[-1])"
    scope: dict[str, object] = {}
    exec("\n".join(made.imports), scope)
    assert "CbamModule" in scope


def test_a_public_name_is_imported_from_where_the_user_named_it() -> None:
    assert component("timm.layers:SEModule").imports == ("from timm.layers import SEModule",)


def test_the_users_class_comes_with_exactly_what_it_needs(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text(
        textwrap.dedent(
            """
            import json, math
            import torch.nn.functional as F
            from torch import nn

            SIZE = 4
            OTHER = 5


            def helper(x):
                return math.ceil(x / SIZE)


            def unused(x):
                return json.dumps(OTHER)


            class Base(nn.Module):
                pass


            # what the paper calls A
            class Mine(Base):
                def __init__(self, dim):
                    super().__init__()
                    self.fc = nn.Linear(dim, helper(dim))

                def forward(self, x):
                    OTHER = F.relu(x)  # a local, not the constant
                    return OTHER


            class Later(Mine):
                pass
            """
        )
    )
    made = component(f"{path}:Mine")
    names = [getattr(n, "name", "SIZE") for n in ast.parse(made.code).body]
    assert names == ["SIZE", "helper", "Base", "Mine"]
    assert "# what the paper calls A\nclass Mine" in made.code
    assert sorted(made.imports) == ["from torch import nn", "import math", "import torch.nn.functional as F"]


def test_the_file_of_the_users_class_is_never_run(user_class: UserClass) -> None:
    made = component(user_class("channels", head="raise SystemExit\nfrom torch import nn\n"))
    assert "SystemExit" not in made.code


@pytest.mark.parametrize(
    ("name", "attribute"),
    [
        ("CbamModule", "cbam_module"),
        ("SEBlock", "se_block"),
        ("ECA", "eca"),
        ("MyAttnV2", "my_attn_v2"),
        ("se", "se"),
        ("_Gate", "gate"),
    ],
)
def test_attribute_names(name: str, attribute: str) -> None:
    assert expressions.attribute_name(name) == attribute


def test_identity_of_a_users_class_is_a_gate_of_zero(user_class: UserClass) -> None:
    made = component(user_class("channels"), identity=True)
    assert made.construct == "ZeroGate(Mine(dims[-1]))" and made.code.count("class ") == 2
    assert max(map(len, made.code.splitlines())) <= 120
