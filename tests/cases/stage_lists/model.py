"""Stages from a list of lists; the middle of a unit is half as wide as the unit, which is the width of the stage before."""

import torch.nn as nn


class Unit(nn.Module):
    def __init__(self, in_channels, out_channels):
        super().__init__()
        middle = out_channels // 2
        self.conv1 = nn.Conv2d(in_channels, middle, 1)
        self.conv2 = nn.Conv2d(middle, middle, 3, padding=1)
        self.conv3 = nn.Conv2d(middle, out_channels, 1)
        self.act = nn.ReLU()

    def forward(self, x):
        x = self.act(self.conv1(x))
        x = self.act(self.conv2(x))
        return self.conv3(x)


class Net(nn.Module):
    def __init__(self, channels=([16, 16], [32, 32], [64]), num_classes=10):
        super().__init__()
        self.features = nn.Sequential()
        width = 3
        for i, stage_channels in enumerate(channels):
            stage = nn.Sequential()
            for j, out_channels in enumerate(stage_channels):
                stage.add_module(f"unit{j + 1}", Unit(width, out_channels))
                width = out_channels
            self.features.add_module(f"stage{i + 1}", stage)
        self.head = nn.Linear(width, num_classes)

    def forward(self, x):
        x = self.features(x)
        return self.head(x.mean((2, 3)))
