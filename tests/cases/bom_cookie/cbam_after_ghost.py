# -*- coding: utf-8 -*-
# model with cbam after ghost: host GhostNet, built by GhostNet().
# Made by codegen 0.1.0 from model.py (sha256 da682264d599d0f5), changed, with
#     codegen insert model.py --module cbam --after ghost
# The licence and copyright notices of the original file stay in force. Body: sha256 1bd1a495da0f3687.
# @Author  : 王小明
# @File    : model.py

import torch
import torch.nn as nn


class h_sigmoid(nn.Module):
    def __init__(self, inplace=True):
        super(h_sigmoid, self).__init__()
        self.relu = nn.ReLU6(inplace=inplace)

    def forward(self, x):
        return self.relu(x + 3) / 6


class GhostModule(nn.Module):
    """一半通道来自普通卷积，另一半来自廉价的深度卷积"""

    def __init__(self, inp, oup, ratio=2):
        super(GhostModule, self).__init__()
        init_channels = oup // ratio
        self.primary_conv = nn.Conv2d(inp, init_channels, 1, bias=False)
        self.cheap_operation = nn.Conv2d(init_channels, oup - init_channels, 3, padding=1, groups=init_channels)

    def forward(self, x):
        x1 = self.primary_conv(x)
        x2 = self.cheap_operation(x1)
        return torch.cat([x1, x2], dim=1)


class ConvBlockAttention(nn.Module):
    """Convolutional Block Attention: a gate for each channel, then for each position.

    Paper: CBAM - https://arxiv.org/abs/1807.06521
    """

    def __init__(
        self,
        channels: int,
        reduction: int = 16,
        kernel_size: int = 7,
    ) -> None:
        super().__init__()
        hidden = max(channels // reduction, 4)
        self.mlp = nn.Sequential(
            nn.Conv2d(channels, hidden, kernel_size=1, bias=False),
            nn.ReLU(),
            nn.Conv2d(hidden, channels, kernel_size=1, bias=False),
        )
        padding = kernel_size // 2
        self.conv = nn.Conv2d(2, 1, kernel_size, padding=padding, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        mean = x.mean((2, 3), keepdim=True)  # (N, C, 1, 1)
        peak = x.amax((2, 3), keepdim=True)
        y = x * (self.mlp(mean) + self.mlp(peak)).sigmoid()
        maps = torch.stack([y.mean(1), y.amax(1)], dim=1)  # (N, 2, H, W)
        return y * self.conv(maps).sigmoid()  # (N, 1, H, W)


def load_without_cbam(host: nn.Module, state_dict: dict, prefix: str, *_) -> None:
    """Let a base checkpoint load strictly: without a single key of `cbam`, `cbam` keeps its values.

    A checkpoint that has some of the keys and lacks others is damaged, and stays an error.
    """
    own = {f"{prefix}cbam.{key}": value for key, value in host.cbam.state_dict().items()}
    if not own.keys() & state_dict.keys():
        state_dict.update(own)


class GhostNet(nn.Module):
    def __init__(self, num_classes=10, width=16):
        super(GhostNet, self).__init__()
        self.conv_stem = nn.Conv2d(3, width, 3, 2, 1, bias=False)
        self.act = h_sigmoid()
        self.ghost = GhostModule(width, width * 2)
        self.global_pool = nn.AdaptiveAvgPool2d((1, 1))
        self.classifier = nn.Linear(width * 2, num_classes)
        self.cbam = ConvBlockAttention(width * 2)
        self.register_load_state_dict_pre_hook(load_without_cbam)

    def forward(self, x):
        x = self.act(self.conv_stem(x))   # 下采样 2 倍

        x = self.ghost(x)
        x = self.cbam(x)

        x = self.global_pool(x).flatten(1)
        return self.classifier(x)
