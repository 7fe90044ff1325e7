"""Stages that are nn.Sequentials in an nn.Sequential, each of units that are such lists, too."""

import torch.nn as nn


def unit(in_channels, out_channels):
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, 3, padding=1), nn.BatchNorm2d(out_channels), nn.ReLU(inplace=True)
    )


class Net(nn.Module):
    def __init__(self, width=8, num_classes=10):
        super().__init__()
        self.stem = nn.Conv2d(3, width, 4, 4)
        self.stages = nn.Sequential(
            nn.Sequential(unit(width, width), unit(width, width)),
            nn.Sequential(unit(width, 2 * width), unit(2 * width, 2 * width)),
            nn.Sequential(unit(2 * width, 4 * width)),
        )
        self.head = nn.Linear(4 * width, num_classes)

    def forward_features(self, x):
        return self.stages(self.stem(x))

    def forward(self, x):
        x = self.forward_features(x)
        return self.head(x.mean((2, 3)))
