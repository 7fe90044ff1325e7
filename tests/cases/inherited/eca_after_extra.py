# model with eca after extra: host DeepNet, built by DeepNet().
# Made by codegen 0.1.0 from model.py (sha256 22a785b8b79e138b), changed, with
#     codegen insert model.py --module eca --after extra
# The licence and copyright notices of the original file stay in force. Body: sha256 8ebe6eb5145cef1a.
"""Nets that differ in one number: the base has all the code, the others a name."""
import math

import torch
from torch import nn


class BaseNet(nn.Module):
    width = 8

    def __init__(self, num_classes=10):
        super().__init__()
        self.stem = nn.Conv2d(3, self.width, 3, stride=2, padding=1)
        self.body = nn.Conv2d(self.width, self.width, 3, padding=1)
        self.head = nn.Linear(self.width, num_classes)

    def forward(self, x):
        x = torch.relu(self.stem(x))
        x = torch.relu(self.body(x))
        return self.head(x.mean((2, 3)))


class WideNet(BaseNet):
    """Twice as wide"""
    width = 16


class Trunk(nn.Sequential):
    """No forward of its own either: nn.Sequential runs the layers"""

    def __init__(self, dim=8):
        super().__init__(nn.Conv2d(3, dim, 3, padding=1), nn.ReLU(), nn.Conv2d(dim, dim, 3, padding=1))


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


class DeepNet(BaseNet):
    def __init__(self, num_classes=10):
        super().__init__(num_classes)
        self.extra = nn.Conv2d(self.width, self.width, 3, padding=1)
        self.eca = EfficientChannelAttention(self.width)
        self.register_load_state_dict_pre_hook(load_without_eca)

    def forward(self, x):
        x = torch.relu(self.stem(x))
        x = torch.relu(self.eca(self.extra(self.body(x))))
        return self.head(x.mean((2, 3)))
