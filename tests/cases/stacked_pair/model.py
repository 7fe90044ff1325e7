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


class ChangeNet(nn.Module):
    def __init__(self, base=16, num_classes=2):
        super().__init__()
        self.encoder = Encoder(base)
        self.head = nn.Conv2d(2 * base, num_classes, 1)

    def forward(self, before, after):
        both = self.encoder(torch.cat([before, after], dim=0))
        old, new = torch.chunk(both, 2, dim=0)
        return F.interpolate(self.head((new - old).abs()), size=before.shape[-2:], mode="bilinear")
