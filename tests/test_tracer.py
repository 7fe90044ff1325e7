"""The tracer: the exact span of every call, who ran it, and what went in and out. All models are tiny and run on meta."""

from __future__ import annotations

from pathlib import Path
from textwrap import indent

import pytest

pytest.importorskip("torch")

import torch  # noqa: E402
from torch import nn  # noqa: E402

from codegen.worker import models, paths  # noqa: E402
from codegen.worker.tracer import Event, Place, tracing  # noqa: E402

NET = """\
from functools import partial, reduce

import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.checkpoint import checkpoint, checkpoint_sequential


class Pair(nn.Module):
    def forward(self, x, scale=1):
        return [1, x.int(), x * scale, x]


class Named(nn.Module):
    def forward(self, *, scale, inner):
        return {"scale": scale, "mask": inner.bool(), "map": inner}


class Block(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.conv = nn.Conv2d(width, width, 1)

    def forward(self, x):
        return x + self.conv(x)


class Special(Block):
    pass


def run(module, x):
    return module(x)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 1)
        self.norm = nn.BatchNorm2d(4)
        self.blocks = nn.ModuleList([nn.Conv2d(4, 4, 1), nn.Conv2d(4, 4, 1)])
        self.tail = nn.Sequential(nn.ReLU(), nn.Sequential(Block(4)))
        self.block = Special(4)
        self.pair = Pair()
        self.named = Named()
        self.maße = nn.ReLU()
        self.chosen = "norm"

    def several(self, x):
        for block in self.blocks:
            x = block(x)
        return x

    @torch.no_grad()
    def wrapped(self, x):
        return self.norm(x)

    @property
    def lazy(self):
        return self.norm

    def forward(self, x):
        x = self.stem(x)
        # body
"""

Seen = list[tuple[Event, str]]


def imported(folder: Path, data: bytes) -> nn.Module:
    path = folder / "net.py"
    path.write_bytes(data)
    with torch.device("meta"):
        return models.import_file(path, "traced_net").Net().eval()


def with_body(body: str) -> bytes:
    return NET.replace("        # body\n", indent(body, " " * 8) + "\n").encode()


def text_of(place: Place | None) -> str:
    """The bytes that a place's span covers, decoded; the tracer's columns count UTF-8 bytes."""
    if place is None:
        return "nowhere"
    line, end_line, column, end_column = place.position
    lines = Path(place.file).read_bytes().split(b"\n")[line - 1 : end_line]
    lines[-1] = lines[-1][:end_column]
    return b"\n".join([lines[0][column:], *lines[1:]]).decode()


def trace(folder: Path, body: str, data: bytes | None = None) -> Seen:
    """Every call of a run whose forward ends in these lines, with the source that its span covers."""
    model = imported(folder, data or with_body(body))
    with tracing(model) as recording, torch.no_grad():
        model(torch.empty(2, 3, 8, 8, device="meta"))
    return [(event, text_of(event.place)) for event in recording.events]


def calls_of(seen: Seen, module: str) -> list[tuple[str, bool]]:
    return [(text, event.place.direct) for event, text in seen if event.module == module and event.place]


LOOP = "for i, blk in enumerate(self.blocks):\n    x = blk(x)"
BRANCHES = "x = (\n    self.norm(x)\n    if x.ndim == 4\n    else self.norm(x[0])\n)"


@pytest.mark.parametrize(
    ("body", "module", "expected"),
    [
        pytest.param("x = self.norm(x)", "norm", ["self.norm(x)"], id="statement"),
        pytest.param("return self.norm(x)", "norm", ["self.norm(x)"], id="return"),
        pytest.param("x, y = self.norm(x), 1", "norm", ["self.norm(x)"], id="tuple"),
        pytest.param("x = F.relu(self.norm(x)) + x; y = x", "norm", ["self.norm(x)"], id="argument"),
        pytest.param("x = self.norm(self.norm(x))", "norm", ["self.norm(x)", "self.norm(self.norm(x))"], id="nested"),
        pytest.param("x = self.norm(\n    x  # why\n)", "norm", ["self.norm(\n            x  # why\n        )"], id="lines"),
        pytest.param(BRANCHES, "norm", ["self.norm(x)"], id="conditional expression"),
        pytest.param("for _ in range(2): x = self.norm(x)", "norm", ["self.norm(x)"] * 2, id="loop"),
        pytest.param("x = [self.norm(y) for y in [x, x]][0]", "norm", ["self.norm(y)"] * 2, id="list comprehension"),
        pytest.param("x = (lambda y: self.norm(y))(x)", "norm", ["self.norm(y)"], id="lambda"),
        pytest.param("x = getattr(self, self.chosen)(x)", "norm", ["getattr(self, self.chosen)(x)"], id="getattr"),
        pytest.param("x = self.lazy(x)", "norm", ["self.lazy(x)"], id="property"),
        pytest.param("x = self.wrapped(x)", "norm", ["self.norm(x)"], id="decorated method"),
        pytest.param("x = self.several(x)", "blocks.1", ["block(x)"], id="another method"),
        pytest.param(LOOP, "blocks.1", ["blk(x)"], id="element of a list"),
        pytest.param("x = self.blocks[-1](x)", "blocks.1", ["self.blocks[-1](x)"], id="index"),
        pytest.param("m = self.norm\nx = m(x)", "norm", ["m(x)"], id="local name"),
        pytest.param("x = Block.forward(self.block, x)", "block", [], id="a method called by hand is no module call"),
    ],
)
def test_the_span_is_the_call_expression(tmp_path: Path, body: str, module: str, expected: list[str]) -> None:
    seen = trace(tmp_path, body + "\nreturn x")
    assert calls_of(seen, module) == [(text, True) for text in expected]
    assert calls_of(seen, "stem") == [("self.stem(x)", True)]


