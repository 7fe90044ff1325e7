# model with se after stem: host InplaceNet, built by InplaceNet().
# Made by codegen 0.1.0 from model.py (sha256 8fa67f26434e081b), changed, with
#     codegen insert model.py --module se --after stem
# The licence and copyright notices of the original file stay in force. Body: sha256 b44103ab2f935e4a.
"""Normalises its input in place, to save memory: the caller's tensor changes."""
import torch
import torch.nn.functional as F
from torch import nn


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


class InplaceNet(nn.Module):
    def __init__(self, in_chans=3, width=16, num_classes=10):
        super().__init__()
        self.register_buffer("mean", torch.full((in_chans, 1, 1), 0.45))
        self.register_buffer("std", torch.full((in_chans, 1, 1), 0.25))
        self.stem = nn.Conv2d(in_chans, width, 3, stride=2, padding=1)
        self.body = nn.Conv2d(width, width, 3, padding=1)
        self.head = nn.Linear(width, num_classes)
        self.se = SqueezeExcite(width)
        self.register_load_state_dict_pre_hook(load_without_se)

    def forward(self, x):
        x.sub_(self.mean).div_(self.std)
        x = self.stem(x)
        x = self.se(x)
        x = x + F.relu_(self.body(x))
        return self.head(x.mean((2, 3)))
