import math
from torch import nn
from consts import WIDTH

SCALE = 2


class ConvBlock(nn.Module):
    def __init__(self, inp, oup):
        super().__init__()
        self.conv = nn.Conv2d(inp, oup, 3, padding=1)
        self.scale = SCALE * math.sqrt(4) / WIDTH

    def forward(self, x):
        return self.conv(x) * self.scale


class Unused(nn.Module):
    pass
