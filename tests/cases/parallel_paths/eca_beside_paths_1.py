# model with eca beside paths.1: host ParallelNet, built by ParallelNet().
# Made by codegen 0.1.0 from model.py (sha256 46b14b291bdc989d), changed, with
#     codegen insert model.py --module eca --beside paths.1
# The licence and copyright notices of the original file stay in force. Body: sha256 f8ef021af666a5c3.
"""Parallel convolutions over one map, a body that is checkpointed in segments, and a residual MLP made of torch's layers."""

import math

import torch
import torch.nn as nn
from torch.utils.checkpoint import checkpoint_sequential


class EfficientChannelAttention(nn.Module):
    """Efficient Channel Attention: a gate for each channel, made of adjacent means.

    Paper: ECA-Net: Efficient Channel Attention - https://arxiv.org/abs/1910.03151
    """

    def __init__(
        self,
        channels: int,
        gamma: int = 2,
        beta: int = 1,
    ) -> None:
        super().__init__()
        t = int((math.log2(channels) + beta) / gamma)
        kernel_size = max(t if t % 2 else t + 1, 3)
        padding = kernel_size // 2
        self.conv = nn.Conv1d(1, 1, kernel_size, padding=padding, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        s = x.mean((2, 3)).unsqueeze(1)  # (N, 1, C)
        s = self.conv(s).sigmoid()
        return x * s.transpose(1, 2).unsqueeze(3)  # (N, C, 1, 1)


def load_without_eca(host: nn.Module, state_dict: dict, prefix: str, *_) -> None:
    """Let a base checkpoint load strictly: without a single key of `eca`, `eca` keeps its values.

    A checkpoint that has some of the keys and lacks others is damaged, and stays an error.
    """
    own = {f"{prefix}eca.{key}": value for key, value in host.eca.state_dict().items()}
    if not own.keys() & state_dict.keys():
        state_dict.update(own)


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
        self.eca = EfficientChannelAttention(dim)
        self.register_load_state_dict_pre_hook(load_without_eca)

    def forward(self, x):
        x = self.stem(x)
        x = torch.stack([(path(x) + self.eca(x) if path is self.paths[1] else path(x)) for path in self.paths]).sum(0)
        if self.use_checkpoint and self.training:
            x = checkpoint_sequential(self.body, 2, x, use_reentrant=False)
        else:
            x = self.body(x)
        x = x.mean((2, 3))
        x = x + self.mlp(x)
        return self.fc(x)
