"""A video transformer for clips of one size: its position embedding is as long as the clip's tokens."""
import torch
from torch import nn


class TubeletEmbed(nn.Module):
    def __init__(self, dim, tubelet=(2, 8, 8)):
        super().__init__()
        self.proj = nn.Conv3d(3, dim, kernel_size=tubelet, stride=tubelet)

    def forward(self, x):
        return self.proj(x).flatten(2).transpose(1, 2)


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
