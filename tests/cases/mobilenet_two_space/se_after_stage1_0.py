# model with se after features.stage1_0: host InvertedResidual, built by MobileNetV2().
# Made by codegen 0.1.0 from model.py (sha256 354147ffd169000d), changed, with
#     codegen insert model.py --module se --after features.stage1_0
# The licence and copyright notices of the original file stay in force. Body: sha256 e30d58312ab4080d.
"""MobileNetV2 for CIFAR: 2-space indents, features in an OrderedDict."""
from collections import OrderedDict

import torch
import torch.nn as nn


def conv_bn(inp, oup, stride):
  return nn.Sequential(OrderedDict([
    ('conv', nn.Conv2d(inp, oup, 3, stride, 1, bias=False)),
    ('bn', nn.BatchNorm2d(oup)),
    ('act', nn.ReLU6(inplace=True)),
  ]))


class SqueezeExcite(nn.Module):
  """Squeeze-and-Excitation: a gate for each channel, made of all channel means.

  Paper: Squeeze-and-Excitation Networks - https://arxiv.org/abs/1709.01507
  """

  def __init__(
    self,
    channels: int,
    reduction: int = 16,
  ) -> None:
    super().__init__()
    hidden = max(channels // reduction, 4)
    self.fc1 = nn.Conv2d(channels, hidden, kernel_size=1)
    self.act = nn.ReLU()
    self.fc2 = nn.Conv2d(hidden, channels, kernel_size=1)

  def forward(self, x: torch.Tensor) -> torch.Tensor:
    s = x.mean((2, 3), keepdim=True)  # (N, C, 1, 1)
    s = self.fc2(self.act(self.fc1(s))).sigmoid()
    return x * s


def load_without_se(host: nn.Module, state_dict: dict, prefix: str, *_) -> None:
  """Let a base checkpoint load strictly: without a single key of `se`, `se` keeps its values.

  A checkpoint that has some of the keys and lacks others is damaged, and stays an error.
  """
  own = {f"{prefix}se.{key}": value for key, value in host.se.state_dict().items()}
  if not own.keys() & state_dict.keys():
    state_dict.update(own)


class InvertedResidual(nn.Module):
  def __init__(self, inp, oup, stride, expand_ratio):
    super().__init__()
    hidden = int(round(inp * expand_ratio))
    self.use_res = stride == 1 and inp == oup
    self.pw = conv_bn(inp, hidden, 1)
    self.dw = nn.Conv2d(hidden, hidden, 3, stride, 1, groups=hidden, bias=False)
    self.proj = nn.Conv2d(hidden, oup, 1, bias=False)
    self.bn = nn.BatchNorm2d(oup)
    self.se = nn.Identity()  # the model puts a module into the chosen ones

  def forward(self, x):
    y = self.bn(self.proj(self.dw(self.pw(x))))
    return self.se(x + y if self.use_res else y)


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
    self.features.stage1_0.se = SqueezeExcite(self.features.stage1_0.bn.num_features)
    self.features.stage1_0.register_load_state_dict_pre_hook(load_without_se)

  def forward(self, x):
    x = self.features(x)
    x = self.conv_last(x)
    return self.classifier(x.mean([2, 3]))
