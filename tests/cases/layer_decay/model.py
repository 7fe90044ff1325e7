"""A small ConvNeXt that is fine-tuned with layer-wise learning rate decay (timm's group_matcher)."""
import torch
from torch import nn


class Block(nn.Module):
    def __init__(self, dim, expansion=4):
        super().__init__()
        self.dwconv = nn.Conv2d(dim, dim, 7, padding=3, groups=dim)
        self.norm = nn.GroupNorm(1, dim)
        self.pwconv1 = nn.Conv2d(dim, dim * expansion, 1)
        self.act = nn.GELU()
        self.pwconv2 = nn.Conv2d(dim * expansion, dim, 1)

    def forward(self, x):
        return x + self.pwconv2(self.act(self.pwconv1(self.norm(self.dwconv(x)))))


class Stage(nn.Module):
    def __init__(self, in_dim, dim, depth):
        super().__init__()
        self.downsample = nn.Conv2d(in_dim, dim, 2, stride=2) if in_dim != dim else nn.Identity()
        self.blocks = nn.Sequential(*[Block(dim) for _ in range(depth)])

    def forward(self, x):
        return self.blocks(self.downsample(x))


class ConvNeXt(nn.Module):
    def __init__(self, in_chans=3, num_classes=10, dims=(16, 32, 64), depths=(1, 2, 2)):
        super().__init__()
        self.stem = nn.Conv2d(in_chans, dims[0], 4, stride=4)
        self.stages = nn.ModuleList(
            Stage(dims[max(i - 1, 0)], dim, depth) for i, (dim, depth) in enumerate(zip(dims, depths))
        )
        self.norm = nn.GroupNorm(1, dims[-1])
        self.head = nn.Linear(dims[-1], num_classes)

    def group_matcher(self, coarse=False):
        return dict(
            stem=r'^stem',
            blocks=r'^stages\.(\d+)' if coarse else [
                (r'^stages\.(\d+)\.downsample', (0,)),  # first of its stage
                (r'^stages\.(\d+)\.blocks\.(\d+)', None),
                (r'^norm', (99999,))  # with the last block
            ]
        )

    def forward(self, x):
        x = self.stem(x)
        for stage in self.stages:
            x = stage(x)
        x = self.norm(x).mean((2, 3))
        return self.head(x)
