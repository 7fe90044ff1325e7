import torch.nn as nn
import torch.nn.functional as F

import config

__all__ = ['ConvBlock', 'Stage', 'Pool']


class Norm(nn.BatchNorm2d):
    """BatchNorm with the momentum of the first paper"""

    def __init__(self, num_features):
        super().__init__(num_features, momentum=0.01)


class ConvBlock(nn.Module):
    def __init__(self, in_planes, planes, **kwargs):
        super().__init__()
        self.conv = nn.Conv2d(in_planes, planes, **{**config.STEM, **kwargs})
        self.norm = Norm(planes)

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
        nn.init.normal_(m.weight, 0, config.LR)
