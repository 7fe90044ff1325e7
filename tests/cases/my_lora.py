"""A user's own layer, for the golden cases: low-rank adaptation."""

import torch
from torch import nn


class LoRALinear(nn.Linear):
    """A linear layer with a low-rank update beside it, which starts at zero (https://arxiv.org/abs/2106.09685)."""

    def __init__(self, in_features, out_features, bias=True, rank=4):
        super().__init__(in_features, out_features, bias)
        self.lora_a = nn.Parameter(torch.randn(rank, in_features) * 0.02)
        self.lora_b = nn.Parameter(torch.zeros(out_features, rank))

    def forward(self, x):
        return super().forward(x) + x @ self.lora_a.T @ self.lora_b.T
