# model with se after stem: host ConvNet, built by ConvNet().
# Made by codegen 0.1.0 from model.py (sha256 69408c308de9a9c2), changed, with
#     codegen insert model.py --module se --after stem
# The licence and copyright notices of the original file stay in force. Body: sha256 019e5dd354cc4b2b.
"""Runs with and without the fast kernels: classes are defined where the imports and the version allow it."""
import torch
import torch.nn as nn
import torch.nn.functional as F

try:
    from fast_kernels.norm import FastLayerNorm as LayerNorm2d
    HAS_FAST = True
except ImportError:
    HAS_FAST = False

    class LayerNorm2d(nn.LayerNorm):
        """LayerNorm over the channels of a (B, C, H, W) map"""

        def forward(self, x):
            x = x.permute(0, 2, 3, 1)
            x = F.layer_norm(x, self.normalized_shape, self.weight, self.bias, self.eps)
            return x.permute(0, 3, 1, 2)


class Block(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.dwconv = nn.Conv2d(dim, dim, 7, padding=3, groups=dim)
        self.norm = LayerNorm2d(dim)
        self.pwconv = nn.Conv2d(dim, dim, 1)

    def forward(self, x):
        return x + self.pwconv(F.gelu(self.norm(self.dwconv(x))))


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


if HAS_FAST:

    class ConvNet(nn.Module):
        def __init__(self, dim=16, num_classes=10):
            super().__init__()
            self.stem = nn.Conv2d(3, dim, 4, stride=4)
            self.block = Block(dim)
            self.head = nn.Linear(dim, num_classes)

        def forward(self, x):
            x = self.stem(x).contiguous(memory_format=torch.channels_last)
            x = self.block(x)
            return self.head(x.mean((2, 3)))

else:

    class ConvNet(nn.Module):
        def __init__(self, dim=16, num_classes=10):
            super().__init__()
            self.stem = nn.Conv2d(3, dim, 4, stride=4)
            self.block = Block(dim)
            self.head = nn.Linear(dim, num_classes)
            self.se = SqueezeExcite(dim)
            self.register_load_state_dict_pre_hook(load_without_se)

        def forward(self, x):
            if torch.jit.is_scripting():
                x = self.block(self.se(self.stem(x)))
            else:
                x = self.stem(x)
                x = self.se(x)
                x = self.block(x)
            return self.head(x.mean((2, 3)))
