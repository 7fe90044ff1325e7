# model with eca after stems.0.0,3: host PartialNet, built by PartialNet().
# Made by codegen 0.1.0 from model.py (sha256 b2827306b14557d0), changed, with
#     codegen insert model.py --input 1x3x64x64 --module eca --after stems.0.0,3
# The licence and copyright notices of the original file stay in force. Body: sha256 5757748b1a07f04f.
import math
from functools import partial

import torch
import torch.nn as nn


class Stage(nn.Module):
    """Only stages that halve the map have a downsampling list; the first keeps what it gets."""

    def __init__(self, dim_in, dim_out, stride):
        super().__init__()
        if stride == 1:
            self.down = nn.Identity()
        else:
            self.down = nn.Sequential(nn.BatchNorm2d(dim_in), nn.Conv2d(dim_in, dim_out, 2, stride))
        self.mix = nn.Conv2d(dim_out, dim_out, 3, padding=1, groups=dim_out)

    def forward(self, x):
        x = self.down(x)
        return x + self.mix(x)


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


def load_without(attribute: str, host: nn.Module, state_dict: dict, prefix: str, *_) -> None:
    """Let a base checkpoint load strictly: without a single key of the module `attribute`, that keeps its values.

    A checkpoint that has some of the keys and lacks others is damaged, and stays an error.
    """
    own = {f"{prefix}{attribute}.{key}": value for key, value in getattr(host, attribute).state_dict().items()}
    if not own.keys() & state_dict.keys():
        state_dict.update(own)


def place_behind(host: nn.Module, attribute: str, site: str) -> None:
    """Register a module right behind another one, the site.

    The host runs the children in the order of their registration.
    """
    children = host._modules
    names = [name for name in children if name != attribute]
    for name in names[names.index(site) + 1 :]:
        children[name] = children.pop(name)


class PartialNet(nn.Module):
    def __init__(self, dims=(16, 32, 64), num_classes=10):
        super().__init__()
        self.stems = nn.ModuleList([
            nn.Sequential(nn.Conv2d(3, dims[0], 3, 2, 1), nn.BatchNorm2d(dims[0]), nn.ReLU(), nn.Conv2d(dims[0], dims[0], 3, 1, 1)),
            nn.Sequential(nn.Conv2d(dims[0], dims[0], 1), nn.ReLU()),
        ])
        ins = (dims[0], *dims[:-1])
        self.stages = nn.ModuleList([Stage(i, o, 1 if i == o else 2) for i, o in zip(ins, dims)])
        self.fc = nn.Linear(dims[-1], num_classes)
        self.stems[0].eca = EfficientChannelAttention(dims[0])
        place_behind(self.stems[0], "eca", "0")
        self.stems[0].register_load_state_dict_pre_hook(partial(load_without, "eca"))
        self.stems[0].eca2 = EfficientChannelAttention(dims[0])
        place_behind(self.stems[0], "eca2", "3")
        self.stems[0].register_load_state_dict_pre_hook(partial(load_without, "eca2"))

    def forward(self, x):
        for stem in self.stems:
            x = stem(x)
        for stage in self.stages:
            x = stage(x)
        return self.fc(x.mean((2, 3)))
