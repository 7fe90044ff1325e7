# model with se after middle: host spotter, built by spotter().
# Made by codegen 0.1.0 from model.py (sha256 814d9dab2d297e24), changed, with
#     codegen insert model.py --input 1x1x40x98 --module se --after middle
# The licence and copyright notices of the original file stay in force. Body: sha256 b7a73b8d945055e4.
"""A keyword spotter on mel spectrograms: no class of its own, a function puts torch's layers together."""
from collections import OrderedDict

import torch
from torch import nn


def conv_block(in_channels, out_channels, stride=1):
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, 3, stride=stride, padding=1, bias=False),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(inplace=True),
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


def place_se(host: nn.Module) -> None:
    """Register `se` right behind `middle`.

    The host runs the children in the order of their registration.
    """
    children = host._modules
    names = [name for name in children if name != "se"]
    for name in names[names.index("middle") + 1 :]:
        children[name] = children.pop(name)


def load_without_se(host: nn.Module, state_dict: dict, prefix: str, *_) -> None:
    """Let a base checkpoint load strictly: without a single key of `se`, `se` keeps its values.

    A checkpoint that has some of the keys and lacks others is damaged, and stays an error.
    """
    own = {f"{prefix}se.{key}": value for key, value in host.se.state_dict().items()}
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
    model.se = SqueezeExcite(width * 2)
    place_se(model)
    model.register_load_state_dict_pre_hook(load_without_se)
    return model
