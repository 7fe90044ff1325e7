# model with se after stage1: host TinyNet, built by TinyNet().
# Made by codegen 0.1.0 from model.py (sha256 1302df23ab7a1868), changed, with
#     codegen insert model.py --module se --after stage1
# The licence and copyright notices of the original file stay in force. Body: sha256 685d11f334211c43.
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
        self.se = SqueezeExcite(width)
        self.register_load_state_dict_pre_hook(load_without_se)

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
        x = self.se(x)
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
