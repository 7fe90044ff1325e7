"""Modules for tensors whose last dim is the channels: tokens (B, N, C), maps (B, H, W, C), vectors (B, C)."""
import torch
from torch import nn


def rms(x, eps=1e-6):
    """Root mean square over the channels, kept as a dim of 1"""
    return x.pow(2).mean(dim=-1, keepdim=True).add(eps).sqrt()


class TokenScale(nn.Module):
    """Scales each channel by how large its token is. (..., C) -> (..., C)"""

    def __init__(self, dim, init=0.1):
        super().__init__()
        self.scale = nn.Parameter(init * torch.randn(dim))
        self.shift = nn.Parameter(torch.zeros(dim))

    def forward(self, x):
        return x * (1 + self.scale * torch.tanh(rms(x))) + self.shift


class TokenShuffle(nn.Module):
    """Augmentation: mixes the order of the tokens. (B, N, C) -> (B, N, C)"""

    def forward(self, x):
        if not self.training:
            return x
        return x[:, torch.randperm(x.shape[1], device=x.device)]
