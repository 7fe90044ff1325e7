# model with adapter before logits: host spotter, built by spotter().
# Made by codegen 0.1.0 from model.py (sha256 814d9dab2d297e24), changed, with
#     codegen insert model.py --input 1x1x40x98 --module adapter --before logits
# The licence and copyright notices of the original file stay in force. Body: sha256 73e669a0f99f1b04.
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


class BottleneckAdapter(nn.Module):
    """Bottleneck adapter: a narrow two-layer network beside the identity.

    Paper: Parameter-Efficient Transfer Learning - https://arxiv.org/abs/1902.00751
    """

    def __init__(
        self,
        channels: int,
        bottleneck: int = 64,
    ) -> None:
        super().__init__()
        self.down = nn.Linear(channels, bottleneck)
        self.act = nn.GELU()
        self.up = nn.Linear(bottleneck, channels)
        for layer in (self.down, self.up):  # close to the identity, as in the paper
            nn.init.trunc_normal_(layer.weight, std=0.01, a=-0.02, b=0.02)
            nn.init.zeros_(layer.bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.up(self.act(self.down(x)))


def place_adapter(host: nn.Module) -> None:
    """Register `adapter` right before `logits`.

    The host runs the children in the order of their registration.
    """
    children = host._modules
    names = [name for name in children if name != "adapter"]
    for name in names[names.index("logits") :]:
        children[name] = children.pop(name)


def load_without_adapter(host: nn.Module, state_dict: dict, prefix: str, *_) -> None:
    """Let a base checkpoint load strictly: without a single key of `adapter`, `adapter` keeps its values.

    A checkpoint that has some of the keys and lacks others is damaged, and stays an error.
    """
    own = {f"{prefix}adapter.{key}": value for key, value in host.adapter.state_dict().items()}
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
    model.adapter = BottleneckAdapter(width * 4)
    place_adapter(model)
    model.register_load_state_dict_pre_hook(load_without_adapter)
    return model
