# model with attention.py:SpreadGate after body: host DigitNet, built by DigitNet().
# Made by codegen 0.1.0 from model.py (sha256 9eff34f91f7488c2) and attention.py (sha256 cfc7e8f78b7c18ca) and pooling.py (sha256 99580e2ce0ac04c5), changed, with
#     codegen insert model.py --build 'DigitNet()' --input 1x1x28x28 --module attention.py:SpreadGate --after body
# The licence and copyright notices of the original file stay in force. Body: sha256 a1cc0b0f89c5e612.
"""A small net for hand-written digits"""
import torch
import torch.nn as nn
import torch.nn.functional as F


# Copyright 2021 Jane Doe. MIT License.
def spread(x):
    """(B, C, H, W) -> (B, C)"""
    mean = x.mean(dim=(2, 3), keepdim=True)
    return (x - mean).abs().mean(dim=(2, 3))


# Copyright (c) 2023 The Attention Drawer authors
# SPDX-License-Identifier: BSD-3-Clause
class SpreadGate(nn.Module):
    """Channel attention from the spread of each channel."""

    def __init__(self, dim, reduction=4):
        super().__init__()
        self.squeeze = nn.Linear(dim, dim // reduction)
        self.excite = nn.Linear(dim // reduction, dim)

    def forward(self, x):
        gate = self.excite(torch.relu(self.squeeze(spread(x))))
        return x * torch.sigmoid(gate)[:, :, None, None]


def load_without_spread_gate(host: nn.Module, state_dict: dict, prefix: str, *_) -> None:
    """Let a base checkpoint load strictly: without a single key of `spread_gate`, `spread_gate` keeps its values.

    A checkpoint that has some of the keys and lacks others is damaged, and stays an error.
    """
    own = {f"{prefix}spread_gate.{key}": value for key, value in host.spread_gate.state_dict().items()}
    if not own.keys() & state_dict.keys():
        state_dict.update(own)


class DigitNet(nn.Module):
    def __init__(self, channels=16, num_classes=10):
        super().__init__()
        self.stem = nn.Conv2d(1, channels, 3, padding=1)
        self.body = nn.Conv2d(channels, 2 * channels, 3, stride=2, padding=1)
        self.fc = nn.Linear(2 * channels, num_classes)
        self.spread_gate = SpreadGate(2 * channels)
        self.register_load_state_dict_pre_hook(load_without_spread_gate)

    def forward(self, x):
        x = F.relu(self.stem(x))
        x = F.relu(self.spread_gate(self.body(x)))
        return self.fc(x.mean(dim=(2, 3)))
