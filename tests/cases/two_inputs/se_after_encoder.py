# model with se after encoder: host ChangeNet, built by ChangeNet().
# Made by codegen 0.1.0 from model.py (sha256 29f48b7ef41d8a71), changed, with
#     codegen insert model.py --input 1x3x32x32,1x3x32x32,1x6 --module se --after encoder
# The licence and copyright notices of the original file stay in force. Body: sha256 42e9c0efe0665ba4.
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


class ChangeNet(nn.Module):
    def __init__(self, in_chans: int = 3, dim: int = 16, n_clinical: int = 6, num_classes: int = 2):
        super().__init__()
        self.encoder = Encoder(in_chans, dim)
        self.clinical = nn.Sequential(nn.Linear(n_clinical, dim), nn.ReLU())
        self.fuse = nn.Conv2d(2 * dim, dim, 1)
        self.head = nn.Linear(2 * dim, num_classes)
        self.se = SqueezeExcite(dim)
        self.register_load_state_dict_pre_hook(load_without_se)

    def forward(
        self,
        before: Tensor,
        after: Tensor,
        clinical: Tensor,
        mask: Optional[Tensor] = None,
    ) -> Output:
        a, b = self.se(self.encoder(before)), self.se(self.encoder(after))
        if mask is not None:
            a, b = a * mask, b * mask
        x = self.fuse(torch.cat((a, b), dim=1))
        x = torch.cat([x.mean((2, 3)), self.clinical(clinical)], dim=-1)
        return Output(logits=self.head(x), embedding=x)

    @torch.no_grad()
    def embed(self, images: Tuple[Tensor, Tensor]) -> Tensor:
        """The fused map of two images, for the retrieval script"""
        return self.fuse(torch.cat([self.se(self.encoder(image)) for image in images], dim=1))