@pytest.mark.parametrize(
    ("body", "module", "expected"),
    [
        ("x = run(self.norm, x)", "norm", "run(self.norm, x)"),
        ("x = checkpoint(self.norm, x, use_reentrant=False)", "norm", "checkpoint(self.norm, x, use_reentrant=False)"),
        ("x = checkpoint(self.norm, x, use_reentrant=True)", "norm", "checkpoint(self.norm, x, use_reentrant=True)"),
        ("x = reduce(lambda y, m: m(y), self.blocks, x)", "blocks.0", "reduce(lambda y, m: m(y), self.blocks, x)"),
    ],
)
def test_a_module_that_a_helper_runs_is_not_called_directly(tmp_path: Path, body: str, module: str, expected: str) -> None:
    assert calls_of(trace(tmp_path, body + "\nreturn x"), module) == [(expected, False)]


@pytest.mark.xfail(strict=True, reason="functions in C have no frame: it looks like the module's own call")
@pytest.mark.parametrize("call", ["partial(self.norm)(x)", "next(map(self.norm, [x]))"])
def test_a_module_that_a_function_in_c_runs_is_not_called_directly(tmp_path: Path, call: str) -> None:
    assert calls_of(trace(tmp_path, f"x = {call}\nreturn x"), "norm") == [(call, False)]


@pytest.mark.parametrize(("given", "used"), [("", "x"), ("y", "y")])
def test_a_closure_that_takes_self_along(tmp_path: Path, given: str, used: str) -> None:
    seen = trace(tmp_path, f"def inner({given}):\n    return self.norm({used})\nreturn inner({given and 'x'})")
    assert calls_of(seen, "norm") == [(f"self.norm({used})", True)]


def test_what_runs_inside_a_container_is_owned_by_it(tmp_path: Path) -> None:
    seen = trace(tmp_path, "x = self.tail(x)\nreturn x")
    found = {e.module: (e.parent, e.place.owner, e.place.method) for e, _ in seen if e.place}
    assert found["tail"] == ("", "", "Net.forward") and found["tail.0"] == ("tail", "tail", "Sequential.forward")
    assert found["tail.1.0.conv"] == ("tail.1.0", "tail.1.0", "Block.forward")
    assert calls_of(seen, "tail.1.0.conv") == [("self.conv(x)", True)]


def test_an_inherited_forward_is_named_after_the_class_that_defines_it(tmp_path: Path) -> None:
    seen = trace(tmp_path, "return self.block(x)")
    (place,) = (event.place for event, _ in seen if event.module == "block.conv")
    assert place is not None and (place.method, place.owner) == ("Block.forward", "block")


def test_the_calls_come_in_the_order_in_which_they_end_and_the_model_last(tmp_path: Path) -> None:
    seen = trace(tmp_path, "return self.norm(self.block(x))")
    assert [event.module for event, _ in seen] == ["stem", "block.conv", "block", "norm", ""]
    assert seen[-1][0].place is None


@pytest.mark.parametrize(
    ("body", "module", "names"),
    [
        (LOOP, "blocks.0", {"blk": "blocks.0"}),
        ("layer = self.tail\nx = layer[1][0](x)", "tail.1.0", {"layer": "tail"}),
        ("other = self.norm\nx = self.block(x)", "block", {}),
        ("m = self.norm\nx = m(x)", "norm", {"m": "norm"}),
    ],
)
def test_local_names_that_hold_the_module_or_one_around_it(
    tmp_path: Path, body: str, module: str, names: dict[str, str]
) -> None:
    places = {event.module: event.place for event, _ in trace(tmp_path, body + "\nreturn x")}
    place = places[module]
    assert place is not None and dict(place.names) == names


