"""A list of stages that hands on two maps, and a dense one that collects what its layers give."""
from typing import List

import torch
from torch import nn


class Exchange(nn.Module):
    def __init__(self, wide: int, narrow: int) -> None:
        super().__init__()
        self.down = nn.Conv2d(wide, narrow, 3, stride=2, padding=1)
        self.up = nn.Conv2d(narrow, wide, 1)

    def forward(self, maps: List[torch.Tensor]) -> List[torch.Tensor]:
        fine, coarse = maps
        grown = nn.functional.interpolate(self.up(coarse), scale_factor=2)
        return [fine + grown, coarse + self.down(fine)]


class BranchList(nn.Sequential):
    def forward(self, maps: List[torch.Tensor]) -> List[torch.Tensor]:
        for stage in self:
            maps = stage(maps)
        return maps


class DenseList(nn.Sequential):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        found = [x]
        for i, layer in enumerate(self):
            found.append(layer(found[i]))
        return torch.cat(found, dim=1)


class Net(nn.Module):
    def __init__(self, wide: int = 8, narrow: int = 16, num_classes: int = 10) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, wide, 4, stride=4)
        self.shrink = nn.Conv2d(wide, narrow, 3, stride=2, padding=1)
        self.stages = BranchList(Exchange(wide, narrow), Exchange(wide, narrow))
        self.dense = DenseList(nn.Conv2d(narrow, narrow, 1), nn.Conv2d(narrow, narrow, 1))
        self.fc = nn.Linear(3 * narrow, num_classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.stem(x)
        _, coarse = self.stages([x, self.shrink(x)])
        return self.fc(self.dense(coarse).mean((2, 3)))
