"""Two images and a row of clinical data: a shared encoder, three inputs, a NamedTuple for the training loop."""
from typing import NamedTuple, Optional, Tuple

import torch
from torch import nn, Tensor


class Output(NamedTuple):
    logits: Tensor
    embedding: Tensor


class Encoder(nn.Module):
    def __init__(self, in_chans: int, dim: int):
        super().__init__()
        self.conv1 = nn.Conv2d(in_chans, dim // 2, 3, stride=2, padding=1)
        self.conv2 = nn.Conv2d(dim // 2, dim, 3, stride=2, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv2(torch.relu(self.conv1(x)))


class ChangeNet(nn.Module):
    def __init__(self, in_chans: int = 3, dim: int = 16, n_clinical: int = 6, num_classes: int = 2):
        super().__init__()
        self.encoder = Encoder(in_chans, dim)
        self.clinical = nn.Sequential(nn.Linear(n_clinical, dim), nn.ReLU())
        self.fuse = nn.Conv2d(2 * dim, dim, 1)
        self.head = nn.Linear(2 * dim, num_classes)

    def forward(
        self,
        before: Tensor,
        after: Tensor,
        clinical: Tensor,
        mask: Optional[Tensor] = None,
    ) -> Output:
        a, b = self.encoder(before), self.encoder(after)
        if mask is not None:
            a, b = a * mask, b * mask
        x = self.fuse(torch.cat((a, b), dim=1))
        x = torch.cat([x.mean((2, 3)), self.clinical(clinical)], dim=-1)
        return Output(logits=self.head(x), embedding=x)

    @torch.no_grad()
    def embed(self, images: Tuple[Tensor, Tensor]) -> Tensor:
        """The fused map of two images, for the retrieval script"""
        return self.fuse(torch.cat([self.encoder(image) for image in images], dim=1))
