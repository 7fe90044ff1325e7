"""What a site receives in a tuple, a list or a dict: the tensor in it goes through the module, or runs beside the site."""

from __future__ import annotations

from textwrap import dedent
from typing import Any

import pytest
import torch
from conftest import Run
from small_host import INIT, edited, held, host, make_site, seen
from test_beside import edited as beside
from torch import nn

from codegen import fitting, rewrite, syntax
from codegen.errors import CodegenError
from codegen.ops import insert, whole
from codegen.traced import TracedModule
from codegen.types import Request
from codegen.worker import tracer
from codegen.worker.checks import _sites

LIST = {"input_kind": "list", "input_index": "0"}
TUPLE = {"input_kind": "tuple", "input_index": "1"}
DICT = {"input_kind": "dict", "input_index": "out"}


@pytest.mark.parametrize(
    ("line", "wanted", "kind"),
    [
        ("x = self.m(x)", "x = [self.se(x[0]), *x[1:]]\nx = self.m(x)", LIST),
        ("x = self.m(x)", "x = (*x[:1], self.se(x[1]), *x[2:])\nx = self.m(x)", TUPLE),
        ("x = self.m(x)", 'x = {**x, "out": self.se(x["out"])}\nx = self.m(x)', DICT),
        ("return self.m(y)", "return self.m([self.se(y[0]), *y[1:]])", LIST),
        ("return self.m([f(x), y])", "return self.m([self.se(f(x)), y])", LIST),
        ("return self.m((x, y))", "return self.m((x, self.se(y)))", TUPLE),
        ("return self.m({'out': x, 'aux': y})", "return self.m({'out': self.se(x), 'aux': y})", DICT),
        (
            "y = [m(x) for m in (self.m, self.b)]",
            "y = [m([self.se(x[0]), *x[1:]] if m is self.m else x) for m in (self.m, self.b)]",
            LIST,
        ),
        ("y = self.m(f(x))", "m_in = f(x)\nm_in = [self.se(m_in[0]), *m_in[1:]]\ny = self.m(m_in)", LIST),
    ],
)
def test_before(line: str, wanted: str, kind: dict[str, str]) -> None:
    code = host(f"def forward(self, x, y):\n    {line}")
    call = {"text": "m(x)", "names": (("m", "m"),)} if " for " in line else {"text": line[line.index("self.m") :]}
    text = edited(code, [seen(code, **call)], "before", make_site(**kind))
    assert text == "def forward(self, x, y):\n" + "".join(f"    {each}\n" for each in wanted.split("\n")).rstrip("\n")


def test_what_has_no_name_and_cannot_get_one_first() -> None:
    code = host("def forward(self, x):\n    return g(x) if self.on else self.m(f(x))")
    with pytest.raises(CodegenError, match="receives a list that has no name"):
        edited(code, [seen(code, "self.m(f(x))")], "before", make_site(**LIST))


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("return self.m(x)", "return self.m(x) + self.se(x[0])"),
        ("return self.m(f(x))", "m_in = f(x)\nreturn self.m(m_in) + self.se(m_in[0])"),
    ],
)
def test_beside(line: str, wanted: str) -> None:
    text = beside(f"def forward(self, x):\n    {line}", line.removeprefix("return "), **LIST)
    assert text == "def forward(self, x):\n" + "".join(f"    {each}\n" for each in wanted.split("\n")).rstrip("\n")


def test_beside_a_site_that_returns_a_tuple_too() -> None:
    kinds = {"output_kind": "tuple", "output_index": "0", "input_kind": "tuple", "input_index": "0"}
    text = beside("def forward(self, x):\n    x = self.m(x)\n    return x", **kinds)
    lines = ["x_in = x[0]", "x = self.m(x)", "x = (x[0] + self.se(x_in), *x[1:])", "return x"]
    assert text == "\n    ".join(["def forward(self, x):", *lines])


