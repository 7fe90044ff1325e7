# model with eca after features: host MobileNetV2, built by MobileNetV2().
# Made by codegen 0.1.0 from model.py (sha256 354147ffd169000d), changed, with
#     codegen insert model.py --module eca --after features
# The licence and copyright notices of the original file stay in force. Body: sha256 7bc92a3266f8fbee.
"""MobileNetV2 for CIFAR: 2-space indents, features in an OrderedDict."""
import math
from collections import OrderedDict

import torch
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


def load_without_eca(host: nn.Module, state_dict: dict, prefix: str, *_) -> None:
  """Let a base checkpoint load strictly: without a single key of `eca`, `eca` keeps its values.

  A checkpoint that has some of the keys and lacks others is damaged, and stays an error.
  """
  own = {f"{prefix}eca.{key}": value for key, value in host.eca.state_dict().items()}
  if not own.keys() & state_dict.keys():
    state_dict.update(own)


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
    self.eca = EfficientChannelAttention(input_channel)
    self.register_load_state_dict_pre_hook(load_without_eca)

  def forward(self, x):
    x = self.features(x)
    x = self.eca(x)
    x = self.conv_last(x)
    return self.classifier(x.mean([2, 3]))
