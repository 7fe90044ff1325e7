# -*- coding: utf-8 -*-
# @Author  : 王小明
# @File    : model.py

import torch
import torch.nn as nn


class h_sigmoid(nn.Module):
    def __init__(self, inplace=True):
        super(h_sigmoid, self).__init__()
        self.relu = nn.ReLU6(inplace=inplace)

    def forward(self, x):
        return self.relu(x + 3) / 6


class GhostModule(nn.Module):
    """一半通道来自普通卷积，另一半来自廉价的深度卷积"""

    def __init__(self, inp, oup, ratio=2):
        super(GhostModule, self).__init__()
        init_channels = oup // ratio
        self.primary_conv = nn.Conv2d(inp, init_channels, 1, bias=False)
        self.cheap_operation = nn.Conv2d(init_channels, oup - init_channels, 3, padding=1, groups=init_channels)

    def forward(self, x):
        x1 = self.primary_conv(x)
        x2 = self.cheap_operation(x1)
        return torch.cat([x1, x2], dim=1)


class GhostNet(nn.Module):
    def __init__(self, num_classes=10, width=16):
        super(GhostNet, self).__init__()
        self.conv_stem = nn.Conv2d(3, width, 3, 2, 1, bias=False)
        self.act = h_sigmoid()
        self.ghost = GhostModule(width, width * 2)
        self.global_pool = nn.AdaptiveAvgPool2d((1, 1))
        self.classifier = nn.Linear(width * 2, num_classes)

    def forward(self, x):
        x = self.act(self.conv_stem(x))   # 下采样 2 倍

        x = self.ghost(x)

        x = self.global_pool(x).flatten(1)
        return self.classifier(x)
