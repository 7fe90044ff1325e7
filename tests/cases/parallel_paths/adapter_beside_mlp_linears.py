# model with adapter beside mlp.0,2: host ParallelNet, built by ParallelNet().
# Made by codegen 0.1.0 from model.py (sha256 46b14b291bdc989d), changed, with
#     codegen insert model.py --module adapter --beside mlp.0,2 --arg bottleneck=8
# The licence and copyright notices of the original file stay in force. Body: sha256 5f2d9da11247563a.
"""Parallel convolutions over one map, a body that is checkpointed in segments, and a residual MLP made of torch's layers."""

from functools import partial

import torch
import torch.nn as nn
from torch.utils.checkpoint import checkpoint_sequential


class BottleneckAdapter(nn.Module):
    """Bottleneck adapter: a narrow two-layer network beside the identity.

    Paper: Parameter-Efficient Transfer Learning - https://arxiv.org/abs/1902.00751
    """

    def __init__(
        self,
        channels: int,
        bottleneck: int = 8,
    ) -> None:
        super().__init__()
        self.down = nn.Linear(channels, bottleneck)
        self.act = nn.GELU()
        self.up = nn.Linear(bottleneck, channels)
        for layer in (self.down, self.up):  # close to the identity, as in the paper
            nn.init.trunc_normal_(layer.weight, std=0.01, a=-0.02, b=0.02)
            nn.init.zeros_(layer.bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.up(self.act(self.down(x)))


def load_without(attribute: str, host: nn.Module, state_dict: dict, prefix: str, *_) -> None:
    """Let a base checkpoint load strictly: without a single key of the module `attribute`, that keeps its values.

    A checkpoint that has some of the keys and lacks others is damaged, and stays an error.
    """
    own = {f"{prefix}{attribute}.{key}": value for key, value in getattr(host, attribute).state_dict().items()}
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
        self.adapter = BottleneckAdapter(dim)
        self.register_load_state_dict_pre_hook(partial(load_without, "adapter"))
        self.adapter2 = BottleneckAdapter(dim)
        self.register_load_state_dict_pre_hook(partial(load_without, "adapter2"))

    def forward(self, x):
        x = self.stem(x)
        x = torch.stack([path(x) for path in self.paths]).sum(0)
        if self.use_checkpoint and self.training:
            x = checkpoint_sequential(self.body, 2, x, use_reentrant=False)
        else:
            x = self.body(x)
        x = x.mean((2, 3))
        mlp_in = self.mlp[0](x) + self.adapter(x)
        mlp_in2 = self.mlp[1:2](mlp_in)
        mlp_in2 = self.mlp[2](mlp_in2) + self.adapter2(mlp_in2)
        x = x + self.mlp[3:](mlp_in2)
        return self.fc(x)
