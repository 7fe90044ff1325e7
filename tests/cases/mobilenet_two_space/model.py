"""MobileNetV2 for CIFAR: 2-space indents, features in an OrderedDict."""
from collections import OrderedDict

import torch.nn as nn


def conv_bn(inp, oup, stride):
  return nn.Sequential(OrderedDict([
    ('conv', nn.Conv2d(inp, oup, 3, stride, 1, bias=False)),
    ('bn', nn.BatchNorm2d(oup)),
    ('act', nn.ReLU6(inplace=True)),
  ]))


class InvertedResidual(nn.Module):
  def __init__(self, inp, oup, stride, expand_ratio):
    super().__init__()
    hidden = int(round(inp * expand_ratio))
    self.use_res = stride == 1 and inp == oup
    self.pw = conv_bn(inp, hidden, 1)
    self.dw = nn.Conv2d(hidden, hidden, 3, stride, 1, groups=hidden, bias=False)
    self.proj = nn.Conv2d(hidden, oup, 1, bias=False)
    self.bn = nn.BatchNorm2d(oup)

  def forward(self, x):
    y = self.bn(self.proj(self.dw(self.pw(x))))
    return x + y if self.use_res else y


class MobileNetV2(nn.Module):
  def __init__(self, num_classes=10, input_size=32, width_mult=1.):
    super().__init__()
    # t, c, n, s
    settings = [
      [1, 8, 1, 1],
      [2, 16, 2, 2],
      [2, 24, 1, 2],
    ]
    input_channel = int(16 * width_mult)
    self.last_channel = int(64 * width_mult)
    blocks = OrderedDict()
    blocks['stem'] = conv_bn(3, input_channel, 1)
    for stage, (t, c, n, s) in enumerate(settings):
      output_channel = int(c * width_mult)
      for i in range(n):
        blocks['stage%d_%d' % (stage, i)] = InvertedResidual(input_channel, output_channel, s if i == 0 else 1, t)
        input_channel = output_channel
    self.features = nn.Sequential(blocks)
    self.conv_last = conv_bn(input_channel, self.last_channel, 1)
    self.classifier = nn.Linear(self.last_channel, num_classes)

  def forward(self, x):
    x = self.features(x)
    x = self.conv_last(x)
    return self.classifier(x.mean([2, 3]))
