# model with se after neck: host Detector, built by Detector().
# Made by codegen 0.1.0 from model.py (sha256 847ae78d520bc5ce), changed, with
#     codegen insert model.py --module se --after neck
# The licence and copyright notices of the original file stay in force. Body: sha256 4fe6eb5ced10b28b.
import torch
import torch.nn as nn


class Stem(nn.Module):
    def __init__(self, ch):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, ch, 3, 2, 1), nn.BatchNorm2d(ch), nn.ReLU())

    def forward(self, x):
        return self.body.forward(x)


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


class Detector(nn.Module):
    """Calls its parts by .forward(...), as code that was ported from Torch7 does"""

    def __init__(self, ch=16, num_anchors=3, num_classes=4):
        super().__init__()
        self.stem = Stem(ch)
        self.neck = nn.Conv2d(ch, ch * 2, 3, 2, 1)
        self.cls_head = nn.Conv2d(ch * 2, num_anchors * num_classes, 1)
        self.box_head = nn.Conv2d(ch * 2, num_anchors * 4, 1)
        self.se = SqueezeExcite(ch * 2)
        self.register_load_state_dict_pre_hook(load_without_se)

    def forward(self, images, targets=None):
        x = self.stem.forward(images)
        x = torch.relu(self.se(self.neck.forward(x)))
        if targets is None:
            return self.cls_head.forward(x), self.box_head.forward(x)
        return {"cls": self.cls_head(x), "box": self.box_head(x), "targets": targets}
