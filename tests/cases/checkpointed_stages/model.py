"""A small staged CNN: its stages run as a whole, under checkpointing, and one by one where their results are wanted."""

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint


def conv_bn_act(inputs, outputs, stride=1):
    return [nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()]


def checkpoint_seq(stages, x):
    for stage in stages:
        x = checkpoint(stage, x, use_reentrant=False)
    return x


class StagedNet(nn.Module):
    def __init__(self, widths=(16, 32, 64), num_classes=10):
        super().__init__()
        self.grad_checkpointing = False
        stages = []
        inputs = 3
        for width in widths:
            stages.append(nn.Sequential(*conv_bn_act(inputs, width, stride=2), *conv_bn_act(width, width)))
            inputs = width
        self.stages = nn.Sequential(*stages)
        self.head = nn.Linear(inputs, num_classes)

    def set_grad_checkpointing(self, enable=True):
        self.grad_checkpointing = enable

    def forward_intermediates(self, x):
        intermediates = []
        for stage in self.stages:
            x = stage(x)
            intermediates.append(x)
        return x, intermediates

    def forward_features(self, x):
        if self.grad_checkpointing and self.training:
            x = checkpoint_seq(self.stages, x)
        else:
            x = self.stages(x)
        return x

    def forward(self, x):
        x = self.forward_features(x)
        return self.head(x.mean((2, 3)))
