"""DropBlock once more, slowly: in training, what is dropped is squares, as often as the paper says."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

SETTINGS = {"p": "0.2", "block_size": "3"}


def parameters(c: int) -> int:
    return 0


def equation(module: Any, x: Tensor) -> Tensor:
    return x


def trained(module: Any, x: Tensor) -> None:
    """Each zero lies in a block of zeros; of a map the expected share is a little below p, for blocks overlap."""
    torch.manual_seed(3)
    rows, columns, size = 5, 7, 3
    many = torch.cat([x] * 40)
    done = module(many)
    if x.ndim == 3:  # tokens, behind two others that stay
        assert torch.equal(done[:, :2], many[:, :2])
        many, done = (t[:, 2:].transpose(1, 2).unflatten(2, (rows, columns)) for t in (many, done))
    elif x.shape[1] == rows:
        many, done = (t.permute(0, 3, 1, 2) for t in (many, done))
    factors = done / many
    dropped = factors == 0
    share = dropped.float().mean()
    torch.testing.assert_close(factors[~dropped], (1 / (1 - share)).expand(int((~dropped).sum())), rtol=1e-3, atol=1e-3)
    whole = torch.stack([  # for each place where a block may begin, whether all of it is zero
        torch.stack([dropped[:, :, i : i + size, j : j + size].flatten(2).all(2) for j in range(columns - size + 1)], 2)
        for i in range(rows - size + 1)
    ], 2)  # fmt: skip
    covered = torch.zeros_like(dropped)
    for i in range(rows - size + 1):
        for j in range(columns - size + 1):
            covered[:, :, i : i + size, j : j + size] |= whole[:, :, i, j, None, None]
    assert torch.equal(covered, dropped)
    gamma = 0.2 * rows * columns / (size**2 * (rows - size + 1) * (columns - size + 1))
    # a position is kept where no block that could cover it begins
    kept = [(1 - gamma) ** (reach(i, rows, size) * reach(j, columns, size)) for i in range(rows) for j in range(columns)]
    assert abs(share - (1 - sum(kept) / len(kept))) < 0.01
    assert len({tuple(image.flatten().tolist()) for image in dropped[0]}) > 10, "each channel has blocks of its own"


def reach(i: int, length: int, size: int) -> int:
    """How many of the places where a block may begin cover position i."""
    return sum(begin <= i < begin + size for begin in range(length - size + 1))
