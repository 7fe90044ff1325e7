# model with adapter after heads.species: host MultiTask, built by MultiTask().
# Made by codegen 0.1.0 from model.py (sha256 a39fc33ad725ea40), changed, with
#     codegen insert model.py --module adapter --after heads.species
# The licence and copyright notices of the original file stay in force. Body: sha256 da8aff181abb67d2.
"""A small transformer with a head for each task; its parts stand in lists and dicts of torch's."""
import torch
from torch import nn


class Block(nn.Module):
    def __init__(self, dim, mlp_ratio=4.0, dropout=0.0):
        super().__init__()
        hidden_dim = int(dim * mlp_ratio)
        self.norm1 = nn.LayerNorm(dim)
        self.attn = nn.MultiheadAttention(dim, 4, batch_first=True)
        self.norm2 = nn.LayerNorm(dim)
        self.mlp = nn.Sequential(
            nn.Linear(dim, hidden_dim),
            nn.GELU(),
            nn.Dropout(dropout),
            nn.Linear(hidden_dim, dim),
        )

    def forward(self, x):
        y = self.norm1(x)
        x = x + self.attn(y, y, y, need_weights=False)[0]
        return x + self.mlp(self.norm2(x))


class BottleneckAdapter(nn.Module):
    """Bottleneck adapter: a narrow two-layer network beside the identity.

    Paper: Parameter-Efficient Transfer Learning - https://arxiv.org/abs/1902.00751
    """

    def __init__(
        self,
        channels: int,
        bottleneck: int = 64,
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


class MultiTask(nn.Module):
    def __init__(self, img_size=64, patch_size=8, dim=64, depth=4, tasks={"species": 100, "age": 1}):
        super().__init__()
        self.grid_size = (img_size // patch_size, img_size // patch_size)
        self.patchify = nn.Conv2d(3, dim, patch_size, stride=patch_size)
        self.pos_embed = nn.Parameter(torch.zeros(1, self.grid_size[0] * self.grid_size[1], dim))
        self.blocks = nn.ModuleDict({f"block{i}": Block(dim) for i in range(depth)})
        self.necks = nn.ModuleList([nn.Linear(dim, dim), nn.LayerNorm(dim)])
        self.heads = nn.ModuleDict({task: nn.Linear(dim, width) for task, width in tasks.items()})
        self.adapter = BottleneckAdapter(tasks["species"])
        self.register_load_state_dict_pre_hook(load_without_adapter)

    def forward(self, images):
        x = self.patchify(images).flatten(2).transpose(1, 2) + self.pos_embed
        for block in self.blocks.values():
            x = block(x)
        for layer in self.necks:
            x = layer(x)
        x = x.mean(dim=1)
        return {
            task: (self.adapter(self.heads[task](x)) if task == "species" else self.heads[task](x))
            for task in self.heads
        }
