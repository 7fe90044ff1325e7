import torch
from torch import nn


class Residual(nn.Module):
  """y = fn(x) + x, for an fn of any kind"""

  def __init__(self, fn):
    super().__init__()
    self.fn = fn

  def forward(self, x):
    return self.fn(x) + x


class ConvMixer(nn.Module):

  def __init__(self, dim=32, depth=2, kernel_size=5, patch_size=4, num_classes=10):
    super().__init__()
    self.stem = nn.Conv2d(3, dim, patch_size, stride=patch_size)
    self.blocks = nn.Sequential(*[
        nn.Sequential(
            Residual(nn.Sequential(
                nn.Conv2d(dim, dim, kernel_size, groups=dim, padding=kernel_size // 2), nn.GELU(), nn.BatchNorm2d(dim))),
            Residual(nn.Conv2d(dim, dim, 1)),
        ) for _ in range(depth)])
    self.head = nn.Linear(dim, num_classes)

  def forward(self, x):
    x = self.blocks(self.stem(x))
    return self.head(x.mean((2, 3)))
