# model with ../my_attn.py:MyAttn before stage2: host TabNet, built by TabNet().
# Made by codegen 0.1.0 from model.py (sha256 00b729017d044279) and ../my_attn.py (sha256 7910467637d9ca4b), changed, with
#     codegen insert model.py --module ../my_attn.py:MyAttn --before stage2
# The licence and copyright notices of the original file stay in force. Body: sha256 f33668a0dda35253.
"""一个用制表符缩进的小网络"""
import math

import torch
import torch.nn.functional as F
from torch import nn


MIN_WIDTH = 4
TEMPERATURE = 1.5


def hidden_width(channels, reduction):
    """Rounded up to a multiple of MIN_WIDTH"""
    return max(MIN_WIDTH, math.ceil(channels / reduction / MIN_WIDTH) * MIN_WIDTH)


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


def load_without_my_attn(host: nn.Module, state_dict: dict, prefix: str, *_) -> None:
	"""Let a base checkpoint load strictly: without a single key of `my_attn`, `my_attn` keeps its values.

	A checkpoint that has some of the keys and lacks others is damaged, and stays an error.
	"""
	own = {f"{prefix}my_attn.{key}": value for key, value in host.my_attn.state_dict().items()}
	if not own.keys() & state_dict.keys():
		state_dict.update(own)


class TabNet(nn.Module):
	"""Stem, two stages, head. 输入: 3 x 32 x 32"""

	def __init__(self, in_chans=3, base=8, num_classes=10):
		super().__init__()
		self.stem = nn.Conv2d(in_chans, base, 3, padding=1)  # 第一层
		self.stage1 = nn.Conv2d(base, base * 2, 3, stride=2, padding=1)
		self.stage2 = nn.Conv2d(base * 2, base * 4, 3, stride=2, padding=1)
		self.head = nn.Linear(base * 4, num_classes)
		self.my_attn = MyAttn(base * 2)
		self.register_load_state_dict_pre_hook(load_without_my_attn)

	def forward(self, x):
		x = torch.relu(self.stem(x))   # (B, 8, 32, 32) 中文注释
		if self.training:
			x = x + 0.01 * torch.randn_like(x)
		x = self.stage1(x)	# 一半大小
		x = self.stage2(self.my_attn(torch.relu(x)))
		return self.head(x.mean(dim=(2, 3)))
