# model with cbam after encoder: host ChangeNet, built by ChangeNet().
# Made by codegen 0.1.0 from model.py (sha256 11974866138c3317), changed, with
#     codegen insert model.py --input 1x3x64x64,1x3x64x64 --module cbam --after encoder
# The licence and copyright notices of the original file stay in force. Body: sha256 eb71521ee9c917fd.
"""Change detection in the manner of a siamese net: both images go through one encoder in a single batch."""
import torch
import torch.nn as nn
import torch.nn.functional as F


class Encoder(nn.Module):
    def __init__(self, base=16):
        super().__init__()
        self.stem = nn.Conv2d(3, base, 7, stride=2, padding=3)
        self.stage = nn.Conv2d(base, 2 * base, 3, stride=2, padding=1)

    def forward(self, x):
        return self.stage(F.relu(self.stem(x)))


class ConvBlockAttention(nn.Module):
    """Convolutional Block Attention: a gate for each channel, then for each position.

    Paper: CBAM - https://arxiv.org/abs/1807.06521
    """

    def __init__(
        self,
        channels: int,
        reduction: int = 16,
        kernel_size: int = 7,
    ) -> None:
        super().__init__()
        hidden = max(channels // reduction, 4)
        self.mlp = nn.Sequential(
            nn.Conv2d(channels, hidden, kernel_size=1, bias=False),
            nn.ReLU(),
            nn.Conv2d(hidden, channels, kernel_size=1, bias=False),
        )
        padding = kernel_size // 2
        self.conv = nn.Conv2d(2, 1, kernel_size, padding=padding, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        mean = x.mean((2, 3), keepdim=True)  # (N, C, 1, 1)
        peak = x.amax((2, 3), keepdim=True)
        y = x * (self.mlp(mean) + self.mlp(peak)).sigmoid()
        maps = torch.stack([y.mean(1), y.amax(1)], dim=1)  # (N, 2, H, W)
        return y * self.conv(maps).sigmoid()  # (N, 1, H, W)


def load_without_cbam(host: nn.Module, state_dict: dict, prefix: str, *_) -> None:
    """Let a base checkpoint load strictly: without a single key of `cbam`, `cbam` keeps its values.

    A checkpoint that has some of the keys and lacks others is damaged, and stays an error.
    """
    own = {f"{prefix}cbam.{key}": value for key, value in host.cbam.state_dict().items()}
    if not own.keys() & state_dict.keys():
        state_dict.update(own)


class ChangeNet(nn.Module):
    def __init__(self, base=16, num_classes=2):
        super().__init__()
        self.encoder = Encoder(base)
        self.head = nn.Conv2d(2 * base, num_classes, 1)
        self.cbam = ConvBlockAttention(2 * base)
        self.register_load_state_dict_pre_hook(load_without_cbam)

    def forward(self, before, after):
        both = self.encoder(torch.cat([before, after], dim=0))
        both = self.cbam(both)
        old, new = torch.chunk(both, 2, dim=0)
        return F.interpolate(self.head((new - old).abs()), size=before.shape[-2:], mode="bilinear")
