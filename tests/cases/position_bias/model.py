"""Attention with a bias for each pair of positions: the model takes maps of one size, and is made for that size."""
import torch
import torch.nn.functional as F
from torch import nn


class BiasedAttention(nn.Module):
    def __init__(self, dim, heads, positions):
        super().__init__()
        self.heads = heads
        self.qkv = nn.Conv2d(dim, 3 * dim, 1)
        self.bias = nn.Parameter(torch.zeros(1, heads, positions, positions))
        self.proj = nn.Conv2d(dim, dim, 1)

    def forward(self, x):
        B, C, H, W = x.shape
        q, k, v = self.qkv(x).reshape(B, 3, self.heads, C // self.heads, H * W).transpose(3, 4).unbind(1)
        x = F.scaled_dot_product_attention(q, k, v, attn_mask=self.bias)
        return self.proj(x.transpose(2, 3).reshape(B, C, H, W))


class Net(nn.Module):
    def __init__(self, dim=32, heads=2, image_side=160, num_classes=10):
        super().__init__()
        self.stem = nn.Conv2d(3, dim, 16, stride=16)
        self.attn = BiasedAttention(dim, heads, (image_side // 16) ** 2)
        self.head = nn.Linear(dim, num_classes)

    def forward(self, x):
        x = self.stem(x)
        x = x + self.attn(x)
        return self.head(x.mean((2, 3)))
