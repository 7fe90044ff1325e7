# model with CatAvgMaxPool2d in the place of avgpool: host ResNet, built by resnet18().
# Made by codegen 0.1.0 from model.py (sha256 5fe905e805ba49d6), changed, with
#     codegen head model.py --layers CatAvgMaxPool2d --site avgpool --suffix _catavgmax
# The licence and copyright notices of the original file stay in force. Body: sha256 8e8dd05c5f074b40.
import warnings

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


class CatAvgMaxPool2d(nn.Module):
    """The averages of all channels and behind them their maxima: twice the channels."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        average, largest = x.mean((2, 3), keepdim=True), x.amax((2, 3), keepdim=True)
        return torch.cat((average, largest), dim=1)  # (N, 2 * C, 1, 1)


def load_replaced_fc(module: nn.Module, state_dict: dict, prefix: str, *_) -> None:
    """Let a base checkpoint load strictly: what it has for the module that stood here is left out, with a warning.

    It is a base checkpoint where it has nothing for this module, or what this module does not hold in that shape. One that
    has some of the keys and lacks others is damaged, and stays an error.
    """
    own = {f"{prefix}{key}": value for key, value in module.state_dict().items()}
    other = [key for key in state_dict if key.startswith(prefix)]
    if other and all(key in own and own[key].shape == state_dict[key].shape for key in other):
        return
    if other:
        warnings.warn(f"{prefix.rstrip('.')} was replaced: {len(other)} keys of the checkpoint are left out")
    for key in other:
        del state_dict[key]
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
        self.avgpool = CatAvgMaxPool2d()
        self.fc = nn.Linear(base_c * 8 * block.expansion * 2, num_classes)
        self.fc.register_load_state_dict_pre_hook(load_replaced_fc)

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
        x = self.layer2(x)
        x = self.layer3(x)
        x = self.layer4(x)

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
