"""Stages whose width grows on the way; a decorator keeps the arguments that a model was made with."""

import inspect

import torch
from torch import nn


def keeps_config(init):
    parameters = [*inspect.signature(init).parameters.values()][1:]

    def wrapper(self, **kwargs):
        init(self, **kwargs)
        self.config = {p.name: kwargs.get(p.name, p.default) for p in parameters}

    return wrapper


class Stage(nn.Module):
    @keeps_config
    def __init__(self, dim=16, dim_out=32):
        super().__init__()
        self.norm = nn.GroupNorm(1, dim)
        self.down = nn.Conv2d(dim, dim_out, 2, stride=2)

    def forward(self, x):
        return self.down(self.norm(x))


class GrowingNet(nn.Module):
    @keeps_config
    def __init__(self, in_chans=3, dim=16, depth=3, num_classes=10):
        super().__init__()
        self.stem = nn.Conv2d(in_chans, dim, 4, stride=4)
        self.stages = nn.ModuleList()
        for _ in range(depth):
            self.stages.append(Stage(dim=dim, dim_out=dim * 2))
            dim = dim * 2
        self.head = nn.Linear(dim, num_classes)

    def forward(self, x):
        x = self.stem(x)
        for stage in self.stages:
            x = stage(x)
        return self.head(x.mean((2, 3)))
