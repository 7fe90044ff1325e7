# model with se after stages.*: host Net, built by Net().
# Made by codegen 0.1.0 from model.py (sha256 c683c9f03e0c506d), changed, with
#     codegen insert model.py --input 1x3x32x32 --module se --after 'stages.*'
# The licence and copyright notices of the original file stay in force. Body: sha256 85183a67f397fa93.
"""Stages that are nn.Sequentials in an nn.Sequential, each of units that are such lists, too."""

import torch
import torch.nn as nn


def unit(in_channels, out_channels):
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, 3, padding=1), nn.BatchNorm2d(out_channels), nn.ReLU(inplace=True)
    )


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
    def __init__(self, width=8, num_classes=10):
        super().__init__()
        self.stem = nn.Conv2d(3, width, 4, 4)
        self.stages = nn.Sequential(
            nn.Sequential(unit(width, width), unit(width, width)),
            nn.Sequential(unit(width, 2 * width), unit(2 * width, 2 * width)),
            nn.Sequential(unit(2 * width, 4 * width)),
        )
        self.head = nn.Linear(4 * width, num_classes)
        for stage in self.stages:
            stage.se = SqueezeExcite(stage[-1][0].out_channels)
            stage.register_load_state_dict_pre_hook(load_without_se)

    def forward_features(self, x):
        return self.stages(self.stem(x))

    def forward(self, x):
        x = self.forward_features(x)
        return self.head(x.mean((2, 3)))
