"""Shapes by rule on the meta device: the same as torch's own, and errors stay torch's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402
from torch.nn import functional as F  # noqa: E402

from codegen.worker.meta import RULES, Shortcuts  # noqa: E402


def on_meta(*shape: int) -> Any:
    return torch.empty(shape, device="meta")


CASES: dict[str, Callable[[], Any]] = {
    "linear": lambda: F.linear(on_meta(2, 5, 8), on_meta(3, 8), on_meta(3)),
    "layer_norm": lambda: F.layer_norm(on_meta(2, 5, 8), (8,), on_meta(8), on_meta(8)),
    "layer_norm of two dims": lambda: F.layer_norm(on_meta(2, 5, 8).transpose(0, 1), (2, 8)),
    "batch_norm": lambda: F.batch_norm(on_meta(2, 8, 4, 3), on_meta(8), on_meta(8)),
    "gelu": lambda: F.gelu(on_meta(2, 3), approximate="tanh"),
}


@pytest.mark.parametrize("case", CASES)
def test_a_rule_gives_what_torch_gives(case: str) -> None:
    expected = CASES[case]()
    with Shortcuts():
        result = CASES[case]()
    assert result.is_meta and (result.shape, result.dtype) == (expected.shape, expected.dtype)


def test_every_rule_has_a_case() -> None:
    assert {function.__name__ for function in RULES} == {name.split()[0] for name in CASES}


@pytest.mark.parametrize(
    "wrong",
    [lambda: F.linear(on_meta(2, 7), on_meta(3, 8)), lambda: F.layer_norm(on_meta(2, 7), (8,))],
)
def test_what_does_not_fit_is_torchs_own_error(wrong: Callable[[], Any]) -> None:
    with Shortcuts(), pytest.raises(RuntimeError):
        wrong()


def test_real_tensors_are_computed() -> None:
    layer, x = nn.Linear(3, 2), torch.ones(1, 3)
    expected = layer(x)
    with Shortcuts():
        assert torch.equal(layer(x), expected)
        assert torch.equal(torch.zeros(2).add_(1), torch.ones(2))
