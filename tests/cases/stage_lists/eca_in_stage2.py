# model with eca after features.stage2.*.conv2: host Unit, built by Net().
# Made by codegen 0.1.0 from model.py (sha256 374c880709907368), changed, with
#     codegen insert model.py --module eca --after 'features.stage2.*.conv2'
# The licence and copyright notices of the original file stay in force. Body: sha256 4c5fb0f169d44989.
"""Stages from a list of lists; the middle of a unit is half as wide as the unit, which is the width of the stage before."""

import math

import torch
import torch.nn as nn


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


class Unit(nn.Module):
    def __init__(self, in_channels, out_channels):
        super().__init__()
        middle = out_channels // 2
        self.conv1 = nn.Conv2d(in_channels, middle, 1)
        self.conv2 = nn.Conv2d(middle, middle, 3, padding=1)
        self.conv3 = nn.Conv2d(middle, out_channels, 1)
        self.act = nn.ReLU()
        self.eca = nn.Identity()  # the model puts a module into the chosen ones

    def forward(self, x):
        x = self.act(self.conv1(x))
        x = self.act(self.eca(self.conv2(x)))
        return self.conv3(x)


class Net(nn.Module):
    def __init__(self, channels=([16, 16], [32, 32], [64]), num_classes=10):
        super().__init__()
        self.features = nn.Sequential()
        width = 3
        for i, stage_channels in enumerate(channels):
            stage = nn.Sequential()
            for j, out_channels in enumerate(stage_channels):
                stage.add_module(f"unit{j + 1}", Unit(width, out_channels))
                width = out_channels
            self.features.add_module(f"stage{i + 1}", stage)
        self.head = nn.Linear(width, num_classes)
        for module in self.features.stage2.children():
            module.eca = EfficientChannelAttention(module.conv2.out_channels)
            module.register_load_state_dict_pre_hook(load_without_eca)

    def forward(self, x):
        x = self.features(x)
        return self.head(x.mean((2, 3)))
