# model with se after stage: host FlatNet, built by FlatNet().
# Made by codegen 0.1.0 from model.py (sha256 5864b02ec1f31b14) and config.py (sha256 97a18df45a0c7125) and layers.py (sha256 52a178f8b8f9c622), changed, with
#     codegen insert model.py --module se --after stage
# The licence and copyright notices of the original file stay in force. Body: sha256 b088be1f7cab6035.
"""A flat repository: the parts lie beside the model and are imported in every way that works."""
import torch
import torch.nn.functional as F
from torch import nn


# sizes of the net; the training script has more
WIDTH = 16
STEM = dict(kernel_size=3, stride=2, padding=1)
NUM_CLASSES = 10
LR = 1e-3


class Norm2(nn.BatchNorm2d):
    """BatchNorm with the momentum of the first paper"""

    def __init__(self, num_features):
        super().__init__(num_features, momentum=0.01)


class ConvBlock(nn.Module):
    def __init__(self, in_planes, planes, **kwargs):
        super().__init__()
        self.conv = nn.Conv2d(in_planes, planes, **{**STEM, **kwargs})
        self.norm = Norm2(planes)

    def forward(self, x):
        return F.relu(self.norm(self.conv(x)))


class Stage(nn.Sequential):
    def __init__(self, planes, depth=2):
        super().__init__(*[ConvBlock(planes, planes, stride=1) for _ in range(depth)])


class Pool(nn.Module):
    def forward(self, x):
        return x.mean((2, 3))


def init_weights(m):
    if isinstance(m, nn.Linear):
        nn.init.normal_(m.weight, 0, LR)


init_fn = init_weights


class Norm(nn.LayerNorm):
    """Not the Norm of layers.py"""


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


class FlatNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = ConvBlock(3, WIDTH)
        self.stage = Stage(WIDTH)
        self.pool = Pool()
        self.norm = Norm(WIDTH)
        self.head = nn.Linear(WIDTH, NUM_CLASSES)
        self.apply(init_fn)
        self.se = SqueezeExcite(WIDTH)
        self.register_load_state_dict_pre_hook(load_without_se)

    def forward(self, x):
        x = self.stem(x)
        x = self.stage(x)
        x = self.se(x)
        x = self.norm(self.pool(x))
        return self.head(torch.tanh(x))
