# model with eca after stages.0: host Net, built by Net().
# Made by codegen 0.1.0 from model.py (sha256 6ad108d3bdb85309), changed, with
#     codegen insert model.py --module eca --after stages.0
# The licence and copyright notices of the original file stay in force. Body: sha256 b5df3be34a39eff7.
"""A stem that is a list of layers and also gives what its first layer returns; stages that are lists in a list."""

import math

import torch
from torch import nn


class Stem(nn.Sequential):
    def __init__(self, in_chans, width):
        super().__init__(
            nn.Conv2d(in_chans, width // 2, 3, stride=2, padding=1),
            nn.Conv2d(width // 2, width, 3, stride=2, padding=1),
        )

    def tapped(self, x):
        first = None
        for i, layer in enumerate(self):
            x = layer(x)
            if i == 0:
                first = x
        return x, first


class Block(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.norm = nn.BatchNorm2d(width)
        self.conv = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, x, scale):
        return x + scale * self.conv(self.norm(x).relu())


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


class Net(nn.Module):
    def __init__(self, in_chans=3, widths=(16, 32), depth=2, num_classes=10):
        super().__init__()
        self.stem = Stem(in_chans, widths[0])
        self.downs = nn.ModuleList()
        self.stages = nn.ModuleList()
        last = widths[0]
        for width in widths:
            self.downs.append(nn.Conv2d(last, width, 2, stride=2))
            self.stages.append(nn.ModuleList([Block(width) for _ in range(depth)]))
            last = width
        self.head = nn.Linear(last, num_classes)
        self.eca = EfficientChannelAttention(widths[0])
        self.register_load_state_dict_pre_hook(load_without_eca)

    def keep(self, stages):
        """Leave out the stages whose outputs nobody needs."""
        self.downs, self.stages = self.downs[:stages], self.stages[:stages]

    def forward_stages(self, x):
        outputs = []
        for i, (down, blocks) in enumerate(zip(self.downs, self.stages)):
            x = down(x)
            for block in blocks:
                x = block(x, 1 / (i + 1))
                if block is self.stages[0][-1]:
                    x = self.eca(x)
            outputs.append(x)
        return outputs

    def forward_intermediates(self, x):
        x, first = self.stem.tapped(x)
        outputs = self.forward_stages(x)
        return outputs[-1], [first, *outputs]

    def forward(self, x):
        x = self.forward_stages(self.stem(x))[-1]
        return self.head(x.mean((2, 3)))
