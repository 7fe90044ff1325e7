#!/usr/bin/env python
# vim: set fileencoding=latin-1 :
# model with eca after étage: host Météo, built by Météo().
# Made by codegen 0.1.0 from model.py (sha256 79a3596da6e2b079), changed, with
#     codegen insert model.py --module eca --after 'étage'
# The licence and copyright notices of the original file stay in force. Body: sha256 ac6734b5e5ba81e9.
"""Réseau pour les images de météo. Größe der Eingabe: 3 x 64 x 64, d. h. 2° × 2°."""
import math

import torch
from torch import nn


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


class Météo(nn.Module):
    """Encodeur, puis tête de classification"""

    def __init__(self, entrée=3, largeur=12, classes=5):
        super().__init__()
        self.tronc = nn.Conv2d(entrée, largeur, 5, stride=2, padding=2)
        self.étage = nn.Conv2d(largeur, 2 * largeur, 3, stride=2, padding=1)
        self.tête = nn.Linear(2 * largeur, classes)
        self.eca = EfficientChannelAttention(2 * largeur)
        self.register_load_state_dict_pre_hook(load_without_eca)

    def forward(self, x):
        é = torch.tanh(self.tronc(x)); é = self.eca(self.étage(é))   # à moitié
        return self.tête(é.mean((2, 3)))


if __name__ == "__main__":
    print("température:", Météo()(torch.zeros(1, 3, 64, 64)).argmax())