@pytest.mark.parametrize(
    ("call", "module", "argument", "kind", "index", "shape"),
    [
        ("self.norm(x)", "norm", "", "tensor", "", (2, 4, 8, 8)),
        ("self.pair(x)", "pair", "", "list", "2", (2, 4, 8, 8)),
        ("self.pair(scale=2, x=x)", "pair", "x", "list", "2", (2, 4, 8, 8)),
        ("self.named(scale=None, inner=x)", "named", "inner", "dict", "map", (2, 4, 8, 8)),
    ],
)
def test_which_argument_and_which_part_of_the_output_is_the_tensor(  # noqa: PLR0913
    tmp_path: Path, call: str, module: str, argument: str, kind: str, index: str, shape: tuple[int, ...]
) -> None:
    events = {event.module: event for event, _ in trace(tmp_path, f"y = {call}\nreturn x")}
    event = events[module]
    assert event.input_argument == (argument or "0")
    assert (event.input_shape, event.output_shape) == (shape, shape)
    assert (event.output_kind, event.output_index) == (kind, index)


def test_a_module_run_by_its_forward_is_recorded_too(tmp_path: Path) -> None:
    seen = trace(tmp_path, "x = self.norm.forward(x)\nreturn self.tail.forward(x)")
    names = [event.module for event, _ in seen]
    assert names.count("norm") == names.count("tail") == names.count("stem") == 1


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("größe = x; ünï = F.relu(self.maße(größe))\nreturn ünï", "self.maße(größe)"),
        ("x = ('日本', '🙂', self.maße(x))[2]\nreturn x", "self.maße(x)"),
        ("if True:\n\tx = ['é',\tself.maße(\tx\t)][1]\nreturn x", "self.maße(\tx\t)"),
    ],
)
@pytest.mark.parametrize("start", [b"", b"\xef\xbb\xbf"], ids=["plain", "bom"])
@pytest.mark.parametrize("end", [b"\n", b"\r\n"], ids=["lf", "crlf"])
def test_columns_count_bytes(tmp_path: Path, body: str, expected: str, start: bytes, end: bytes) -> None:
    data = start + with_body(body).replace(b"\n", end)
    assert calls_of(trace(tmp_path, "", data), "maße") == [(expected, True)]


CHECKPOINTING = """\
if self.checkpointing:
    return checkpoint_sequential(self.tail, 1, x, use_reentrant=False)
return self.tail(x)

checkpointing = False

def set_grad_checkpointing(self, enable=True):
    self.checkpointing = enable
"""


def test_the_checkpointed_run_of_a_path_is_recorded_where_it_stands(tmp_path: Path) -> None:
    body, setter = CHECKPOINTING.split("\n\n", 1)
    text = NET.replace("        # body\n", indent(body, " " * 8) + "\n" + indent(setter, " " * 4))
    model = imported(tmp_path, text.encode())
    inputs: paths.Inputs = ((torch.empty(2, 3, 8, 8, device="meta"),), {})
    found = {}
    for path in filter(lambda path: path.offered(model), paths.PATHS):
        with tracing(model) as recording:
            paths.run(path, model, paths.given(path, model, inputs))
        found[path.name] = calls_of([(event, text_of(event.place)) for event in recording.events], "tail.0")
    assert set(found) == {"forward", "forward (train)", "forward (checkpointing)"}
    assert found["forward (checkpointing)"] == [("checkpoint_sequential(self.tail, 1, x, use_reentrant=False)", False)]
    assert not model.training and not model.checkpointing


def test_tracing_changes_nothing_and_ends(tmp_path: Path) -> None:
    model = imported(tmp_path, with_body("return self.norm(x)"))
    model = model.to_empty(device="cpu").requires_grad_(False)
    for parameter in model.parameters():
        parameter.fill_(0.5)
    model.norm.reset_running_stats()
    x, before = torch.ones(1, 3, 2, 2), nn.Module.__call__
    expected = model(x)
    with tracing(model, places=False) as recording:
        assert torch.equal(model(x), expected)
        nn.ReLU()(x)  # a module of somebody else
    assert [event.module for event in recording.events] == ["stem", "norm", ""]
    assert all(event.place is None for event in recording.events)
    with pytest.raises(RuntimeError), tracing(model):
        model(torch.ones(1, 7, 2, 2))
    assert nn.Module.__call__ is before


def test_a_method_that_is_called_past_the_module_is_still_the_modules() -> None:
    """x = blk.tapped(x) runs no `__call__` of blk; what it runs is run by blk."""

    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.norm = nn.LayerNorm(4)

        def tapped(self, x: torch.Tensor) -> torch.Tensor:
            return self.norm(x)

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.blk = Block()

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.blk.tapped(x)

    net = Net()
    with tracing(net) as recording:
        net(torch.zeros(2, 4))
    (event,) = [e for e in recording.events if e.module == "blk.norm"]
    assert event.place is not None
    assert (event.place.owner, event.place.method.rpartition(".")[2], event.place.direct) == ("blk", "tapped", True)
