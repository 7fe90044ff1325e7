"""A small backbone in timm's manner: pool and classifier are made by the name of the pool, and made anew by another."""

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


class ConvMixer(nn.Module):
    def __init__(self, dim=32, depth=3, patch_size=4, num_classes=10, global_pool="avg", drop_rate=0.0):
        super().__init__()
        self.num_classes = num_classes
        self.num_features = dim
        self.stem = nn.Conv2d(3, dim, patch_size, stride=patch_size)
        self.blocks = nn.Sequential(*[ConvMixerBlock(dim) for _ in range(depth)])
        self.head = ClassifierHead(dim, num_classes, pool_type=global_pool, drop_rate=drop_rate)
        self.head_hidden_size = dim * self.head.global_pool.feat_mult()

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
