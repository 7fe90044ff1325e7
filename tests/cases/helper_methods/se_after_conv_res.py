# model with se after conv_res: host HelperNet, built by HelperNet().
# Made by codegen 0.1.0 from model.py (sha256 89a8c6734183f2fc), changed, with
#     codegen insert model.py --module se --after conv_res
# The licence and copyright notices of the original file stay in force. Body: sha256 0312a7d0d8a452a1.
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch import flatten


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


class HelperNet(nn.Module):
    """Everything goes through helpers: the layers are handed to them"""

    def __init__(self, nf=8, num_classes=10, slope=0.1):
        super().__init__()
        self.slope = slope
        self.conv_in = nn.Conv2d(3, nf, 3, 2, 1)
        self.conv_mid = nn.Conv2d(nf, nf * 2, 3, 2, 1)
        self.conv_res = nn.Conv2d(nf * 2, nf * 2, 3, 1, 1)
        self.norm = nn.BatchNorm2d(nf * 2)
        self.fc = nn.Linear(nf * 2, num_classes)
        self.se = SqueezeExcite(nf * 2)
        self.register_load_state_dict_pre_hook(load_without_se)

    def _act(self, x):
        return F.leaky_relu(x, self.slope)

    def _conv(self, layer, x):
        x = layer(x)
        return self._act(x)

    def _residual(self, x, fn):
        return x + fn(x)

    def _stem(self, x):
        x = self._conv(self.conv_in, x)
        return self._conv(self.conv_mid, x)

    def extract(self, img):
        feat = self._stem(img)
        feat = self._residual(feat, lambda f: self.norm(self.se(self.conv_res(f))))
        return feat

    def forward(self, img):
        feat = self.extract(img)
        return self._head(feat)

    def _head(self, feat):
        return self.fc(flatten(F.adaptive_avg_pool2d(feat, 1), 1))
