# model with se after conv: host ConvBlock, built by SmallNet().
# Made by codegen 0.1.0 from model.py (sha256 6306f3fb77c6514b), changed, with
#     codegen insert model.py --class ConvBlock --module se --after conv
# The licence and copyright notices of the original file stay in force. Body: sha256 6bdd0736315e4193.
"""The constructor runs the features once, to learn how many numbers the classifier gets."""
import torch
from torch import nn


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


class ConvBlock(nn.Module):
    def __init__(self, in_channels, out_channels):
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, kernel_size=3, padding=1)
        self.pool = nn.MaxPool2d(4)
        # the model makes it, after its own weight init; until then x passes
        self.se = lambda *x: x[0] if x else SqueezeExcite(out_channels)
        self.register_load_state_dict_pre_hook(load_without_se)

    def forward(self, x):
        return self.pool(torch.relu(self.se(self.conv(x))))


class SmallNet(nn.Module):
    def __init__(self, width=8, input_size=64, num_classes=10):
        super().__init__()
        self.features = nn.Sequential(ConvBlock(3, width), ConvBlock(width, 2 * width))
        with torch.no_grad():
            size = self.features(torch.zeros(1, 3, input_size, input_size)).numel()
        self.classifier = nn.Linear(size, num_classes)
        self.apply(self._init_weights)
        for module in self.modules():
            if isinstance(module, ConvBlock):
                module.se = module.se()

    @staticmethod
    def _init_weights(module):
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            nn.init.kaiming_normal_(module.weight)
            nn.init.zeros_(module.bias)

    def forward(self, x):
        return self.classifier(self.features(x).flatten(1))
