# model with eca before stages.1.0: host Net, built by Net().
# Made by codegen 0.1.0 from model.py (sha256 c683c9f03e0c506d), changed, with
#     codegen insert model.py --input 1x3x32x32 --module eca --before stages.1.0
# The licence and copyright notices of the original file stay in force. Body: sha256 fdfa1f64742802b7.
"""Stages that are nn.Sequentials in an nn.Sequential, each of units that are such lists, too."""

import math

import torch
import torch.nn as nn


def unit(in_channels, out_channels):
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, 3, padding=1), nn.BatchNorm2d(out_channels), nn.ReLU(inplace=True)
    )


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


def place_eca(host: nn.Module) -> None:
    """Register `eca` right before `0`.

    The host runs the children in the order of their registration.
    """
    children = host._modules
    names = [name for name in children if name != "eca"]
    for name in names[names.index("0") :]:
        children[name] = children.pop(name)


class Net(nn.Module):
    def __init__(self, width=8, num_classes=10):
        super().__init__()
        self.stem = nn.Conv2d(3, width, 4, 4)
        self.stages = nn.Sequential(
            nn.Sequential(unit(width, width), unit(width, width)),
            nn.Sequential(unit(width, 2 * width), unit(2 * width, 2 * width)),
            nn.Sequential(unit(2 * width, 4 * width)),
        )
        self.head = nn.Linear(4 * width, num_classes)
        self.stages[1][0].eca = EfficientChannelAttention(width)
        place_eca(self.stages[1][0])
        self.stages[1][0].register_load_state_dict_pre_hook(load_without_eca)

    def forward_features(self, x):
        return self.stages(self.stem(x))

    def forward(self, x):
        x = self.forward_features(x)
        return self.head(x.mean((2, 3)))
