"""A detector in the manner of R-CNNs: the derived class puts a mask branch into the heads that its base has made already."""

import torch
from torch import nn


class BoxPredictor(nn.Module):
    def __init__(self, dim, num_classes):
        super().__init__()
        self.scores = nn.Linear(dim, num_classes)
        self.boxes = nn.Linear(dim, 4)

    def forward(self, x):
        return torch.cat([self.scores(x), self.boxes(x)], dim=1)


class Heads(nn.Module):
    def __init__(self, box_head, box_predictor, mask_head=None, mask_predictor=None):
        super().__init__()
        self.box_head = box_head
        self.box_predictor = box_predictor
        self.mask_head = mask_head
        self.mask_predictor = mask_predictor

    def forward(self, features):
        result = {"boxes": self.box_predictor(self.box_head(features.mean((2, 3))))}
        if self.mask_head is not None:
            mask_features = self.mask_head(features)
            mask_logits = self.mask_predictor(mask_features)
            result["masks"] = mask_logits
        return result


class Detector(nn.Module):
    def __init__(self, dim=32, num_classes=12):
        super().__init__()
        self.backbone = nn.Sequential(
            nn.Conv2d(3, dim, 4, stride=4),
            nn.ReLU(),
            nn.Conv2d(dim, dim, 3, padding=1),
            nn.ReLU(),
        )
        box_head = nn.Sequential(nn.Linear(dim, 128), nn.ReLU())
        self.heads = Heads(box_head, BoxPredictor(128, num_classes))

    def forward(self, x):
        return self.heads(self.backbone(x))


class MaskDetector(Detector):
    def __init__(self, dim=32, num_classes=12):
        super().__init__(dim, num_classes)
        mask_head = nn.Sequential(nn.Conv2d(dim, 48, 3, padding=1), nn.ReLU())
        self.heads.mask_head = mask_head
        self.heads.mask_predictor = nn.Conv2d(48, num_classes, 1)
