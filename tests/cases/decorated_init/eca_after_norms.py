# model with eca after stages.*.norm: host Stage, built by GrowingNet().
# Made by codegen 0.1.0 from model.py (sha256 0b367bc2b0fe5e56), changed, with
#     codegen insert model.py --module eca --after 'stages.*.norm'
# The licence and copyright notices of the original file stay in force. Body: sha256 5f23289b6700671a.
"""Stages whose width grows on the way; a decorator keeps the arguments that a model was made with."""

import inspect
import math

import torch
from torch import nn


def keeps_config(init):
    parameters = [*inspect.signature(init).parameters.values()][1:]

    def wrapper(self, **kwargs):
        init(self, **kwargs)
        self.config = {p.name: kwargs.get(p.name, p.default) for p in parameters}

    return wrapper


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


class Stage(nn.Module):
    @keeps_config
    def __init__(self, dim=16, dim_out=32):
        super().__init__()
        self.norm = nn.GroupNorm(1, dim)
        self.down = nn.Conv2d(dim, dim_out, 2, stride=2)
        with torch.random.fork_rng(devices=[]):  # the model draws what it drew without it
            self.eca = EfficientChannelAttention(dim)
        self.register_load_state_dict_pre_hook(load_without_eca)

    def forward(self, x):
        return self.down(self.eca(self.norm(x)))


class GrowingNet(nn.Module):
    @keeps_config
    def __init__(self, in_chans=3, dim=16, depth=3, num_classes=10):
        super().__init__()
        self.stem = nn.Conv2d(in_chans, dim, 4, stride=4)
        self.stages = nn.ModuleList()
        for _ in range(depth):
            self.stages.append(Stage(dim=dim, dim_out=dim * 2))
            dim = dim * 2
        self.head = nn.Linear(dim, num_classes)

    def forward(self, x):
        x = self.stem(x)
        for stage in self.stages:
            x = stage(x)
        return self.head(x.mean((2, 3)))
