# model with adapter after mixer: host MLPMixer, built by MLPMixer().
# Made by codegen 0.1.0 from model.py (sha256 303a1d01b9552d95), changed, with
#     codegen insert model.py --module adapter --after mixer --arg bottleneck=8
# The licence and copyright notices of the original file stay in force. Body: sha256 59bdb1bb92253adc.
"""MLP-Mixer in the manner of the einops examples."""
from functools import partial

import torch
from einops import rearrange, reduce
from einops.layers.torch import Rearrange, Reduce
from torch import nn


def FeedForward(dim, expansion_factor=2, dropout=0., dense=nn.Linear):
    inner_dim = int(dim * expansion_factor)
    return nn.Sequential(
        dense(dim, inner_dim),
        nn.GELU(),
        nn.Dropout(dropout),
        dense(inner_dim, dim),
        nn.Dropout(dropout)
    )


class PreNormResidual(nn.Module):
    def __init__(self, dim, fn):
        super().__init__()
        self.fn = fn
        self.norm = nn.LayerNorm(dim)

    def forward(self, x):
        return self.fn(self.norm(x)) + x


class BottleneckAdapter(nn.Module):
    """Bottleneck adapter: a narrow two-layer network beside the identity.

    Paper: Parameter-Efficient Transfer Learning - https://arxiv.org/abs/1902.00751
    """

    def __init__(
        self,
        channels: int,
        bottleneck: int = 8,
    ) -> None:
        super().__init__()
        self.down = nn.Linear(channels, bottleneck)
        self.act = nn.GELU()
        self.up = nn.Linear(bottleneck, channels)
        for layer in (self.down, self.up):  # close to the identity, as in the paper
            nn.init.trunc_normal_(layer.weight, std=0.01, a=-0.02, b=0.02)
            nn.init.zeros_(layer.bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.up(self.act(self.down(x)))


def load_without_adapter(host: nn.Module, state_dict: dict, prefix: str, *_) -> None:
    """Let a base checkpoint load strictly: without a single key of `adapter`, `adapter` keeps its values.

    A checkpoint that has some of the keys and lacks others is damaged, and stays an error.
    """
    own = {f"{prefix}adapter.{key}": value for key, value in host.adapter.state_dict().items()}
    if not own.keys() & state_dict.keys():
        state_dict.update(own)


class MLPMixer(nn.Module):
    def __init__(self, *, image_size=32, channels=3, patch_size=8, dim=24, depth=2, num_classes=10):
        super().__init__()
        assert image_size % patch_size == 0, 'image must be divisible by patch size'
        num_patches = (image_size // patch_size) ** 2
        chan_first, chan_last = partial(nn.Conv1d, kernel_size=1), nn.Linear

        self.to_patch_embedding = nn.Sequential(
            Rearrange('b c (h p1) (w p2) -> b (h w) (p1 p2 c)', p1=patch_size, p2=patch_size),
            nn.Linear((patch_size ** 2) * channels, dim)
        )
        self.mixer = nn.Sequential(*[nn.Sequential(
            PreNormResidual(dim, FeedForward(num_patches, dense=chan_first)),
            PreNormResidual(dim, FeedForward(dim, dense=chan_last))
        ) for _ in range(depth)])
        self.norm = nn.LayerNorm(dim)
        self.to_latent = Reduce('b n c -> b c', 'mean')
        self.head = nn.Linear(dim, num_classes)
        self.adapter = BottleneckAdapter(dim)
        self.register_load_state_dict_pre_hook(load_without_adapter)

    def forward(self, img):
        x = self.to_patch_embedding(img)
        x = self.mixer(x)
        x = self.adapter(x)
        x = self.norm(x)
        x = reduce(rearrange(x, 'b n c -> b c n'), 'b c n -> b c', 'mean')
        return self.head(x)
