#!/usr/bin/env python
# vim: set fileencoding=latin-1 :
"""Réseau pour les images de météo. Größe der Eingabe: 3 x 64 x 64, d. h. 2° × 2°."""
import torch
from torch import nn


class Météo(nn.Module):
    """Encodeur, puis tête de classification"""

    def __init__(self, entrée=3, largeur=12, classes=5):
        super().__init__()
        self.tronc = nn.Conv2d(entrée, largeur, 5, stride=2, padding=2)
        self.étage = nn.Conv2d(largeur, 2 * largeur, 3, stride=2, padding=1)
        self.tête = nn.Linear(2 * largeur, classes)

    def forward(self, x):
        é = torch.tanh(self.tronc(x)); é = self.étage(é)   # à moitié
        return self.tête(é.mean((2, 3)))


if __name__ == "__main__":
    print("température:", Météo()(torch.zeros(1, 3, 64, 64)).argmax())
