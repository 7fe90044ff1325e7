# model with se after down1: host PackNet, built by PackNet().
# Made by codegen 0.1.0 from package_relative/model.py (sha256 cf973644d737f630), changed, with
#     codegen insert model.py --module se --after down1
# The licence and copyright notices of the original file stay in force. Body: sha256 cf07c6bd3d815309.
"""The net of the package."""
import torch
from torch import nn

from package_relative import weights
from package_relative.layers import ConvNormAct, Downsample
from package_relative.layers.conv import (
    ConvNormAct as Stem,  # another name for the same class
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


class PackNet(nn.Module):
    def __init__(self, in_chans=3, dims=(8, 16, 24), num_classes=10):
        super().__init__()
        self.stem = Stem(in_chans, dims[0], 5)
        self.down1 = Downsample(dims[0], dims[1])
        self.down2 = Downsample(dims[1], dims[2])
        self.mix = ConvNormAct(dims[2], dims[2], 1)
        self.head = nn.Linear(dims[2], num_classes)
        self.apply(weights.init_weights)
        self.se = SqueezeExcite(dims[1])
        self.register_load_state_dict_pre_hook(load_without_se)

    def forward_features(self, x):
        x = self.stem(x)
        x = self.down1(x)
        x = self.se(x)
        x = self.down2(x)
        return self.mix(x)

    def forward(self, x):
        x = self.forward_features(x)
        return self.head(torch.flatten(nn.functional.adaptive_avg_pool2d(x, 1), 1))
