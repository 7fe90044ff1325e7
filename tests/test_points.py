"""Places between modules: found in the code, measured in the model by a module that runs there, named by what is seen."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import Run
from oracle import Point, compare, load

from codegen import points, selection
from codegen.worker import models
from codegen.worker import points as marks

NET = '''
import torch
from torch import nn


class Block(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.mlp = nn.Linear(dim, dim)

    def forward(self, x):
        y = self.mlp(x)
        y += x
        return torch.relu(y + self.mlp(y))


class Net(nn.Module):
    def __init__(self, dim=8, cls_token=True):
        super().__init__()
        self.cls_token = cls_token
        self.proj = nn.Conv2d(3, dim, 4, 4)
        self.pos_embed = nn.Parameter(torch.randn(1, 16, dim))
        self.blocks = nn.Sequential(Block(dim), Block(dim))
        self.head = nn.Linear(dim, 5)

    def _embed(self, x):
        x = self.proj(x).flatten(2).transpose(1, 2)
        if self.cls_token:
            x = x + self.pos_embed
        else:
            x = x + self.pos_embed
            x = x * 1.0
        return x

    def forward(self, x):
        x = self.blocks(self._embed(x))
        mean, peak = x.mean(1), x.amax(1)
        return self.head(mean + peak)
'''


def class_of(body: str) -> ast.ClassDef:
    text = "class A:\n    def forward(self, x, y):\n" + "".join(f"        {line}\n" for line in body.splitlines())
    node = ast.parse(text).body[0]
    assert isinstance(node, ast.ClassDef)
    return node


def texts(body: str, syntax: str, ignore: tuple[str, ...] = ()) -> list[list[str]]:
    return [[ast.unparse(n) for n in p.nodes] for p in points.found(class_of(body), ignore) if p.syntax == syntax]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("x = x + y + 1", [["x + y + 1"]]),  # the outermost one
        ("x += y", [["x += y"]]),
        ("x.data += y", []),  # no name that could be bound anew
        ("return self.act(x + y)", [["x + y"]]),
        ("if self.a:\n    x = x + y\nelse:\n    x = x + y", [["x + y", "x + y"]]),  # one of them runs
        ("x = x + y\nx = x + y", [["x + y"], ["x + y"]]),  # both run
        ("if self.a:\n    x = x + y\nx = x + y", [["x + y"], ["x + y"]]),
        ("return [a + b for a, b in x]", []),  # a frame of its own
    ],
)
def test_sums_of_a_method(body: str, expected: list[list[str]]) -> None:
    assert texts(body, "sum") == expected


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("x = x.mean(1)", [["x"]]),
        ("x = torch.flatten(x, 1)", [["x"]]),
        ("x = self.pool(x)", [["x"]]),
        ("return x[:, 0]", [["x"]]),
        ("x = x[:, 1:].mean(dim=1)", [["x[:, 1:]"], ["x"]]),
        ("x = self.norm(x).mean(dim=1)", [["self.norm(x)"], ["x"]]),
        ("x = super().forward(x)", [["x"]]),
        ("x[0] = 1", []),
    ],
)
def test_operands_of_a_method(body: str, expected: list[list[str]]) -> None:
    assert texts(body, "operand") == expected


def test_calls_of_children() -> None:
    body = "x = self.a(self.b(x))\ny = [self.a(z) for z in x]\nreturn torch.relu(self.a(x)) + self.other.a(x)"
    assert texts(body, "call a") == [["self.a(self.b(x))"], ["self.a(x)"]]
    assert texts(body, "call b") == [["self.b(x)"]] and texts(body, "call b", ignore=("b",)) == []


def test_calls_of_the_inserted_module_are_no_operands() -> None:
    plain = texts("x = x[:, 1:].mean(dim=1)", "operand")
    assert [p[0] for p in texts("x = self.se(x[:, 1:]).mean(dim=1)", "operand", "se")] == ["self.se(x[:, 1:])", plain[1][0]]


def test_names_of_places() -> None:
    assert selection.internal("blocks.*@residual1") == "blocks.*.@residual1"
    assert selection.internal("@pool") == "@pool"
    assert selection.shown("blocks.0.@residual1") == "blocks.0@residual1"
    assert selection.internal("layer1.*.relu@2") == "layer1.*.@relu@2" == selection.internal("layer1.*.@relu@2")
    assert selection.internal("relu@2") == "@relu@2" and selection.shown("@relu@2") == "relu@2"
    names = ["blocks", "blocks.0", "blocks.0.attn", "blocks.0.@residual1", "blocks.0.@attn@2"]
    assert selection.select(names, "blocks.0@residual1") == ["blocks.0.@residual1"]
    assert selection.select(names, "blocks.0.*") == ["blocks.0.attn"]  # places are named
    assert selection.select(names, "blocks.*@residual*") == ["blocks.0.@residual1"]


@pytest.fixture
def net(tmp_path: Path) -> Any:
    path = tmp_path / "net.py"
    path.write_text(NET, encoding="utf-8")
    return models.import_file(path, "net_of_points")


def test_places_of_a_model_are_named_by_what_is_seen(net: Any) -> None:
    model, image = net.Net(), torch.randn(2, 3, 16, 16)
    plain = model(image)
    own = net.Block.forward.__code__
    with marks.marked(model, ((image,), {})):
        other = models.build(net, "Net()")
        other.load_state_dict(model.state_dict())
        names = [name for name, _ in other.named_modules() if selection.SIGN in name]
        assert torch.equal(other(image), plain)
    assert names == [
        *(f"blocks.{i}.{place}" for i in (0, 1) for place in ("@residual1", "@residual2", "@mlp@1", "@mlp@2")),
        "@position",
        "@pool",
    ]
    assert net.Block.forward.__code__ is own and not marks.MARKS
    assert torch.equal(model(image), plain)


def test_what_is_marked_for_good_stays(net: Any, tmp_path: Path) -> None:
    """A base is kept for later variants, while other models are looked at."""
    kept = models.import_file(Path(net.__file__), "kept_of_points")
    key = {"method": "_embed", "syntax": "sum", "index": "0"}
    marks.mark(kept.Net, "@position", key)
    with marks.marked(net.Net(), ((torch.randn(2, 3, 16, 16),), {})):
        pass
    assert "@position" in dict(models.build(kept, "Net()").named_children())
    with pytest.raises(LookupError):
        marks.mark(kept.Net, "@position", {**key, "index": "7"})
    marks.MARKS.clear()


@pytest.mark.parametrize(
    ("name", "method", "expected"),
    [
        ("@residual1", "Block", [(16, 8)]),
        ("@mlp@2", "Block", [(16, 8)]),
        ("@position", "Net", [(16, 8)]),
        ("@pool", "Net", [(16, 8)]),
    ],
)
def test_the_module_at_a_place_gets_its_tensor(net: Any, name: str, method: str, expected: Any) -> None:
    image, seen = torch.randn(2, 3, 16, 16), []
    with marks.marked(net.Net(), ((image,), {})):
        model = models.build(net, "Net()")
        place = model.get_submodule(name if method == "Net" else f"blocks.0.{name}")
        place.register_forward_hook(lambda module, args, output: seen.append(tuple(args[0].shape[1:])))
        changed = model.eval()(image)
        place.register_forward_hook(lambda module, args, output: output * 2)
        assert not torch.equal(model(image), changed)  # what it returns is what the model goes on with
    assert seen == expected * 2




def variant(tmp_path: Path, codegen: Run, *words: str) -> str:
    (tmp_path / "net.py").write_text(NET, encoding="utf-8")
    (tmp_path / "scale.py").write_text(
        "import torch\nfrom torch import nn\n\n\nclass Scale(nn.Module):\n    def __init__(self, dim):\n"
        "        super().__init__()\n        self.gain = nn.Parameter(torch.full((dim,), 0.5))\n\n"
        "    def forward(self, x):\n        return x * self.gain\n",
        encoding="utf-8",
    )
    how = ("-o", "out.py", "--input", "1x3x16x16")
    done = codegen("insert", "net.py", "--module", "scale.py:Scale", *words, *how, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    return (tmp_path / "out.py").read_text(encoding="utf-8")


@pytest.mark.slow
def test_both_branches_get_the_module(tmp_path: Path, codegen: Run) -> None:
    text = variant(tmp_path, codegen, "--after", "@position")
    assert text.count("x = x + self.pos_embed\n            x = self.scale(x)\n") == 2


@pytest.mark.parametrize(
    ("site", "line"),
    [
        ("blocks.*.mlp@1", "        y = self.mlp(x)\n        y = self.scale(y)\n"),
        ("blocks.*.mlp@2", "        return torch.relu(y + self.scale(self.mlp(y)))\n"),
    ],
)
@pytest.mark.slow
def test_one_of_several_calls(tmp_path: Path, codegen: Run, site: str, line: str) -> None:
    text = variant(tmp_path, codegen, "--after", site)
    assert line in text and text.count("self.scale(") == 1


@pytest.mark.slow
def test_the_oracle_sees_the_place_too(tmp_path: Path, codegen: Run) -> None:
    """It catches the sum by itself; behind another one it finds a difference."""
    variant(tmp_path, codegen, "--after", "blocks.*@residual1")
    base, made = load(str(tmp_path / "net.py")), load(str(tmp_path / "out.py"))
    file = base.__file__ or ""
    lines = NET.splitlines()
    first = next(i for i, line in enumerate(lines, 1) if "y += x" in line)
    at = Point(file, "Block.forward", (first, 8, first, 14))
    other = Point(file, "Block.forward", (first + 1, 26, first + 1, 41))
    shape = (2, 3, 16, 16)

    def found(point: Point) -> list[str]:
        return compare(base, made, "Net()", "Net()", "@residual1", "scale", "after", shape, host="Block", point=point)

    assert found(at) == []
    assert "differs" in " ".join(found(other))


@pytest.mark.parametrize(
    ("words", "name"),
    [
        (("insert", "--module", "se", "--before", "blocks.*@residual1"), "between-modules"),
        (("insert", "--module", "se", "--beside", "@position"), "between-modules"),
        (("replace", "--module", "se", "--site", "@position"), "between-modules"),
        (("insert", "--module", "se", "--after", "blocks.*@nothing"), "unknown-site"),
    ],
)
@pytest.mark.slow
def test_what_a_place_is_not(tmp_path: Path, codegen: Run, words: tuple[str, ...], name: str) -> None:
    (tmp_path / "net.py").write_text(NET, encoding="utf-8")
    done = codegen(words[0], "net.py", *words[1:], "--input", "1x3x16x16", cwd=tmp_path)
    assert done.returncode == 2 and f"error[{name}]".encode() in done.stderr and b"hint: " in done.stderr
