"""Models for the tests of sweeps: a small net with two stages of blocks, and modules of a person's own."""

from __future__ import annotations

from pathlib import Path

NET = '''"""A net."""

import torch.nn as nn


class Block(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.conv = nn.Conv2d(dim, dim, 3, padding=1)
        self.norm = nn.BatchNorm2d(dim)

    def forward(self, x):
        return x + self.norm(self.conv(x)).relu()


class Net(nn.Module):
    def __init__(self, dim=8):
        super().__init__()
        self.stem = nn.Conv2d(3, dim, 3, padding=1)
        self.layer1 = nn.Sequential(Block(dim), Block(dim))
        self.down = nn.Conv2d(dim, 2 * dim, 2, stride=2)
        self.layer2 = nn.Sequential(Block(2 * dim), Block(2 * dim))
        self.head = nn.Linear(2 * dim, 10)

    def forward(self, x):
        x = self.layer1(self.stem(x))
        x = self.layer2(self.down(x))
        return self.head(x.mean((2, 3)))
'''
MINE = """import torch.nn as nn


class Mine(nn.Module):
    def __init__(self, channels, ratio=2):
        super().__init__()
        self.weigh = nn.Conv2d(channels, channels * ratio, 1)
        self.back = nn.Conv2d(channels * ratio, channels, 1)

    def forward(self, x):
        return x * self.back(self.weigh(x)).sigmoid()
"""
INPUT = "1x3x16x16"


def written(folder: Path) -> Path:
    """net.py and mine.py in a folder."""
    (folder / "mine.py").write_text(MINE)
    path = folder / "net.py"
    path.write_text(NET)
    return path
