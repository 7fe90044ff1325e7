# model with eca after neck: host SegNet, built by SegNet().
# Made by codegen 0.1.0 from model.py (sha256 3a71f3e527b808cb), changed, with
#     codegen insert model.py --module eca --after neck --output-key top
# The licence and copyright notices of the original file stay in force. Body: sha256 359d1d884357880f.
"""A segmentation net in the manner of FCN: the backbone gives a tuple, the neck a dict, the net a dict."""
import math
from collections import OrderedDict

import torch
from torch import nn
from torch.nn import functional as F


class Backbone(nn.Module):
    def __init__(self, base=8):
        super().__init__()
        self.conv1 = nn.Conv2d(3, base, 3, stride=2, padding=1)
        self.conv2 = nn.Conv2d(base, base * 2, 3, stride=2, padding=1)

    def forward(self, x):
        low = F.relu(self.conv1(x))
        high = F.relu(self.conv2(low))
        return high, low


class Neck(nn.Module):
    def __init__(self, high_channels, low_channels, channels):
        super().__init__()
        self.lateral = nn.Conv2d(low_channels, channels, 1)
        self.top = nn.Conv2d(high_channels, channels, 1)

    def forward(self, high, low):
        top = self.top(high)
        up = F.interpolate(top, size=low.shape[-2:], mode="nearest")
        return {"fused": self.lateral(low) + up, "top": top}


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


class SegNet(nn.Module):
    def __init__(self, num_classes=5, base=8, channels=16, aux=True):
        super().__init__()
        self.backbone = Backbone(base)
        self.neck = Neck(base * 2, base, channels)
        self.classifier = nn.Conv2d(channels, num_classes, 1)
        self.aux_classifier = nn.Conv2d(channels, num_classes, 1) if aux else None
        self.eca = EfficientChannelAttention(channels)
        self.register_load_state_dict_pre_hook(load_without_eca)

    def forward(self, x):
        input_shape = x.shape[-2:]

        x, skip = self.backbone(x)
        features = self.neck(x, skip)
        features["top"] = self.eca(features["top"])

        result = OrderedDict()
        x = self.classifier(features["fused"])
        result["out"] = F.interpolate(x, size=input_shape, mode="bilinear", align_corners=False)
        if self.aux_classifier is not None:
            x = self.aux_classifier(features["top"])
            result["aux"] = F.interpolate(x, size=input_shape, mode="bilinear", align_corners=False)
        return result
