"""MLP-Mixer in the manner of the einops examples."""
from functools import partial

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

    def forward(self, img):
        x = self.to_patch_embedding(img)
        x = self.mixer(x)
        x = self.norm(x)
        x = reduce(rearrange(x, 'b n c -> b c n'), 'b c n -> b c', 'mean')
        return self.head(x)
