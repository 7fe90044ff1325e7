# model with se after blocks.1: host PointwiseBlock, built by Net().
# Made by codegen 0.1.0 from model.py (sha256 c509825a1b81600f), changed, with
#     codegen insert model.py --module se --after blocks.1
# The licence and copyright notices of the original file stay in force. Body: sha256 033e0f03ed02185b.
"""Nothing here has code of its own where it can be inherited: a net without __init__, blocks and layers without forward."""
import torch
import torch.nn as nn
import torch.nn.functional as F


class ConvBNReLU(nn.Sequential):
    def __init__(self, in_planes, out_planes, stride=1):
        super(ConvBNReLU, self).__init__(
            nn.Conv2d(in_planes, out_planes, 3, stride, 1, bias=False),
            nn.BatchNorm2d(out_planes),
            nn.ReLU(inplace=True),
        )


class Block(nn.Module):
    def __init__(self, dim):
        super(Block, self).__init__()
        self.conv1 = ConvBNReLU(dim, dim)
        self.conv2 = nn.Conv2d(dim, dim, 3, padding=1)

    def forward(self, x, scale=1.0):
        return x + scale * self.conv2(self.conv1(x))


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


class PointwiseBlock(Block):
    """The same with kernels of one pixel"""

    def __init__(self, dim):
        super(PointwiseBlock, self).__init__(dim)
        self.conv2 = nn.Conv2d(dim, dim, 1)
        self.se = nn.Identity()  # the model puts a module into the chosen ones

    def forward(self, x, scale=1.0):
        return self.se(super().forward(x, scale))


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
        self.blocks[1].se = SqueezeExcite(self.blocks[1].conv2.out_channels)
        self.blocks[1].register_load_state_dict_pre_hook(load_without_se)

    def forward(self, x):
        x = self.stem(x)
        for block in self.blocks:
            x = block(x, 0.5)
        maps = [neck(x) for neck in self.necks]
        x = torch.cat([F.adaptive_avg_pool2d(m, 1) for m in maps], dim=1)
        return self.fc(x.flatten(1))
