import torch
import torch.nn as nn


class Stem(nn.Module):
    def __init__(self, ch):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, ch, 3, 2, 1), nn.BatchNorm2d(ch), nn.ReLU())

    def forward(self, x):
        return self.body.forward(x)


class Detector(nn.Module):
    """Calls its parts by .forward(...), as code that was ported from Torch7 does"""

    def __init__(self, ch=16, num_anchors=3, num_classes=4):
        super().__init__()
        self.stem = Stem(ch)
        self.neck = nn.Conv2d(ch, ch * 2, 3, 2, 1)
        self.cls_head = nn.Conv2d(ch * 2, num_anchors * num_classes, 1)
        self.box_head = nn.Conv2d(ch * 2, num_anchors * 4, 1)

    def forward(self, images, targets=None):
        x = self.stem.forward(images)
        x = torch.relu(self.neck.forward(x))
        if targets is None:
            return self.cls_head.forward(x), self.box_head.forward(x)
        return {"cls": self.cls_head(x), "box": self.box_head(x), "targets": targets}
