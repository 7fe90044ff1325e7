"""The net of the package."""
import torch
from torch import nn

from . import weights
from .layers import ConvNormAct, Downsample
from .layers.conv import (
    ConvNormAct as Stem,  # another name for the same class
)


class PackNet(nn.Module):
    def __init__(self, in_chans=3, dims=(8, 16, 24), num_classes=10):
        super().__init__()
        self.stem = Stem(in_chans, dims[0], 5)
        self.down1 = Downsample(dims[0], dims[1])
        self.down2 = Downsample(dims[1], dims[2])
        self.mix = ConvNormAct(dims[2], dims[2], 1)
        self.head = nn.Linear(dims[2], num_classes)
        self.apply(weights.init_weights)

    def forward_features(self, x):
        x = self.stem(x)
        x = self.down1(x)
        x = self.down2(x)
        return self.mix(x)

    def forward(self, x):
        x = self.forward_features(x)
        return self.head(torch.flatten(nn.functional.adaptive_avg_pool2d(x, 1), 1))