@pytest.mark.parametrize(
    ("combine", "wanted"),
    [
        ("", "x = (self.se(x[0]), *x[1:])\ny = x[0] + x[1]\nreturn y"),
        ("add", "x_in = x[0]\ny = x[0] + x[1]\nreturn y + self.se(x_in)"),
    ],
)
def test_in_the_forward_of_the_object_itself(combine: str, wanted: str) -> None:
    code = host("def forward(self, x):\n    y = x[0] + x[1]\n    return y")
    cls = syntax.find_class(code, "Net")
    assert cls is not None
    site = make_site(input_kind="tuple", input_index="0")
    edits = whole.plan(insert.Place(code, cls, site, held("se"), ("self.se(x)",), False, combine))
    text = dedent(rewrite.apply(code.text, edits)[len(INIT) :]).strip("\n")
    assert text == "\n    ".join(["def forward(self, x):", *wanted.split("\n")])


@pytest.mark.parametrize(
    ("args", "wanted"),
    [
        (([torch.ones(1), torch.ones(2)],), ("0", "list", "0", (1,))),
        (({"sizes": 3, "out": torch.ones(2)}, 4), ("0", "dict", "out", (2,))),
        ((5, (torch.ones(3),)), ("1", "tuple", "0", (3,))),
        (([torch.ones(1)], torch.ones(2)), ("1", "tensor", "", (2,))),  # a bare tensor comes first
        ((5,), ("", "tensor", "", None)),
    ],
)
def test_which_tensor_a_module_receives(args: Any, wanted: Any) -> None:
    argument, kind, index, tensor = tracer._received(args, {})
    assert (argument, kind, index, tensor if tensor is None else tuple(tensor.shape)) == wanted


def test_the_contract_changes_that_tensor_and_no_other() -> None:
    class Site(nn.Module):
        def forward(self, size: int, maps: Any) -> Any:
            return maps

    plan: Any = type("Plan", (), {"input_argument": "1", "input_index": "0"})
    given = [torch.ones(1), torch.ones(2)]
    args, _ = _sites._change_argument(Site(), plan, ((3, given), {}), lambda value: value + 1)
    assert [t.tolist() for t in args[1]] == [[2.0], [1.0, 1.0]] and given[0].tolist() == [1.0]


def test_a_dataclass_and_other_operations_are_refused() -> None:
    module = TracedModule("neck", "Neck", 1, (2, 8), (2, 8), input_kind="dataclass", input_index="out")
    with pytest.raises(CodegenError, match="receives a dataclass, not a tensor"):
        fitting.demand_tensor(Request("net.py", "before", "neck"), module)
    with pytest.raises(CodegenError, match="receives a list, not a tensor"):
        fitting.demand_tensor(Request("net.py", "replace", "neck"), TracedModule("neck", "Neck", 1, (2, 8), (2, 8), **LIST))
    fitting.demand_tensor(Request("net.py", "after", "neck"), module)


FILE = """\
import torch
from torch import nn


class Neck(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.conv = nn.Conv2d(width, width, 1)

    def forward(self, maps):
        return self.conv(maps["fine"]) + maps["coarse"]


class Net(nn.Module):
    def __init__(self, width=16):
        super().__init__()
        self.stem = nn.Conv2d(3, width, 4, 4)
        self.neck = Neck(width)

    def forward(self, x):
        x = self.stem(x)
        maps = {"fine": x, "coarse": x.mean((2, 3), keepdim=True)}
        return self.neck(maps)
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("operation", "line"),
    [
        ("--before", 'return self.neck({**maps, "fine": self.se(maps["fine"])})'),
        ("--beside", 'return self.neck(maps) + self.se(maps["fine"])'),
    ],
)
def test_it_is_proved(codegen: Run, tmp_path: Any, operation: str, line: str) -> None:
    (tmp_path / "net.py").write_text(FILE, encoding="utf-8")
    words = ("--input", "1x3x32x32", "--module", "se", operation, "neck", "-o", "out.py")
    done = codegen("insert", "net.py", *words, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert line in (tmp_path / "out.py").read_text(encoding="utf-8")
