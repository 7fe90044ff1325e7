"""Parallel convolutions over one map, a body that is checkpointed in segments, and a residual MLP made of torch's layers."""

import torch
import torch.nn as nn
from torch.utils.checkpoint import checkpoint_sequential


class ParallelNet(nn.Module):
    def __init__(self, dim=32, num_classes=10, kernel_sizes=(1, 3, 5), use_checkpoint=False):
        super().__init__()
        self.use_checkpoint = use_checkpoint
        self.stem = nn.Conv2d(3, dim, kernel_size=4, stride=4)
        self.paths = nn.ModuleList([nn.Conv2d(dim, dim, k, padding=k // 2) for k in kernel_sizes])
        self.body = nn.Sequential(
            nn.Sequential(nn.Conv2d(dim, dim, 3, padding=1, bias=False), nn.BatchNorm2d(dim), nn.ReLU(inplace=True)),
            nn.Sequential(nn.Conv2d(dim, dim, 3, padding=1, bias=False), nn.BatchNorm2d(dim), nn.ReLU(inplace=True)),
        )
        self.mlp = nn.Sequential(nn.Linear(dim, dim), nn.GELU(), nn.Linear(dim, dim), nn.Dropout(0.1))
        self.fc = nn.Linear(dim, num_classes)

    def forward(self, x):
        x = self.stem(x)
        x = torch.stack([path(x) for path in self.paths]).sum(0)
        if self.use_checkpoint and self.training:
            x = checkpoint_sequential(self.body, 2, x, use_reentrant=False)
        else:
            x = self.body(x)
        x = x.mean((2, 3))
        x = x + self.mlp(x)
        return self.fc(x)
