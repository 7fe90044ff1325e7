# model with se after mask_head: host Heads, built by MaskDetector().
# Made by codegen 0.1.0 from model.py (sha256 3001b0fe20831ba6), changed, with
#     codegen insert model.py --class Heads --module se --after mask_head
# The licence and copyright notices of the original file stay in force. Body: sha256 f234b3d0c70305c2.
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


class Heads(nn.Module):
    def __init__(self, box_head, box_predictor, mask_head=None, mask_predictor=None):
        super().__init__()
        self.box_head = box_head
        self.box_predictor = box_predictor
        self.mask_head = mask_head
        self.mask_predictor = mask_predictor
        with torch.random.fork_rng(devices=[]):  # the model draws what it drew without it
            self.se = SqueezeExcite(48)
        self.register_load_state_dict_pre_hook(load_without_se)

    def forward(self, features):
        result = {"boxes": self.box_predictor(self.box_head(features.mean((2, 3))))}
        if self.mask_head is not None:
            mask_features = self.mask_head(features)
            mask_features = self.se(mask_features)
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
