"""A small model, modules of which some end, hang or fill the process that runs them, and cells made of both."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from codegen import commandlines
from codegen.limits import Limits
from codegen.sweeps.rows import Base, Cell, Row

NET = """
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self, width=16, classes=5):
        super().__init__()
        self.stem = nn.Conv2d(3, width, 3, padding=1)
        self.act = nn.ReLU()
        self.body = nn.Conv2d(width, width, 3, padding=1)
        self.fc = nn.Linear(width, classes)

    def forward(self, x):
        x = self.act(self.stem(x))
        x = self.body(x)
        return self.fc(x.mean((2, 3)))
"""
MODULES = """
import ctypes
import os
import time

import torch
from torch import nn


class Good(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(channels, 1, 1))

    def forward(self, x):
        return x * self.scale


class Exits(Good):
    def forward(self, x):
        os._exit(3)


class Segfaults(Good):
    def forward(self, x):
        ctypes.string_at(0)
        return x


class Hangs(Good):
    def forward(self, x):
        time.sleep(1000)
        return x


class Eats(Good):
    def forward(self, x):
        return x + torch.ones(1 << 34)[0]


class Raises(Good):
    def __init__(self, channels):
        raise RuntimeError("not today")
"""
INPUT = "1x3x16x16"


def written(folder: Path) -> None:
    (folder / "net.py").write_text(NET)
    (folder / "mods.py").write_text(MODULES)


def cells(
    modules: Iterable[str], sites: Iterable[str] = ("stem",), *, seconds: float = 60.0, memory: int = 0, source: str = "net.py"
) -> list[Cell]:
    """A cell of each module at each site; a name in capitals is a class of `mods.py`."""
    found: list[Cell] = []
    for module in modules:
        for site in sites:
            named = f"mods.py:{module}" if module[0].isupper() else module
            words = [source, "--module", named, "--after", site, "--input", INPUT, "--keep", "used"]
            request = replace(commandlines.parsed("insert", words, {})[0], limits=Limits(seconds, memory))
            found.append(Cell(len(found), f"key {len(found)}", request))
    return found


def rows(found: Iterable[Row | Base]) -> dict[int, Row]:
    """The rows by their numbers; each comes once."""
    every = [each for each in found if isinstance(each, Row)]
    assert len({row.number for row in every}) == len(every)
    return {row.number: row for row in every}
