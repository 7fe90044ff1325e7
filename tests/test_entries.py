"""What builds a source's model when nobody says so: the gathering class, factories that return it, the entry that is named."""

from __future__ import annotations

import ast
import sys
from types import ModuleType

import pytest

pytest.importorskip("torch")

from codegen.errors import CodegenError  # noqa: E402
from codegen.worker import entries  # noqa: E402

HEAD = """
from torch import nn
from torch.nn import Identity

RAN = []


class Block(nn.Module):
    pass


class Net(nn.Module):
    def __init__(self, depth=2):
        super().__init__()
        self.blocks = nn.ModuleList([Block() for _ in range(depth)])


"""
NEEDY = HEAD.replace("depth=2", "depth")


def loaded(text: str) -> tuple[ModuleType, ast.Module]:
    module = ModuleType("entry_net")
    exec(text, vars(module))
    return module, ast.parse(text)


def builds(text: str, entry: str = "", host: str = "") -> list[str]:
    return entries.build_expressions(loaded(text)[0], text, entry, host)


def factories(text: str, name: str = "Net") -> list[str]:
    return list(entries.factory_functions(*loaded(text), name))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(HEAD, ["Net", "Block"], id="the class that uses the others"),
        pytest.param(HEAD + "class Head(Net): pass\n", ["Head", "Net", "Block"], id="a subclass uses its base"),
        pytest.param(HEAD + "class Loss(nn.Module): pass\n", ["Net", "Loss", "Block"], id="a class that stands alone"),
        pytest.param(HEAD + "class Other(nn.Module):\n    part = Block\n", ["Other", "Net", "Block"], id="the last of several"),
        pytest.param("from torch import nn\nclass A(nn.Module): pass\nclass B(nn.Module): pass", ["B", "A"], id="all alone"),
        pytest.param(HEAD + "class Config: block = Net\n", ["Net", "Block"], id="other classes do not count"),
        pytest.param(HEAD.replace("Block()", "make(Block)"), ["Net", "Block"], id="handed to a helper"),
    ],
)
def test_the_last_class_that_gathers_others_comes_first(text: str, expected: list[str]) -> None:
    assert entries.gathering_classes(*loaded(text)) == expected


@pytest.mark.parametrize(
    ("functions", "expected"),
    [
        pytest.param("def net(): return Net(3)", ["net"], id="direct"),
        pytest.param("def net(**kwargs): return Net(3, **kwargs)", ["net"], id="keywords"),
        pytest.param(
            "def _make(cls, **kw): return cls(**kw)\ndef net(pretrained=False): return _make(Net)",
            ["net"],
            id="handed over",
        ),
        pytest.param("def _net(depth): return Net(depth)\ndef net(): return _net(3)", ["net"], id="through another"),
        pytest.param("def net(): return _net(3)\ndef _net(depth): return Net(depth)", ["net"], id="defined below"),
        pytest.param("def net():\n    model = Net(3)\n    model.eval()\n    return model", ["net"], id="a local"),
        pytest.param("def net():\n    args = dict(depth=3)\n    return _make(variant='x', cls=Net)", ["net"], id="by keyword"),
        pytest.param("def net(depth): return Net(depth)", [], id="needs an argument"),
        pytest.param("def net(): return Block()", [], id="another class"),
        pytest.param("def net():\n    Net(3)", [], id="returns nothing"),
        pytest.param("def small(): return Net(1)\ndef large(): return Net(9)", ["small", "large"], id="several"),
    ],
)
def test_factories_return_the_class(functions: str, expected: list[str]) -> None:
    assert factories(NEEDY + functions + "\n") == expected


@pytest.mark.parametrize(
    "function",
    [
        "def net():\n    model: nn.Module = Net(3)\n    return model",
        "def net(): return Net(3).eval()",
        "def net(tiny=False): return Net(1) if tiny else Net(3)",
    ],
)
def test_factories_that_are_written_otherwise(function: str) -> None:
    assert factories(NEEDY + function + "\n") == ["net"]


@pytest.mark.parametrize(
    ("text", "entry", "host", "expected"),
    [
        pytest.param(HEAD, "", "", ["Net()", "Block()"], id="constructor"),
        pytest.param(HEAD + "def net(): return Net(3)", "", "", ["Net()", "net()", "Block()"], id="constructor before factory"),
        pytest.param(NEEDY + "def net(): return Net(3)", "", "", ["net()", "Block()"], id="constructor needs something"),
        pytest.param(
            NEEDY.replace("class Block", "class Spare(nn.Module): pass\n\n\nclass Block"),
            "",
            "",
            ["Spare()", "Block()"],
            id="next class",
        ),
        pytest.param(HEAD + "def net(): return Net(3)", "net", "", ["net()"], id="named function"),
        pytest.param(HEAD + "def net(): return Net(3)", "Net", "", ["Net()", "net()"], id="named class"),
        pytest.param(HEAD, "Block", "", ["Block()"], id="named inner class"),
        pytest.param(HEAD + "def block(): return Block()", "", "Block", ["Block()", "block()", "Net()"], id="--class"),
        pytest.param(
            "from torch import nn\nclass Only(nn.Module):\n    def __init__(self, n): pass",
            "",
            "",
            ["Only()"],
            id="nothing fits",
        ),
        pytest.param(HEAD, "Identity", "", ["Identity()"], id="an imported class that is named"),
    ],
)
def test_build_expressions_best_first(text: str, entry: str, host: str, expected: list[str]) -> None:
    assert builds(text, entry, host) == expected


def test_main_and_other_functions_are_never_called() -> None:
    main = "def main():\n    RAN.append(1)\n    model = Net(3)\n    print(model)\nmake = lambda: RAN.append(2)\n"
    guard = "def net():\n    RAN.append(3)\n    return Net(3)\nif __name__ == '__main__':\n    main()\n"
    module, _ = loaded(HEAD + main + guard)
    assert entries.build_expressions(module, HEAD + main + guard, "", "") == ["Net()", "net()", "Block()"]
    assert module.RAN == []


@pytest.mark.parametrize("main", ["def main():\n    model = Net(3)\n    RAN.append(1)\n    return model\n"])
def test_a_main_that_returns_its_model_is_no_factory(main: str) -> None:
    assert "main()" not in builds(NEEDY + main)


@pytest.mark.parametrize(
    ("text", "entry", "host", "said", "hint"),
    [
        (HEAD, "Nett", "", "has no Nett", "Net"),
        (HEAD + "def net_tiny(): return Net()", "net_tyny", "", "has no net_tyny", "net_tiny"),
        (HEAD, "", "Blocks", "has no Blocks", "Block"),
        ("x = 1\n", "", "", "no nn.Module class", "--build"),
        ("from torch.nn import Linear\n", "", "", "no nn.Module class", "--build"),
    ],
)
def test_a_name_that_is_not_there_is_refused_with_what_is_near(  # noqa: PLR0913
    text: str, entry: str, host: str, said: str, hint: str
) -> None:
    with pytest.raises(CodegenError) as caught:
        builds(text, entry, host)
    assert caught.value.name == "host-not-found"
    assert said in caught.value.message and hint in caught.value.hint
    assert sys.modules.get("entry_net") is None
