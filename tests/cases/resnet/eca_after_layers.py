# model with eca after layer*: host ResNet, built by resnet18().
# Made by codegen 0.1.0 from model.py (sha256 5fe905e805ba49d6), changed, with
#     codegen insert model.py --module eca --after 'layer*'
# The licence and copyright notices of the original file stay in force. Body: sha256 7257e24a37d58daf.
import math
from functools import partial

import torch.nn as nn
import torch


class BasicBlock(nn.Module):
    expansion = 1

    def __init__(self, in_ch, out_ch, stride=1, downsample=None, **kwargs):
        super(BasicBlock, self).__init__()
        self.conv1 = nn.Conv2d(in_ch, out_ch, kernel_size=3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(out_ch)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(out_ch, out_ch, kernel_size=3, stride=1, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(out_ch)
        self.downsample = downsample

    def forward(self, x):
        shortcut = x if self.downsample is None else self.downsample(x)
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        out += shortcut
        return self.relu(out)


class Bottleneck(nn.Module):
    """1x1 -> 3x3 (stride here, like the "v1.5" nets) -> 1x1"""
    expansion = 4

    def __init__(self, in_ch, out_ch, stride=1, downsample=None, groups=1, width_per_group=64):
        super(Bottleneck, self).__init__()
        width = int(out_ch * (width_per_group / 64.)) * groups

        self.conv1 = nn.Conv2d(in_ch, width, kernel_size=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, kernel_size=3, stride=stride, padding=1, groups=groups, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, out_ch * self.expansion, kernel_size=1, bias=False)
        self.bn3 = nn.BatchNorm2d(out_ch * self.expansion)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = downsample

    def forward(self, x):
        shortcut = x if self.downsample is None else self.downsample(x)
        x = self.relu(self.bn1(self.conv1(x)))
        x = self.relu(self.bn2(self.conv2(x)))
        x = self.bn3(self.conv3(x))
        return self.relu(x + shortcut)


class EfficientChannelAttention(nn.Module):
    """Efficient Channel Attention: a gate for each channel, made of adjacent means.

    Paper: ECA-Net: Efficient Channel Attention - https://arxiv.org/abs/1910.03151
    """

    def __init__(
        self,
        channels: int,
        gamma: int = 2,
        beta: int = 1,
    ) -> None:
        super().__init__()
        t = int((math.log2(channels) + beta) / gamma)
        kernel_size = max(t if t % 2 else t + 1, 3)
        padding = kernel_size // 2
        self.conv = nn.Conv1d(1, 1, kernel_size, padding=padding, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        s = x.mean((2, 3)).unsqueeze(1)  # (N, 1, C)
        s = self.conv(s).sigmoid()
        return x * s.transpose(1, 2).unsqueeze(3)  # (N, C, 1, 1)


def load_without(attribute: str, host: nn.Module, state_dict: dict, prefix: str, *_) -> None:
    """Let a base checkpoint load strictly: without a single key of the module `attribute`, that keeps its values.

    A checkpoint that has some of the keys and lacks others is damaged, and stays an error.
    """
    own = {f"{prefix}{attribute}.{key}": value for key, value in getattr(host, attribute).state_dict().items()}
    if not own.keys() & state_dict.keys():
        state_dict.update(own)


class ResNet(nn.Module):

    def __init__(self, block, depths, num_classes=1000, include_top=True, groups=1, width_per_group=64,
                 base_c=64):
        super(ResNet, self).__init__()
        self.include_top = include_top
        self.in_ch = base_c
        self.groups = groups
        self.width_per_group = width_per_group

        self.conv1 = nn.Conv2d(3, self.in_ch, kernel_size=7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(self.in_ch)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(kernel_size=3, stride=2, padding=1)
        self.layer1 = self._make_layer(block, base_c, depths[0])
        self.layer2 = self._make_layer(block, base_c * 2, depths[1], stride=2)
        self.layer3 = self._make_layer(block, base_c * 4, depths[2], stride=2)
        self.layer4 = self._make_layer(block, base_c * 8, depths[3], stride=2)
        if self.include_top:
            self.avgpool = nn.AdaptiveAvgPool2d((1, 1))  # output size = (1, 1)
            self.fc = nn.Linear(base_c * 8 * block.expansion, num_classes)

        for m in self.modules():
            if isinstance(m, nn.Conv2d):
                nn.init.kaiming_normal_(m.weight, mode='fan_out', nonlinearity='relu')
        self.eca = EfficientChannelAttention(base_c * block.expansion)
        self.register_load_state_dict_pre_hook(partial(load_without, "eca"))
        self.eca2 = EfficientChannelAttention(base_c * 2 * block.expansion)
        self.register_load_state_dict_pre_hook(partial(load_without, "eca2"))
        self.eca3 = EfficientChannelAttention(base_c * 4 * block.expansion)
        self.register_load_state_dict_pre_hook(partial(load_without, "eca3"))
        self.eca4 = EfficientChannelAttention(base_c * 8 * block.expansion)
        self.register_load_state_dict_pre_hook(partial(load_without, "eca4"))

    def _make_layer(self, block, channel, depth, stride=1):
        downsample = None
        if stride != 1 or self.in_ch != channel * block.expansion:
            downsample = nn.Sequential(
                nn.Conv2d(self.in_ch, channel * block.expansion, kernel_size=1, stride=stride, bias=False),
                nn.BatchNorm2d(channel * block.expansion))

        layers = []
        layers.append(block(self.in_ch, channel, downsample=downsample, stride=stride,
                            groups=self.groups, width_per_group=self.width_per_group))
        self.in_ch = channel * block.expansion

        for _ in range(1, depth):
            layers.append(block(self.in_ch, channel, groups=self.groups,
                                width_per_group=self.width_per_group))

        return nn.Sequential(*layers)

    def forward(self, x):
        x = self.conv1(x)
        x = self.bn1(x)
        x = self.relu(x)
        x = self.maxpool(x)

        x = self.layer1(x)
        x = self.eca(x)
        x = self.layer2(x)
        x = self.eca2(x)
        x = self.layer3(x)
        x = self.eca3(x)
        x = self.layer4(x)
        x = self.eca4(x)

        if self.include_top:
            x = self.avgpool(x)
            x = torch.flatten(x, 1)
            x = self.fc(x)

        return x


def resnet18(num_classes=1000, include_top=True):
    return ResNet(BasicBlock, [2, 2, 2, 2], num_classes=num_classes, include_top=include_top)


def resnet34(num_classes=1000, include_top=True):
    return ResNet(BasicBlock, [3, 4, 6, 3], num_classes=num_classes, include_top=include_top)


def resnet50(num_classes=1000, include_top=True):
    return ResNet(Bottleneck, [3, 4, 6, 3], num_classes=num_classes, include_top=include_top)


def resnext50_32x4d(num_classes=1000, include_top=True):
    return ResNet(Bottleneck, [3, 4, 6, 3], num_classes=num_classes, include_top=include_top,
                  groups=32, width_per_group=4)
