# model with eca after 0: host DenseList, built by Net().
# Made by codegen 0.1.0 from model.py (sha256 4a75bf9d3d7857a4), changed, with
#     codegen insert model.py --class DenseList --module eca --after 0
# The licence and copyright notices of the original file stay in force. Body: sha256 39a99435b5bd0f6d.
"""A list of stages that hands on two maps, and a dense one that collects what its layers give."""
import math
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


class EfficientChannelAttention(nn.Module):
    """Efficient Channel Attention: a gate for each channel, made of adjacent means.

    Paper: ECA-Net: Efficient Channel Attention - https://arxiv.org/abs/1910.03151
    """

    def __init__(
        self,
        channels: int,
        gamma: int = 2,
        beta: int = 1,
    ) -> None:
        super().__init__()
        t = int((math.log2(channels) + beta) / gamma)
        kernel_size = max(t if t % 2 else t + 1, 3)
        padding = kernel_size // 2
        self.conv = nn.Conv1d(1, 1, kernel_size, padding=padding, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        s = x.mean((2, 3)).unsqueeze(1)  # (N, 1, C)
        s = self.conv(s).sigmoid()
        return x * s.transpose(1, 2).unsqueeze(3)  # (N, C, 1, 1)


def load_without_eca(host: nn.Module, state_dict: dict, prefix: str, *_) -> None:
    """Let a base checkpoint load strictly: without a single key of `eca`, `eca` keeps its values.

    A checkpoint that has some of the keys and lacks others is damaged, and stays an error.
    """
    own = {f"{prefix}eca.{key}": value for key, value in host.eca.state_dict().items()}
    if not own.keys() & state_dict.keys():
        state_dict.update(own)


class DenseList(nn.Sequential):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        with torch.random.fork_rng(devices=[]):  # the model draws what it drew without it
            self.eca = EfficientChannelAttention(self[0].out_channels)
        self.register_load_state_dict_pre_hook(load_without_eca)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        found = [x]
        for i, layer in enumerate(self):
            if layer is self.eca:
                continue
            found.append((self.eca(layer(found[i])) if layer is self[0] else layer(found[i])))
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
