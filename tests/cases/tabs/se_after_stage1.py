# model with se after stage1: host TabNet, built by TabNet().
# Made by codegen 0.1.0 from model.py (sha256 00b729017d044279), changed, with
#     codegen insert model.py --module se --after stage1
# The licence and copyright notices of the original file stay in force. Body: sha256 5a0d98c58580584a.
"""一个用制表符缩进的小网络"""
import torch
from torch import nn


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


class TabNet(nn.Module):
	"""Stem, two stages, head. 输入: 3 x 32 x 32"""

	def __init__(self, in_chans=3, base=8, num_classes=10):
		super().__init__()
		self.stem = nn.Conv2d(in_chans, base, 3, padding=1)  # 第一层
		self.stage1 = nn.Conv2d(base, base * 2, 3, stride=2, padding=1)
		self.stage2 = nn.Conv2d(base * 2, base * 4, 3, stride=2, padding=1)
		self.head = nn.Linear(base * 4, num_classes)
		self.se = SqueezeExcite(base * 2)
		self.register_load_state_dict_pre_hook(load_without_se)

	def forward(self, x):
		x = torch.relu(self.stem(x))   # (B, 8, 32, 32) 中文注释
		if self.training:
			x = x + 0.01 * torch.randn_like(x)
		x = self.stage1(x)	# 一半大小
		x = self.se(x)
		x = self.stage2(torch.relu(x))
		return self.head(x.mean(dim=(2, 3)))
