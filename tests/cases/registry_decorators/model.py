"""Backbones of a detection tool box: a registry, decorators, type comments; the net stands in the middle of the file."""
import functools
import math
from typing import List, Optional, Tuple  # noqa: F401 (type comments)

import torch
from torch import Tensor, nn

BACKBONES = {}


def register(name):
    def wrapper(cls):
        if name in BACKBONES:
            raise KeyError("%s is already registered" % name)
        BACKBONES[name] = cls
        return cls

    return wrapper


def auto_fp32(fn):
    @functools.wraps(fn)
    def wrapped(self, x, *args, **kwargs):
        return fn(self, x.float(), *args, **kwargs)

    return wrapped


@register("tiny_block")
class Block(nn.Module):
    def __init__(self, c, k=3):
        # type: (int, int) -> None
        super().__init__()
        self.dw = nn.Conv2d(c, c, k, padding=k // 2, groups=c)
        self.pw = nn.Conv2d(c, c, 1)

    def forward(self, x):
        # type: (Tensor) -> Tensor
        return x + self.pw(torch.relu(self.dw(x)))


@register("tiny_net")  # the name in the config files
class TinyNet(nn.Module):
    stages = (16, 32)  # type: Tuple[int, ...]

    def __init__(self, width=16, norm_eval=False):
        # type: (int, bool) -> None
        super().__init__()
        self.norm_eval = norm_eval
        self.stem = nn.Conv2d(3, width, 3, stride=2, padding=1)
        self.norm = nn.BatchNorm2d(width)
        self.stage1 = Block(width)
        self.down = nn.Conv2d(width, width * 2, 3, stride=2, padding=1)
        self.stage2 = Block(width * 2)

    @property
    def num_features(self):
        return self.stage2.pw.out_channels

    @staticmethod
    def scale_of(level):
        return 2 ** (level + 1)

    @auto_fp32
    def forward(self, x, levels=None):
        # type: (Tensor, Optional[List[int]]) -> List[Tensor]
        outs = []  # type: List[Tensor]
        x = self.norm(self.stem(x))
        x = self.stage1(x)  # type: Tensor
        outs.append(x)
        x = self.stage2(self.down(x))
        outs.append(x)
        return outs if levels is None else [outs[level] for level in levels]

    def train(self, mode=True):
        super().train(mode)
        if mode and self.norm_eval:
            self.norm.eval()
        return self


class PositionHead(nn.Module):
    """Used by the trackers: sine codes for a feature map, then a linear layer"""

    def __init__(self, dim=32):
        super().__init__()
        self.freqs = [math.pi * 2 ** i for i in range(dim // 4)]
        self.proj = nn.Linear(dim, dim)

    def forward(self, x):
        t = torch.linspace(0, 1, x.shape[-1])
        code = torch.cat([f(t * w) for w in self.freqs for f in (torch.sin, torch.cos)])
        return self.proj(code[: self.proj.in_features])


def build_backbone(cfg):
    cfg = dict(cfg)
    return BACKBONES[cfg.pop("type")](**cfg)
