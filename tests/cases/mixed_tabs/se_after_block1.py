# model with se after block1: host MixedNet, built by MixedNet().
# Made by codegen 0.1.0 from model.py (sha256 c13c891a4d4ec4d0), changed, with
#     codegen insert model.py --module se --after block1
# The licence and copyright notices of the original file stay in force. Body: sha256 1d9446f9934c7334.
"""Written over the years in three editors: spaces, tabs, and both in one line."""
import torch
import torch.nn as nn
import torch.nn.functional as F


class ConvBlock(nn.Module):
	def __init__(self, c_in, c_out, stride=1):
		super(ConvBlock, self).__init__()
		self.conv = nn.Conv2d(c_in, c_out, 3, stride=stride,
		                      padding=1, bias=False)
		self.bn = nn.BatchNorm2d(c_out)

	def forward(self, x):
		return F.relu(self.bn(self.conv(x)))


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


class MixedNet(nn.Module):
    def __init__(self, width=8, num_classes=10):
    	super(MixedNet, self).__init__()
    	self.block1 = ConvBlock(3, width)
    	self.block2 = ConvBlock(width, width * 2, 2)
        # this comment is further left than it looks
    	self.fc = nn.Linear(width * 2, num_classes)
    	self.se = SqueezeExcite(width)
    	self.register_load_state_dict_pre_hook(load_without_se)

    def features(self, x):
	    x = self.block1(x)
	    x = self.se(x)
	    if x.shape[-1] > 16:
	    	x = F.avg_pool2d(x, 2)
	    return self.block2(x)

    def forward(self, x):
        if x.dim() == 3:
        	x = x.unsqueeze(0)
        x = self.features(x)
        return self.fc(torch.flatten(F.adaptive_avg_pool2d(x, 1), 1))
