"""Shapes by rule on the meta device: the same as torch's own, and errors stay torch's."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402
from torch.nn import functional as F  # noqa: E402

from codegen.worker.meta import RULES, Shortcuts  # noqa: E402


def on_meta(*shape: int) -> Any:
    return torch.empty(shape, device="meta")


FLIPPED = on_meta(2, 8, 4, 3).permute(0, 2, 3, 1)  # channels last, as a view
CASES: dict[str, Callable[[], Any]] = {
    "linear": lambda: F.linear(on_meta(2, 5, 8), on_meta(3, 8), on_meta(3)),
    "matmul": lambda: on_meta(2, 3, 5, 8) @ on_meta(2, 3, 8, 4),
    "matmul with a broadcast": lambda: on_meta(3, 5, 8) @ on_meta(8, 4),
    "conv1d": lambda: F.conv1d(on_meta(2, 8, 9), on_meta(4, 8, 3), padding=1),
    "conv2d": lambda: F.conv2d(on_meta(2, 8, 9, 7), on_meta(4, 2, 3, 2), None, (2, 1), 1, 1, 4),
    "conv2d dilated": lambda: F.conv2d(on_meta(2, 8, 9, 9), on_meta(4, 8, 3, 3), on_meta(4), dilation=2),
    "conv2d by name": lambda: F.conv2d(on_meta(2, 8, 9, 9), on_meta(4, 8, 3, 3), padding="same"),
    "conv3d": lambda: F.conv3d(on_meta(2, 3, 5, 9, 9), on_meta(4, 3, 1, 3, 3), stride=[2]),
    "layer_norm": lambda: F.layer_norm(on_meta(2, 5, 8), (8,), on_meta(8), on_meta(8)),
    "layer_norm of two dims": lambda: F.layer_norm(on_meta(2, 5, 8).transpose(0, 1), (2, 8)),
    "batch_norm": lambda: F.batch_norm(on_meta(2, 8, 4, 3), on_meta(8), on_meta(8)),
    "cat": lambda: torch.cat([on_meta(2, 3, 4), on_meta(2, 5, 4)], dim=1),
    "cat along the last": lambda: torch.cat((on_meta(2, 3), on_meta(2, 5)), -1),
    "cat of an empty one": lambda: torch.cat([on_meta(0), on_meta(2, 5)]),
    "cat of an expanded one": lambda: torch.cat([on_meta(1, 1, 4).expand(2, -1, -1), on_meta(2, 5, 4)], dim=1),
    "reshape": lambda: FLIPPED.transpose(1, 2).reshape(2, -1, 4),
    "reshape to one": lambda: FLIPPED.reshape([-1]),
    "reshape of a view": lambda: on_meta(2, 6).reshape((3, 4)),
    "contiguous": FLIPPED.contiguous,
    "group_norm": lambda: F.group_norm(on_meta(2, 8, 5, 3), 4, on_meta(8), on_meta(8)),
    "batch_norm of weights": lambda: F.batch_norm(on_meta(1, 8, 12), None, None, training=True),
    "interpolate": lambda: F.interpolate(on_meta(2, 8, 5, 3), (9, 4), mode="bilinear", align_corners=False),
    "interpolate by a factor": lambda: F.interpolate(on_meta(2, 8, 5, 3), scale_factor=1.5),
    "interpolate one number": lambda: F.interpolate(on_meta(2, 8, 5, 3), size=7, mode="bicubic"),
    "interpolate a clip": lambda: F.interpolate(on_meta(2, 8, 4, 5, 3), scale_factor=(1, 2, 2), mode="trilinear"),
    "interpolate channels last": lambda: F.interpolate(
        on_meta(2, 8, 5, 3).contiguous(memory_format=torch.channels_last), scale_factor=2
    ),
    "lstm": lambda: nn.LSTM(8, 6, batch_first=True, bidirectional=True).to("meta")(on_meta(2, 5, 8))[0],
    "lstm's state": lambda: nn.LSTM(8, 6, num_layers=2, proj_size=3).to("meta")(on_meta(5, 2, 8))[1][1],
    "gru": lambda: nn.GRU(8, 6, bidirectional=True).to("meta")(on_meta(5, 2, 8))[0],
    "gru's state": lambda: nn.GRU(8, 6, 2, batch_first=True).to("meta")(on_meta(2, 5, 8))[1],
    "mean": lambda: on_meta(2, 8, 4, 3).mean((2, 3), keepdim=True),
    "mean of the last": lambda: on_meta(2, 8, 4).mean(-1),
    "mean over no dims": lambda: on_meta(2, 8, 4).mean(()),
    "mean of all": lambda: on_meta(2, 8, 4).mean(),
    "scaled_dot_product_attention": lambda: F.scaled_dot_product_attention(*[on_meta(2, 3, 5, 8)] * 3),
    "scaled_dot_product_attention with a mask": lambda: F.scaled_dot_product_attention(
        *[on_meta(2, 3, 5, 8)] * 3, attn_mask=on_meta(1, 3, 5, 5)
    ),
    "relu": lambda: F.relu(on_meta(2, 3), inplace=True),
    "gelu": lambda: F.gelu(FLIPPED, approximate="tanh"),
    "softmax": lambda: on_meta(2, 3, 4).softmax(dim=-1),
    "softmax to another type": lambda: F.softmax(on_meta(2, 3), dim=1, dtype=torch.float64),
    "add": lambda: on_meta(2, 8, 1, 3) + on_meta(4, 1),
    "add of numbers": lambda: on_meta(2, 3) + 1,
    "add of types": lambda: on_meta(2, 3).half() + on_meta(3),
    "add of a view": lambda: on_meta(1, 1, 1, 8) + FLIPPED,
    "mul": lambda: FLIPPED * 0.5,
    "sub": lambda: 1 - on_meta(2, 3),
    "div": lambda: torch.div(torch.empty(2, 3, dtype=torch.long, device="meta"), 2, rounding_mode="floor"),
    "div of expanded": lambda: on_meta(2, 1).expand(2, 3) / on_meta(2, 3),
}


@pytest.mark.parametrize("case", CASES)
def test_a_rule_gives_what_torch_gives(case: str) -> None:
    expected = CASES[case]()
    with Shortcuts():
        result = CASES[case]()
    assert result.is_meta
    assert (result.shape, result.dtype, result.stride()) == (expected.shape, expected.dtype, expected.stride())


def test_every_rule_has_a_case() -> None:
    """Pointwise functions and arithmetic share theirs."""
    assert {RULES[name.split()[0].removesuffix("'s")] for name in CASES} == {*RULES.values()}


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: F.linear(on_meta(2, 7), on_meta(3, 8)),
        lambda: F.layer_norm(on_meta(2, 7), (8,)),
        lambda: F.group_norm(on_meta(2, 7, 3), 2),
        lambda: F.conv2d(on_meta(2, 7, 9, 9), on_meta(3, 8, 1, 1)),
        lambda: F.conv2d(on_meta(2, 8, 2, 2), on_meta(3, 8, 3, 3)),
        lambda: on_meta(2, 3) + on_meta(2, 4),
        lambda: on_meta(2, 3) @ on_meta(4, 3),
        lambda: FLIPPED.reshape(5, -1),
        lambda: FLIPPED.reshape(3, 3),
        lambda: torch.cat([on_meta(2, 3), on_meta(3, 4)], 1),
        lambda: F.scaled_dot_product_attention(*[on_meta(2, 3, 5, 8)] * 3, attn_mask=on_meta(1, 3, 7, 7)),
        lambda: F.scaled_dot_product_attention(on_meta(2, 3, 5, 8), on_meta(2, 3, 6, 8), on_meta(2, 3, 7, 8)),
    ],
)
def test_what_does_not_fit_is_torchs_own_error(wrong: Callable[[], Any]) -> None:
    with Shortcuts(), pytest.raises(RuntimeError):
        wrong()


def test_a_dim_that_is_not_there_is_torchs_own_error() -> None:
    with Shortcuts(), pytest.raises(IndexError):
        on_meta(2, 3).mean(5)


def test_real_tensors_are_computed() -> None:
    layer, x = nn.Linear(3, 2), torch.ones(1, 3)
    expected = layer(x)
    with Shortcuts():
        assert torch.equal(layer(x), expected)
        assert torch.equal(torch.zeros(2).add_(1), torch.ones(2))


@pytest.mark.slow
def test_the_compiler_is_not_imported_for_a_plain_model() -> None:
    code = """
import sys, torch
from torch import nn
from codegen.worker.meta import Shortcuts
with torch.device("meta"), Shortcuts(), torch.no_grad():
    block = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten(2), nn.Linear(36, 8)).eval()
    x = block(torch.empty(2, 3, 8, 8))
    x = torch.cat([x, x * 2 + x], dim=1).mean(1).softmax(-1)
print(tuple(x.shape), "torch._dynamo" in sys.modules, "sympy" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "(2, 8) False False"
