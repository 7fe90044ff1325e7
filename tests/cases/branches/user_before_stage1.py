# model with ../my_attn.py:MyAttn before stage1: host BranchNet, built by BranchNet().
# Made by codegen 0.1.0 from model.py (sha256 4706803ead0d291a) and ../my_attn.py (sha256 7910467637d9ca4b), changed, with
#     codegen insert model.py --module ../my_attn.py:MyAttn --before stage1
# The licence and copyright notices of the original file stay in force. Body: sha256 2621ffc5dfe2a733.
"""A staged net whose forward has many ways: checkpointing, scripting, a loop over names, intermediate features."""
import math

import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.checkpoint import checkpoint


class Stage(nn.Module):
    def __init__(self, dim, out_dim, stride=1):
        super().__init__()
        self.conv = nn.Conv2d(dim, out_dim, 3, stride=stride, padding=1)
        self.norm = nn.GroupNorm(1, out_dim)

    def forward(self, x):
        return F.gelu(self.norm(self.conv(x)))


MIN_WIDTH = 4
TEMPERATURE = 1.5


def hidden_width(channels, reduction):
    """Rounded up to a multiple of MIN_WIDTH"""
    return max(MIN_WIDTH, math.ceil(channels / reduction / MIN_WIDTH) * MIN_WIDTH)


class MyAttn(nn.Module):
    """Channel attention from the mean and the spread of each channel. (B, C, H, W) -> (B, C, H, W)"""

    def __init__(self, channels, reduction=8):
        super().__init__()
        width = hidden_width(channels, reduction)
        self.squeeze = nn.Linear(2 * channels, width)
        self.excite = nn.Linear(width, channels)

    def forward(self, x):
        b, c, h, w = x.shape
        mean = x.mean(dim=(2, 3))
        spread = (x - mean.view(b, c, 1, 1)).abs().mean(dim=(2, 3))
        gate = self.excite(F.relu(self.squeeze(torch.cat([mean, spread], dim=1))))
        return x * torch.sigmoid(gate / TEMPERATURE).view(b, c, 1, 1)


def load_without_my_attn(host: nn.Module, state_dict: dict, prefix: str, *_) -> None:
    """Let a base checkpoint load strictly: without a single key of `my_attn`, `my_attn` keeps its values.

    A checkpoint that has some of the keys and lacks others is damaged, and stays an error.
    """
    own = {f"{prefix}my_attn.{key}": value for key, value in host.my_attn.state_dict().items()}
    if not own.keys() & state_dict.keys():
        state_dict.update(own)


class BranchNet(nn.Module):
    def __init__(self, in_chans=3, dims=(8, 16, 24, 32), num_classes=10):
        super().__init__()
        self.grad_checkpointing = False
        self.stem = Stage(in_chans, dims[0])
        self.stage1 = Stage(dims[0], dims[1], stride=2)
        self.stage2 = Stage(dims[1], dims[2], stride=2)
        self.late_names = []
        for i in range(2):
            name = f'late{i + 1}'
            self.add_module(name, Stage(dims[2] if i == 0 else dims[3], dims[3]))
            self.late_names.append(name)
        self.norm = nn.GroupNorm(1, dims[3])
        self.head = nn.Linear(dims[3], num_classes)
        self.my_attn = MyAttn(dims[0])
        self.register_load_state_dict_pre_hook(load_without_my_attn)

    def set_grad_checkpointing(self, enable=True):
        self.grad_checkpointing = enable

    def forward_intermediates(self, x, norm=False, intermediates_only=False):
        """All feature maps, with or without the last norm on each of them."""
        feats = []
        x = self.stem(x)
        x = self.my_attn(x)
        x = self.stage1(x)
        feats.append(x)
        x = self.stage2(x)
        feats.append(x)
        for name in self.late_names:
            x = getattr(self, name)(x)
        feats.append(self.norm(x) if norm else x)
        if intermediates_only:
            return feats
        return self.norm(x), feats

    def forward_features(self, x):
        if torch.jit.is_scripting():
            x = self.stem(x)
        else:
            x = checkpoint(self.stem, x, use_reentrant=False) if self.grad_checkpointing else self.stem(x)
        x = self.my_attn(x)
        x = checkpoint(self.stage1, x, use_reentrant=False) if self.grad_checkpointing else self.stage1(x)
        if self.grad_checkpointing:
            x = checkpoint(self.stage2, x, use_reentrant=False)
        else:
            x = self.stage2(x)
        for name in self.late_names:
            x = getattr(self, name)(x)
        return self.norm(x)

    def forward_head(self, x):
        return self.head(x.mean((2, 3)))

    def forward(self, x):
        return self.forward_head(self.forward_features(x))
