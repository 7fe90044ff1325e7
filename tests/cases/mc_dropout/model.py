"""A net for uncertainty by Monte Carlo dropout: random in eval on purpose."""
import torch
import torch.nn.functional as F
from torch import nn


class McNet(nn.Module):
    def __init__(self, in_chans=3, width=16, num_classes=10, p=0.2):
        super().__init__()
        self.p = p
        self.stem = nn.Conv2d(in_chans, width, 3, stride=2, padding=1)
        self.body = nn.Conv2d(width, width, 3, padding=1)
        self.head = nn.Linear(width, num_classes)

    def forward(self, x):
        x = self.stem(x)
        x += 0.01 * torch.randn_like(x)
        x = F.dropout(F.relu_(x), self.p, training=True)
        x = x + F.dropout2d(self.body(x), self.p, training=True)
        return self.head(x.mean((2, 3)))

    @torch.no_grad()
    def predict(self, x, samples=8):
        """Mean and spread of the class probabilities over `samples` runs"""
        probs = torch.stack([self(x).softmax(-1) for _ in range(samples)])
        return probs.mean(0), probs.std(0)
