# model with eca beside stem.1,2: host ConvBNReLU, built by Net().
# Made by codegen 0.1.0 from model.py (sha256 c509825a1b81600f), changed, with
#     codegen insert model.py --module eca --beside stem.1,2
# The licence and copyright notices of the original file stay in force. Body: sha256 48f548ba8f1dff10.
"""Nothing here has code of its own where it can be inherited: a net without __init__, blocks and layers without forward."""
import math
from functools import partial

import torch
import torch.nn as nn
import torch.nn.functional as F


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


class AddedBranch(nn.Module):
    """Run a module beside another: y + module(x)."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return y + self.module(x)


class NoBranch(nn.Module):
    """Where no module runs beside another: y stays as it is."""

    def forward(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return y


def load_without(attribute: str, host: nn.Module, state_dict: dict, prefix: str, *_) -> None:
    """Let a base checkpoint load strictly: without a single key of the module `attribute`, that keeps its values.

    A checkpoint that has some of the keys and lacks others is damaged, and stays an error.
    """
    own = {f"{prefix}{attribute}.{key}": value for key, value in getattr(host, attribute).state_dict().items()}
    if not own.keys() & state_dict.keys():
        state_dict.update(own)


class ConvBNReLU(nn.Sequential):
    def __init__(self, in_planes, out_planes, stride=1):
        super(ConvBNReLU, self).__init__(
            nn.Conv2d(in_planes, out_planes, 3, stride, 1, bias=False),
            nn.BatchNorm2d(out_planes),
            nn.ReLU(inplace=True),
        )
        self.eca = NoBranch()  # the model puts a module into the chosen ones
        self.eca2 = NoBranch()  # the model puts a module into the chosen ones

    def forward(self, x):
        for module in self:
            if module is self.eca2:
                continue
            if module is self[1]:
                x = self.eca(x, module(x))
            elif module is not self.eca:
                x_in = x.clone()
                x = module(x)
                if module is self[2]:
                    x = self.eca2(x_in, x)
        return x


class Block(nn.Module):
    def __init__(self, dim):
        super(Block, self).__init__()
        self.conv1 = ConvBNReLU(dim, dim)
        self.conv2 = nn.Conv2d(dim, dim, 3, padding=1)

    def forward(self, x, scale=1.0):
        return x + scale * self.conv2(self.conv1(x))


class PointwiseBlock(Block):
    """The same with kernels of one pixel"""

    def __init__(self, dim):
        super(PointwiseBlock, self).__init__(dim)
        self.conv2 = nn.Conv2d(dim, dim, 1)


class BaseNet(nn.Module):
    def __init__(self, width=16, num_classes=10):
        super(BaseNet, self).__init__()
        self.stem = ConvBNReLU(3, width, stride=2)
        self.blocks = nn.ModuleList([Block(width), PointwiseBlock(width), PointwiseBlock(width)])
        self.necks = nn.ModuleList([ConvBNReLU(width, width), ConvBNReLU(width, width)])
        self.fc = nn.Linear(2 * width, num_classes)

    def forward(self, x):
        raise NotImplementedError


class Net(BaseNet):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.stem.eca = AddedBranch(EfficientChannelAttention(self.stem[1].num_features))
        self.stem.register_load_state_dict_pre_hook(partial(load_without, "eca"))
        self.stem.eca2 = AddedBranch(EfficientChannelAttention(self.stem[1].num_features))
        self.stem.register_load_state_dict_pre_hook(partial(load_without, "eca2"))

    def forward(self, x):
        x = self.stem(x)
        for block in self.blocks:
            x = block(x, 0.5)
        maps = [neck(x) for neck in self.necks]
        x = torch.cat([F.adaptive_avg_pool2d(m, 1) for m in maps], dim=1)
        return self.fc(x.flatten(1))
