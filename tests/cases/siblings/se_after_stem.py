# model with se after stem: host Net, built by Net().
# Made by codegen 0.1.0 from model.py (sha256 124450179b4cecde) and consts.py (sha256 96a0830d947dbc43) and layers.py (sha256 56b73ed5fa0f0363), changed, with
#     codegen insert model.py --module se --after stem
# The licence and copyright notices of the original file stay in force. Body: sha256 4126f7d1b5aeef28.
"""A net."""
import math

import torch
from torch import nn


WIDTH = 4


SCALE = 2


class ConvBlock(nn.Module):
    def __init__(self, inp, oup):
        super().__init__()
        self.conv = nn.Conv2d(inp, oup, 3, padding=1)
        self.scale = SCALE * math.sqrt(4) / WIDTH

    def forward(self, x):
        return self.conv(x) * self.scale


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


class Net(nn.Module):
    def __init__(self, dim=32, num_classes=10):
        super().__init__()
        self.stem = ConvBlock(3, dim)
        self.body = ConvBlock(dim, dim)
        self.head = nn.Linear(dim, num_classes)
        self.se = SqueezeExcite(dim)
        self.register_load_state_dict_pre_hook(load_without_se)

    def forward(self, x):
        x = self.stem(x)
        x = self.se(x)
        x = self.body(x).mean((2, 3))
        return self.head(x)
