"""Normalises its input in place, to save memory: the caller's tensor changes."""
import torch
import torch.nn.functional as F
from torch import nn


class InplaceNet(nn.Module):
    def __init__(self, in_chans=3, width=16, num_classes=10):
        super().__init__()
        self.register_buffer("mean", torch.full((in_chans, 1, 1), 0.45))
        self.register_buffer("std", torch.full((in_chans, 1, 1), 0.25))
        self.stem = nn.Conv2d(in_chans, width, 3, stride=2, padding=1)
        self.body = nn.Conv2d(width, width, 3, padding=1)
        self.head = nn.Linear(width, num_classes)

    def forward(self, x):
        x.sub_(self.mean).div_(self.std)
        x = self.stem(x)
        x = x + F.relu_(self.body(x))
        return self.head(x.mean((2, 3)))
