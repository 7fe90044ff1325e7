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


class MixedNet(nn.Module):
    def __init__(self, width=8, num_classes=10):
    	super(MixedNet, self).__init__()
    	self.block1 = ConvBlock(3, width)
    	self.block2 = ConvBlock(width, width * 2, 2)
        # this comment is further left than it looks
    	self.fc = nn.Linear(width * 2, num_classes)

    def features(self, x):
	    x = self.block1(x)
	    if x.shape[-1] > 16:
	    	x = F.avg_pool2d(x, 2)
	    return self.block2(x)

    def forward(self, x):
        if x.dim() == 3:
        	x = x.unsqueeze(0)
        x = self.features(x)
        return self.fc(torch.flatten(F.adaptive_avg_pool2d(x, 1), 1))
