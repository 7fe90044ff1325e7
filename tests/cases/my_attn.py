"""My attention modules, a drawer of experiments. MyAttn is the one of the paper."""
import json
import math
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn

MIN_WIDTH = 4
TEMPERATURE = 1.5
LOG_DIR = Path("runs")  # of the training script


def hidden_width(channels, reduction):
    """Rounded up to a multiple of MIN_WIDTH"""
    return max(MIN_WIDTH, math.ceil(channels / reduction / MIN_WIDTH) * MIN_WIDTH)


def log_weights(weights, step):
    (LOG_DIR / f"{step}.json").write_text(json.dumps(weights.tolist()))


class SpatialGate(nn.Module):
    """tried first, not better"""

    def __init__(self, kernel_size=7):
        super().__init__()
        self.conv = nn.Conv2d(2, 1, kernel_size, padding=kernel_size // 2)

    def forward(self, x):
        stats = torch.cat([x.mean(1, keepdim=True), x.amax(1, keepdim=True)], dim=1)
        return x * torch.sigmoid(self.conv(stats))


class MyAttn(nn.Module):
    """Channel attention from the mean and the spread of each channel. (B, C, H, W) -> (B, C, H, W)"""

    def __init__(self, channels, reduction=8):
        super().__init__()
        width = hidden_width(channels, reduction)
        self.squeeze = nn.Linear(2 * channels, width)
        self.excite = nn.Linear(width, channels)

    def forward(self, x):
        b, c, h, w = x.shape
        mean = x.mean(dim=(2, 3))
        spread = (x - mean.view(b, c, 1, 1)).abs().mean(dim=(2, 3))
        gate = self.excite(F.relu(self.squeeze(torch.cat([mean, spread], dim=1))))
        return x * torch.sigmoid(gate / TEMPERATURE).view(b, c, 1, 1)


class MyAttnV2(MyAttn):
    """with the spatial gate on top, did not converge"""

    def __init__(self, channels, reduction=8):
        super().__init__(channels, reduction)
        self.spatial = SpatialGate()

    def forward(self, x):
        return self.spatial(super().forward(x))
