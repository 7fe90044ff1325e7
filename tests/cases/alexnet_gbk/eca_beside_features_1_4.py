# -*- coding: gbk -*-
# model with eca beside features.1,4: host AlexNet, built by AlexNet().
# Made by codegen 0.1.0 from model.py (sha256 70032987a6076e95), changed, with
#     codegen insert model.py --module eca --beside features.1,4
# The licence and copyright notices of the original file stay in force. Body: sha256 99d3f20a2771e7e3.
# AlexNet 的缩小版，输入为 3x32x32 的图像
import math
from functools import partial

import torch.nn as nn
import torch


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


class AlexNet(nn.Module):
    """特征提取部分与分类部分都用 nn.Sequential 打包"""

    def __init__(self, num_classes=10, init_weights=False):
        super(AlexNet, self).__init__()
        self.features = nn.Sequential(  # 打包
            nn.Conv2d(3, 16, kernel_size=3, stride=2, padding=1),  # 输入[3, 32, 32]  输出[16, 16, 16]
            nn.ReLU(inplace=True),  # inplace 可以载入更大模型
            nn.MaxPool2d(kernel_size=2),                           # 输出[16, 8, 8]
            nn.Conv2d(16, 32, kernel_size=3, padding=1),           # 输出[32, 8, 8]
            nn.ReLU(inplace=True),
            nn.MaxPool2d(kernel_size=2),                           # 输出[32, 4, 4]
        )
        self.classifier = nn.Sequential(
            nn.Dropout(p=0.5),
            nn.Linear(32 * 4 * 4, 64),  # 全连接
            nn.ReLU(inplace=True),
            nn.Linear(64, num_classes),
        )
        if init_weights:
            self._initialize_weights()
        self.eca = EfficientChannelAttention(self.features[0].out_channels)
        self.register_load_state_dict_pre_hook(partial(load_without, "eca"))
        self.eca2 = EfficientChannelAttention(self.features[3].out_channels)
        self.register_load_state_dict_pre_hook(partial(load_without, "eca2"))

    def forward(self, x):
        x = self.features[:1](x)
        x_in = x.clone()
        x = self.features[1](x) + self.eca(x_in)
        x = self.features[2:4](x)
        x_in2 = x.clone()
        x = self.features[4](x) + self.eca2(x_in2)
        x = self.features[5:](x)    # “特征图”
        x = torch.flatten(x, start_dim=1)  # 展平后再传入全连接层
        x = self.classifier(x)
        return x

    def _initialize_weights(self):
        for m in self.modules():
            if isinstance(m, nn.Conv2d):
                nn.init.kaiming_normal_(m.weight, mode='fan_out', nonlinearity='relu')
                if m.bias is not None:
                    nn.init.constant_(m.bias, 0)
            elif isinstance(m, nn.Linear):
                nn.init.normal_(m.weight, 0, 0.01)  # 正态分布初始化
                nn.init.constant_(m.bias, 0)
