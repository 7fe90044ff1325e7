"""A stem that is a list of layers and also gives what its first layer returns; stages that are lists in a list."""

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

    def keep(self, stages):
        """Leave out the stages whose outputs nobody needs."""
        self.downs, self.stages = self.downs[:stages], self.stages[:stages]

    def forward_stages(self, x):
        outputs = []
        for i, (down, blocks) in enumerate(zip(self.downs, self.stages)):
            x = down(x)
            for block in blocks:
                x = block(x, 1 / (i + 1))
            outputs.append(x)
        return outputs

    def forward_intermediates(self, x):
        x, first = self.stem.tapped(x)
        outputs = self.forward_stages(x)
        return outputs[-1], [first, *outputs]

    def forward(self, x):
        x = self.forward_stages(self.stem(x))[-1]
        return self.head(x.mean((2, 3)))
