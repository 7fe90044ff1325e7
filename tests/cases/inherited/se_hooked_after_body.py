# model with se after body: host WideNet, built by WideNet().
# Made by codegen 0.1.0 from model.py (sha256 22a785b8b79e138b), changed, with
#     codegen insert model.py --build 'WideNet()' --module se --after body --hook
# The licence and copyright notices of the original file stay in force. Body: sha256 9c43820fed50d985.
"""Nets that differ in one number: the base has all the code, the others a name."""
import torch
from torch import nn


class BaseNet(nn.Module):
    width = 8

    def __init__(self, num_classes=10):
        super().__init__()
        self.stem = nn.Conv2d(3, self.width, 3, stride=2, padding=1)
        self.body = nn.Conv2d(self.width, self.width, 3, padding=1)
        self.head = nn.Linear(self.width, num_classes)

    def forward(self, x):
        x = torch.relu(self.stem(x))
        x = torch.relu(self.body(x))
        return self.head(x.mean((2, 3)))


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


def run_se(site: nn.Module, args: tuple[torch.Tensor], output: torch.Tensor) -> torch.Tensor:
    """Run `se` of a site on what the site returns, wherever it is run."""
    return site.se(output)


class WideNet(BaseNet):
    """Twice as wide"""
    width = 16

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.body.se = SqueezeExcite(self.body.out_channels)
        self.body.register_forward_hook(run_se)
        self.body.register_load_state_dict_pre_hook(load_without_se)


class Trunk(nn.Sequential):
    """No forward of its own either: nn.Sequential runs the layers"""

    def __init__(self, dim=8):
        super().__init__(nn.Conv2d(3, dim, 3, padding=1), nn.ReLU(), nn.Conv2d(dim, dim, 3, padding=1))


class DeepNet(BaseNet):
    def __init__(self, num_classes=10):
        super().__init__(num_classes)
        self.extra = nn.Conv2d(self.width, self.width, 3, padding=1)

    def forward(self, x):
        x = torch.relu(self.stem(x))
        x = torch.relu(self.extra(self.body(x)))
        return self.head(x.mean((2, 3)))
