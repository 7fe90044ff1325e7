# model with AdaptiveMaxPool2d(2), Flatten, Dropout(0.2), Linear(num_classes) in the place of head: host ConvNet, built by ConvNet().
# Made by codegen 0.1.0 from model.py (sha256 04043fb47c1a277e), changed, with
#     codegen head model.py --layers 'AdaptiveMaxPool2d(2), Flatten, Dropout(0.2), Linear(num_classes)' --site head --suffix _head
# The licence and copyright notices of the original file stay in force. Body: sha256 132cfc63a49d67ed.
import warnings

import torch
from torch import nn


def load_replaced_head(module: nn.Module, state_dict: dict, prefix: str, *_) -> None:
    """Let a base checkpoint load strictly: what it has for the module that stood here is left out, with a warning.

    It is a base checkpoint where it has nothing for this module, or what this module does not hold in that shape. One that
    has some of the keys and lacks others is damaged, and stays an error.
    """
    own = {f"{prefix}{key}": value for key, value in module.state_dict().items()}
    other = [key for key in state_dict if key.startswith(prefix)]
    if other and all(key in own and own[key].shape == state_dict[key].shape for key in other):
        return
    if other:
        warnings.warn(f"{prefix.rstrip('.')} was replaced: {len(other)} keys of the checkpoint are left out")
    for key in other:
        del state_dict[key]
    state_dict.update(own)


class ConvNet(nn.Module):
    """The classifier takes the map: it pools by itself."""

    def __init__(self, in_chans: int = 3, width: int = 32, num_classes: int = 10) -> None:
        super().__init__()
        self.num_classes = num_classes
        self.stem = nn.Sequential(nn.Conv2d(in_chans, width, 3, stride=2, padding=1), nn.BatchNorm2d(width), nn.ReLU())
        self.body = nn.Sequential(nn.Conv2d(width, width * 2, 3, stride=2, padding=1), nn.BatchNorm2d(width * 2), nn.ReLU())
        self.head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width * 2, num_classes))
        self.head = nn.Sequential(
            nn.AdaptiveMaxPool2d(2), nn.Flatten(), nn.Dropout(0.2), nn.Linear(width * 2 * 4, num_classes)
        )
        self.head.register_load_state_dict_pre_hook(load_replaced_head)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.body(self.stem(x))
        return self.head(x)
