# model with se after attn: host Net, built by Net().
# Made by codegen 0.1.0 from model.py (sha256 8bc34cd9e25adbce), changed, with
#     codegen insert model.py --input 1x3x160x160 --module se --after attn
# The licence and copyright notices of the original file stay in force. Body: sha256 d0ff364a37100f43.
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


class Net(nn.Module):
    def __init__(self, dim=32, heads=2, image_side=160, num_classes=10):
        super().__init__()
        self.stem = nn.Conv2d(3, dim, 16, stride=16)
        self.attn = BiasedAttention(dim, heads, (image_side // 16) ** 2)
        self.head = nn.Linear(dim, num_classes)
        self.se = SqueezeExcite(dim)
        self.register_load_state_dict_pre_hook(load_without_se)

    def forward(self, x):
        x = self.stem(x)
        x = x + self.se(self.attn(x))
        return self.head(x.mean((2, 3)))
