"""A keyword spotter on mel spectrograms: no class of its own, a function puts torch's layers together."""
from collections import OrderedDict

from torch import nn


def conv_block(in_channels, out_channels, stride=1):
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, 3, stride=stride, padding=1, bias=False),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(inplace=True),
    )


def spotter(width=32, num_keywords=12):
    """Spectrograms (N, 1, mels, frames) to logits (N, num_keywords)."""
    return nn.Sequential(
        OrderedDict(
            stem=conv_block(1, width, stride=2),
            middle=conv_block(width, width * 2, stride=2),
            late=conv_block(width * 2, width * 4),
            pool=nn.AdaptiveAvgPool2d(1),
            flat=nn.Flatten(),
            logits=nn.Linear(width * 4, num_keywords),
        )
    )
