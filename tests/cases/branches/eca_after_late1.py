# model with eca after late1: host BranchNet, built by BranchNet().
# Made by codegen 0.1.0 from model.py (sha256 4706803ead0d291a), changed, with
#     codegen insert model.py --module eca --after late1
# The licence and copyright notices of the original file stay in force. Body: sha256 3224f7f7dd7b98fd.
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
        self.eca = EfficientChannelAttention(dims[-1])
        self.register_load_state_dict_pre_hook(load_without_eca)

    def set_grad_checkpointing(self, enable=True):
        self.grad_checkpointing = enable

    def forward_intermediates(self, x, norm=False, intermediates_only=False):
        """All feature maps, with or without the last norm on each of them."""
        feats = []
        x = self.stem(x)
        x = self.stage1(x)
        feats.append(x)
        x = self.stage2(x)
        feats.append(x)
        for name in self.late_names:
            x = getattr(self, name)(x)
            if name == "late1":
                x = self.eca(x)
        feats.append(self.norm(x) if norm else x)
        if intermediates_only:
            return feats
        return self.norm(x), feats

    def forward_features(self, x):
        if torch.jit.is_scripting():
            x = self.stem(x)
        else:
            x = checkpoint(self.stem, x, use_reentrant=False) if self.grad_checkpointing else self.stem(x)
        x = checkpoint(self.stage1, x, use_reentrant=False) if self.grad_checkpointing else self.stage1(x)
        if self.grad_checkpointing:
            x = checkpoint(self.stage2, x, use_reentrant=False)
        else:
            x = self.stage2(x)
        for name in self.late_names:
            x = getattr(self, name)(x)
            if name == "late1":
                x = self.eca(x)
        return self.norm(x)

    def forward_head(self, x):
        return self.head(x.mean((2, 3)))

    def forward(self, x):
        return self.forward_head(self.forward_features(x))
