"""Nets that differ in one number: the base has all the code, the others a name."""
import torch
from torch import nn


class BaseNet(nn.Module):
    width = 8

    def __init__(self, num_classes=10):
        super().__init__()
        self.stem = nn.Conv2d(3, self.width, 3, stride=2, padding=1)
        self.body = nn.Conv2d(self.width, self.width, 3, padding=1)
        self.head = nn.Linear(self.width, num_classes)

    def forward(self, x):
        x = torch.relu(self.stem(x))
        x = torch.relu(self.body(x))
        return self.head(x.mean((2, 3)))


class WideNet(BaseNet):
    """Twice as wide"""
    width = 16


class Trunk(nn.Sequential):
    """No forward of its own either: nn.Sequential runs the layers"""

    def __init__(self, dim=8):
        super().__init__(nn.Conv2d(3, dim, 3, padding=1), nn.ReLU(), nn.Conv2d(dim, dim, 3, padding=1))


class DeepNet(BaseNet):
    def __init__(self, num_classes=10):
        super().__init__(num_classes)
        self.extra = nn.Conv2d(self.width, self.width, 3, padding=1)

    def forward(self, x):
        x = torch.relu(self.stem(x))
        x = torch.relu(self.extra(self.body(x)))
        return self.head(x.mean((2, 3)))
