# model with ../my_attn.py:MyAttn after fire2: host SqueezeNet, built by SqueezeNet().
# Made by codegen 0.1.0 from model.py (sha256 aa59f79b1e8d0186) and ../my_attn.py (sha256 7910467637d9ca4b), changed, with
#     codegen insert model.py --module ../my_attn.py:MyAttn --after fire2
# The licence and copyright notices of the original file stay in force. Body: sha256 349439c38bacd965.
import math

import torch
from torch import nn
from torch.nn import *
from torch.nn import functional as F


class Fire(Module):
    def __init__(self, c, squeeze, expand):
        super().__init__()
        self.squeeze = Conv2d(c, squeeze, 1)
        self.expand1 = Conv2d(squeeze, expand, 1)
        self.expand3 = Conv2d(squeeze, expand, 3, padding=1)

    def forward(self, x):
        x = F.relu(self.squeeze(x))
        return torch.cat([F.relu(self.expand1(x)), F.relu(self.expand3(x))], 1)


MIN_WIDTH = 4
TEMPERATURE = 1.5


def hidden_width(channels, reduction):
    """Rounded up to a multiple of MIN_WIDTH"""
    return max(MIN_WIDTH, math.ceil(channels / reduction / MIN_WIDTH) * MIN_WIDTH)


class MyAttn(nn.Module):
    """Channel attention from the mean and the spread of each channel. (B, C, H, W) -> (B, C, H, W)"""

    def __init__(self, channels, reduction=8):
        super().__init__()
        width = hidden_width(channels, reduction)
        self.squeeze = nn.Linear(2 * channels, width)
        self.excite = nn.Linear(width, channels)

    def forward(self, x):
        b, c, h, w = x.shape
        mean = x.mean(dim=(2, 3))
        spread = (x - mean.view(b, c, 1, 1)).abs().mean(dim=(2, 3))
        gate = self.excite(F.relu(self.squeeze(torch.cat([mean, spread], dim=1))))
        return x * torch.sigmoid(gate / TEMPERATURE).view(b, c, 1, 1)


def load_without_my_attn(host: nn.Module, state_dict: dict, prefix: str, *_) -> None:
    """Let a base checkpoint load strictly: without a single key of `my_attn`, `my_attn` keeps its values.

    A checkpoint that has some of the keys and lacks others is damaged, and stays an error.
    """
    own = {f"{prefix}my_attn.{key}": value for key, value in host.my_attn.state_dict().items()}
    if not own.keys() & state_dict.keys():
        state_dict.update(own)


class SqueezeNet(Module):
    def __init__(self, num_classes=10, base=8):
        super().__init__()
        self.stem = Sequential(Conv2d(3, base * 2, 3, stride=2, padding=1), ReLU(inplace=True))
        self.pool = MaxPool2d(2, ceil_mode=True)
        self.fire1 = Fire(base * 2, base, base * 2)
        self.fire2 = Fire(base * 4, base, base * 2)
        self.drop = Dropout(0.2)
        self.classifier = Conv2d(base * 4, num_classes, 1)
        self.my_attn = MyAttn(base * 4)
        self.register_load_state_dict_pre_hook(load_without_my_attn)

    def forward(self, x):
        x = self.pool(self.stem(x))
        x = self.fire1(x)
        x = x + self.my_attn(self.fire2(x))
        x = F.relu(self.classifier(self.drop(x)))
        return x.mean([2, 3])
