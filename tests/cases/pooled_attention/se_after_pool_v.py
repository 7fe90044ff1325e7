# model with se after pool_v: host Attention, built by PooledTransformer().
# Made by codegen 0.1.0 from model.py (sha256 83893a79a65778ba), changed, with
#     codegen insert model.py --class Attention --input 1x3x128x128 --module se --after pool_v
# The licence and copyright notices of the original file stay in force. Body: sha256 470ef320d508430b.
"""A transformer in the manner of MViT: heads are pooled on their grid, a pool returns the grid too, some blocks skip over one."""

from typing import Optional

import torch
from torch import nn


class Pool(nn.Module):
    def __init__(self, pool, norm):
        super().__init__()
        self.pool = pool
        self.norm = norm

    def forward(self, x, grid):
        batch, heads, _, channels = x.shape
        x = self.pool(x.transpose(2, 3).reshape(batch * heads, channels, *grid))
        grid = x.shape[2:]
        x = x.reshape(batch, heads, channels, -1).transpose(2, 3)
        return self.norm(x), grid


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
        self.fc1 = nn.Linear(channels, hidden)
        self.act = nn.ReLU()
        self.fc2 = nn.Linear(hidden, channels)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        s = x.mean((1, 2), keepdim=True)  # (N, 1, 1, C)
        s = self.fc2(self.act(self.fc1(s))).sigmoid()
        return x * s


def load_without_se(host: nn.Module, state_dict: dict, prefix: str, *_) -> None:
    """Let a base checkpoint load strictly: without a single key of `se`, `se` keeps its values.

    A checkpoint that has some of the keys and lacks others is damaged, and stays an error.
    """
    own = {f"{prefix}se.{key}": value for key, value in host.se.state_dict().items()}
    if not own.keys() & state_dict.keys():
        state_dict.update(own)


class Attention(nn.Module):
    def __init__(self, dim, num_heads, stride):
        super().__init__()
        self.num_heads = num_heads
        self.head_dim = dim // num_heads
        self.qkv = nn.Linear(dim, 3 * dim)
        self.pool_q = Pool(self.conv(stride), nn.LayerNorm(self.head_dim))
        self.pool_k = Pool(self.conv(2), nn.LayerNorm(self.head_dim))
        self.pool_v = Pool(self.conv(2), nn.LayerNorm(self.head_dim))
        self.project = nn.Linear(dim, dim)
        with torch.random.fork_rng(devices=[]):  # the model draws what it drew without it
            self.se = SqueezeExcite(self.head_dim)
        self.register_load_state_dict_pre_hook(load_without_se)

    def conv(self, stride):
        return nn.Conv2d(self.head_dim, self.head_dim, 3, stride, padding=1, groups=self.head_dim, bias=False)

    def forward(self, x, grid):
        batch, count, dim = x.shape
        q, k, v = self.qkv(x).reshape(batch, count, 3, self.num_heads, -1).permute(2, 0, 3, 1, 4)
        k = self.pool_k(k, grid)[0]
        v = self.pool_v(v, grid)[0]
        v = self.se(v)
        q, grid = self.pool_q(q, grid)
        x = (q @ k.transpose(2, 3) * self.head_dim**-0.5).softmax(-1) @ v
        return self.project(x.transpose(1, 2).reshape(batch, -1, dim)), grid


class Block(nn.Module):
    def __init__(self, dim, num_heads, stride):
        super().__init__()
        self.pool_skip: Optional[nn.Module] = None
        if stride > 1:
            self.pool_skip = Pool(nn.MaxPool2d(3, stride, padding=1), nn.Identity())
        self.norm = nn.LayerNorm(dim)
        self.attn = Attention(dim, num_heads, stride)

    def forward(self, x, grid):
        out, new = self.attn(self.norm(x), grid)
        skip = x if self.pool_skip is None else self.pool_skip(x.unsqueeze(1), grid)[0].squeeze(1)
        return skip + out, new


class PooledTransformer(nn.Module):
    def __init__(self, spatial_size=(128, 128), dim=32, num_heads=2, strides=(1, 2, 1), num_classes=10):
        super().__init__()
        self.grid = (spatial_size[0] // 8, spatial_size[1] // 8)
        self.embed = nn.Conv2d(3, dim, 8, stride=8)
        self.position = nn.Parameter(torch.zeros(1, self.grid[0] * self.grid[1], dim))
        self.blocks = nn.ModuleList([Block(dim, num_heads, stride) for stride in strides])
        self.head = nn.Linear(dim, num_classes)

    def forward(self, x):
        x = self.embed(x).flatten(2).transpose(1, 2) + self.position
        grid = self.grid
        for block in self.blocks:
            x, grid = block(x, grid)
        return self.head(x.mean(1))
