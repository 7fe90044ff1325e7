# model with eca after late.1: host spotter, built by spotter().
# Made by codegen 0.1.0 from model.py (sha256 814d9dab2d297e24), changed, with
#     codegen insert model.py --input 1x1x40x98 --module eca --after late.1
# The licence and copyright notices of the original file stay in force. Body: sha256 fa1ca8c550a53723.
"""A keyword spotter on mel spectrograms: no class of its own, a function puts torch's layers together."""
import math
from collections import OrderedDict

import torch
from torch import nn


def conv_block(in_channels, out_channels, stride=1):
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, 3, stride=stride, padding=1, bias=False),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(inplace=True),
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


def place_eca(host: nn.Module) -> None:
    """Register `eca` right behind `1`.

    The host runs the children in the order of their registration.
    """
    children = host._modules
    names = [name for name in children if name != "eca"]
    for name in names[names.index("1") + 1 :]:
        children[name] = children.pop(name)


def load_without_eca(host: nn.Module, state_dict: dict, prefix: str, *_) -> None:
    """Let a base checkpoint load strictly: without a single key of `eca`, `eca` keeps its values.

    A checkpoint that has some of the keys and lacks others is damaged, and stays an error.
    """
    own = {f"{prefix}eca.{key}": value for key, value in host.eca.state_dict().items()}
    if not own.keys() & state_dict.keys():
        state_dict.update(own)


def spotter(width=32, num_keywords=12):
    """Spectrograms (N, 1, mels, frames) to logits (N, num_keywords)."""
    model = nn.Sequential(
        OrderedDict(
            stem=conv_block(1, width, stride=2),
            middle=conv_block(width, width * 2, stride=2),
            late=conv_block(width * 2, width * 4),
            pool=nn.AdaptiveAvgPool2d(1),
            flat=nn.Flatten(),
            logits=nn.Linear(width * 4, num_keywords),
        )
    )
    model.late.eca = EfficientChannelAttention(width * 4)
    place_eca(model.late)
    model.late.register_load_state_dict_pre_hook(load_without_eca)
    return model
