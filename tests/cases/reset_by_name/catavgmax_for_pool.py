# model with CatAvgMaxPool2d in the place of head.global_pool: host ConvMixer, built by ConvMixer().
# Made by codegen 0.1.0 from model.py (sha256 32f048a353e69b59), changed, with
#     codegen head model.py --input 1x3x32x32 --layers CatAvgMaxPool2d --site head.global_pool --suffix _catavgmax
# The licence and copyright notices of the original file stay in force. Body: sha256 3610e43e74f8625b.
"""A small backbone in timm's manner: pool and classifier are made by the name of the pool, and made anew by another."""

import warnings

import torch
import torch.nn as nn
from timm.layers import ClassifierHead


class ConvMixerBlock(nn.Module):
    def __init__(self, dim, kernel_size=5):
        super().__init__()
        self.spatial = nn.Conv2d(dim, dim, kernel_size, groups=dim, padding="same")
        self.norm = nn.BatchNorm2d(dim)
        self.channel = nn.Conv2d(dim, dim, 1)

    def forward(self, x):
        x = x + torch.relu(self.norm(self.spatial(x)))
        return torch.relu(self.channel(x))


def load_replaced_head_fc(module: nn.Module, state_dict: dict, prefix: str, *_) -> None:
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


class ConvMixer(nn.Module):
    def __init__(self, dim=32, depth=3, patch_size=4, num_classes=10, global_pool="avg", drop_rate=0.0):
        super().__init__()
        self.num_classes = num_classes
        self.num_features = dim
        self.stem = nn.Conv2d(3, dim, patch_size, stride=patch_size)
        self.blocks = nn.Sequential(*[ConvMixerBlock(dim) for _ in range(depth)])
        self.head = ClassifierHead(dim, num_classes, pool_type=global_pool, drop_rate=drop_rate)
        self.head_hidden_size = dim * self.head.global_pool.feat_mult()
        if global_pool == "avg":
            self.reset_classifier(num_classes, global_pool="fastcatavgmax")
            self.head_hidden_size = dim * self.head.global_pool.feat_mult()
            self.head.fc.register_load_state_dict_pre_hook(load_replaced_head_fc)

    def reset_classifier(self, num_classes, global_pool=None):
        self.num_classes = num_classes
        self.head.reset(num_classes, global_pool)

    def forward_features(self, x):
        return self.blocks(torch.relu(self.stem(x)))

    def forward_head(self, x, pre_logits=False):
        return self.head(x, pre_logits=True) if pre_logits else self.head(x)

    def forward(self, x):
        x = self.forward_features(x)
        return self.forward_head(x)
