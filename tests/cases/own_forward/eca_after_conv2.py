# model with eca after conv2: host MultiScale, built by MultiScale().
# Made by codegen 0.1.0 from model.py (sha256 2b3302bf88c46587), changed, with
#     codegen insert model.py --module eca --after conv2
# The licence and copyright notices of the original file stay in force. Body: sha256 43c8e15ed5f135b2.
# the usual way to change a backbone: derive from it, write forward anew
import math

import torch
import torch.nn as nn
import torch.nn.functional as F


class Backbone(nn.Module):
	def __init__(self, planes=16, num_classes=10):
		super(Backbone, self).__init__()
		self.conv1 = nn.Conv2d(3, planes, 3, stride=2, padding=1)
		self.conv2 = nn.Conv2d(planes, planes * 2, 3, stride=2, padding=1)
		self.fc = nn.Linear(planes * 2, num_classes)

	def forward(self, x):
		x = F.relu(self.conv1(x))
		x = F.relu(self.conv2(x))
		return self.fc(x.mean([2, 3]))


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


class MultiScale(Backbone):
	'''Both maps go to the classifier'''

	scales = (1, 2)

	def __init__(self, *args, **kwargs):
		super().__init__(*args, **kwargs)
		self.eca = EfficientChannelAttention(self.conv2.out_channels)
		self.register_load_state_dict_pre_hook(load_without_eca)

	@property
	def planes(self):
		return self.conv1.out_channels

	def forward(self, x):
		a = F.relu(self.conv1(x))
		b = F.relu(self.eca(self.conv2(a)))
		a = torch.cat([a, a], 1).mean([2, 3])
		return self.fc(a + b.mean([2, 3]))
