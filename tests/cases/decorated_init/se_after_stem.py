# model with se after stem: host GrowingNet, built by GrowingNet().
# Made by codegen 0.1.0 from model.py (sha256 0b367bc2b0fe5e56), changed, with
#     codegen insert model.py --module se --after stem
# The licence and copyright notices of the original file stay in force. Body: sha256 3a880310455d6556.
"""Stages whose width grows on the way; a decorator keeps the arguments that a model was made with."""

import inspect

import torch
from torch import nn


def keeps_config(init):
    parameters = [*inspect.signature(init).parameters.values()][1:]

    def wrapper(self, **kwargs):
        init(self, **kwargs)
        self.config = {p.name: kwargs.get(p.name, p.default) for p in parameters}

    return wrapper


class Stage(nn.Module):
    @keeps_config
    def __init__(self, dim=16, dim_out=32):
        super().__init__()
        self.norm = nn.GroupNorm(1, dim)
        self.down = nn.Conv2d(dim, dim_out, 2, stride=2)

    def forward(self, x):
        return self.down(self.norm(x))


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
        self.se = SqueezeExcite(self.stem.out_channels)
        self.register_load_state_dict_pre_hook(load_without_se)

    def forward(self, x):
        x = self.stem(x)
        x = self.se(x)
        for stage in self.stages:
            x = stage(x)
        return self.head(x.mean((2, 3)))
