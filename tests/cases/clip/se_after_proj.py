# model with se after proj: host TubeletEmbed, built by VideoNet().
# Made by codegen 0.1.0 from model.py (sha256 0df93948df4f54c3), changed, with
#     codegen insert model.py --class TubeletEmbed --module se --after proj
# The licence and copyright notices of the original file stay in force. Body: sha256 b09f93eb6ce72221.
"""A video transformer for clips of one size: its position embedding is as long as the clip's tokens."""
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
        self.fc1 = nn.Conv3d(channels, hidden, kernel_size=1)
        self.act = nn.ReLU()
        self.fc2 = nn.Conv3d(hidden, channels, kernel_size=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        s = x.mean((2, 3, 4), keepdim=True)  # (N, C, 1, 1, 1)
        s = self.fc2(self.act(self.fc1(s))).sigmoid()
        return x * s


def load_without_se(host: nn.Module, state_dict: dict, prefix: str, *_) -> None:
    """Let a base checkpoint load strictly: without a single key of `se`, `se` keeps its values.

    A checkpoint that has some of the keys and lacks others is damaged, and stays an error.
    """
    own = {f"{prefix}se.{key}": value for key, value in host.se.state_dict().items()}
    if not own.keys() & state_dict.keys():
        state_dict.update(own)


class TubeletEmbed(nn.Module):
    def __init__(self, dim, tubelet=(2, 8, 8)):
        super().__init__()
        self.proj = nn.Conv3d(3, dim, kernel_size=tubelet, stride=tubelet)
        with torch.random.fork_rng(devices=[]):  # the model draws what it drew without it
            self.se = SqueezeExcite(dim)
        self.register_load_state_dict_pre_hook(load_without_se)

    def forward(self, x):
        return self.se(self.proj(x)).flatten(2).transpose(1, 2)


class VideoNet(nn.Module):
    def __init__(self, dim=32, frames=16, size=64, num_classes=10):
        super().__init__()
        self.embed = TubeletEmbed(dim)
        self.pos = nn.Parameter(torch.zeros(1, frames // 2 * (size // 8) ** 2, dim))
        self.block = nn.TransformerEncoderLayer(dim, 4, 2 * dim, batch_first=True)
        self.head = nn.Linear(dim, num_classes)

    def forward(self, clip):
        x = self.embed(clip) + self.pos
        return self.head(self.block(x).mean(1))
