# model with se before body: host ParallelNet, built by ParallelNet().
# Made by codegen 0.1.0 from model.py (sha256 46b14b291bdc989d), changed, with
#     codegen insert model.py --module se --before body
# The licence and copyright notices of the original file stay in force. Body: sha256 04f9f27dd37eded4.
"""Parallel convolutions over one map, a body that is checkpointed in segments, and a residual MLP made of torch's layers."""

import torch
import torch.nn as nn
from torch.utils.checkpoint import checkpoint_sequential


class SqueezeExcite(nn.Module):
    """Squeeze-and-Excitation: a gate for each channel, made of all channel means.

    Paper: Squeeze-and-Excitation Networks - https://arxiv.org/abs/1709.01507
    """

    def __init__(
        self,
        channels: int,
        reduction: int = 16,
    ) -> None:
        super().__init__()
        hidden = max(channels // reduction, 4)
        self.fc1 = nn.Conv2d(channels, hidden, kernel_size=1)
        self.act = nn.ReLU()
        self.fc2 = nn.Conv2d(hidden, channels, kernel_size=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        s = x.mean((2, 3), keepdim=True)  # (N, C, 1, 1)
        s = self.fc2(self.act(self.fc1(s))).sigmoid()
        return x * s


def load_without_se(host: nn.Module, state_dict: dict, prefix: str, *_) -> None:
    """Let a base checkpoint load strictly: without a single key of `se`, `se` keeps its values.

    A checkpoint that has some of the keys and lacks others is damaged, and stays an error.
    """
    own = {f"{prefix}se.{key}": value for key, value in host.se.state_dict().items()}
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
        self.se = SqueezeExcite(dim)
        self.register_load_state_dict_pre_hook(load_without_se)

    def forward(self, x):
        x = self.stem(x)
        x = torch.stack([path(x) for path in self.paths]).sum(0)
        x = self.se(x)
        if self.use_checkpoint and self.training:
            x = checkpoint_sequential(self.body, 2, x, use_reentrant=False)
        else:
            x = self.body(x)
        x = x.mean((2, 3))
        x = x + self.mlp(x)
        return self.fc(x)
