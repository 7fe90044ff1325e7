# model with se after stages.0: host StagedNet, built by StagedNet().
# Made by codegen 0.1.0 from model.py (sha256 2e5c0537c13af176), changed, with
#     codegen insert model.py --input 1x3x64x64 --module se --after stages.0
# The licence and copyright notices of the original file stay in force. Body: sha256 c46e0c0655c4f2e8.
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
        self.se = SqueezeExcite(widths[0])
        self.register_load_state_dict_pre_hook(load_without_se)

    def set_grad_checkpointing(self, enable=True):
        self.grad_checkpointing = enable

    def forward_intermediates(self, x):
        intermediates = []
        for stage in self.stages:
            x = stage(x)
            if stage is self.stages[0]:
                x = self.se(x)
            intermediates.append(x)
        return x, intermediates

    def forward_features(self, x):
        if self.grad_checkpointing and self.training:
            x = checkpoint_seq(self.stages[:1], x)
            x = self.se(x)
            x = checkpoint_seq(self.stages[1:], x)
        else:
            x = self.stages[:1](x)
            x = self.se(x)
            x = self.stages[1:](x)
        return x

    def forward(self, x):
        x = self.forward_features(x)
        return self.head(x.mean((2, 3)))
