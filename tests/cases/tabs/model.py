"""一个用制表符缩进的小网络"""
import torch
from torch import nn


class TabNet(nn.Module):
	"""Stem, two stages, head. 输入: 3 x 32 x 32"""

	def __init__(self, in_chans=3, base=8, num_classes=10):
		super().__init__()
		self.stem = nn.Conv2d(in_chans, base, 3, padding=1)  # 第一层
		self.stage1 = nn.Conv2d(base, base * 2, 3, stride=2, padding=1)
		self.stage2 = nn.Conv2d(base * 2, base * 4, 3, stride=2, padding=1)
		self.head = nn.Linear(base * 4, num_classes)

	def forward(self, x):
		x = torch.relu(self.stem(x))   # (B, 8, 32, 32) 中文注释
		if self.training:
			x = x + 0.01 * torch.randn_like(x)
		x = self.stage1(x)	# 一半大小
		x = self.stage2(torch.relu(x))
		return self.head(x.mean(dim=(2, 3)))
