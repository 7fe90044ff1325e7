# model with se after 0: host BranchList, built by Net().
# Made by codegen 0.1.0 from model.py (sha256 4a75bf9d3d7857a4), changed, with
#     codegen insert model.py --class BranchList --module se --after 0
# The licence and copyright notices of the original file stay in force. Body: sha256 6cbbd2ab74493a35.
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


class SqueezeExcite(nn.Module):
    """Squeeze-and-Excitation: a gate for each channel, made of all channel means.

    Paper: Squeeze-and-Excitation Networks - https://arxiv.org/abs/1709.01507
    """

    def __init__(
        self,
        channels: int,
        reduction: int = 16,
    ) -> None:
        super().__init__()
        hidden = max(channels // reduction, 4)
        self.fc1 = nn.Conv2d(channels, hidden, kernel_size=1)
        self.act = nn.ReLU()
        self.fc2 = nn.Conv2d(hidden, channels, kernel_size=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        s = x.mean((2, 3), keepdim=True)  # (N, C, 1, 1)
        s = self.fc2(self.act(self.fc1(s))).sigmoid()
        return x * s


def load_without_se(host: nn.Module, state_dict: dict, prefix: str, *_) -> None:
    """Let a base checkpoint load strictly: without a single key of `se`, `se` keeps its values.

    A checkpoint that has some of the keys and lacks others is damaged, and stays an error.
    """
    own = {f"{prefix}se.{key}": value for key, value in host.se.state_dict().items()}
    if not own.keys() & state_dict.keys():
        state_dict.update(own)


class BranchList(nn.Sequential):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        with torch.random.fork_rng(devices=[]):  # the model draws what it drew without it
            self.se = SqueezeExcite(self[0].down.in_channels)
        self.register_load_state_dict_pre_hook(load_without_se)

    def forward(self, maps: List[torch.Tensor]) -> List[torch.Tensor]:
        for stage in self:
            if stage is self.se:
                continue
            maps = stage(maps)
            if stage is self[0]:
                maps[0] = self.se(maps[0])
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
