"""A segmentation net in the manner of FCN: the backbone gives a tuple, the neck a dict, the net a dict."""
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


class SegNet(nn.Module):
    def __init__(self, num_classes=5, base=8, channels=16, aux=True):
        super().__init__()
        self.backbone = Backbone(base)
        self.neck = Neck(base * 2, base, channels)
        self.classifier = nn.Conv2d(channels, num_classes, 1)
        self.aux_classifier = nn.Conv2d(channels, num_classes, 1) if aux else None

    def forward(self, x):
        input_shape = x.shape[-2:]

        x, skip = self.backbone(x)
        features = self.neck(x, skip)

        result = OrderedDict()
        x = self.classifier(features["fused"])
        result["out"] = F.interpolate(x, size=input_shape, mode="bilinear", align_corners=False)
        if self.aux_classifier is not None:
            x = self.aux_classifier(features["top"])
            result["aux"] = F.interpolate(x, size=input_shape, mode="bilinear", align_corners=False)
        return result
