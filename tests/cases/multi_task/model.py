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


class MultiTask(nn.Module):
    def __init__(self, img_size=64, patch_size=8, dim=64, depth=4, tasks={"species": 100, "age": 1}):
        super().__init__()
        self.grid_size = (img_size // patch_size, img_size // patch_size)
        self.patchify = nn.Conv2d(3, dim, patch_size, stride=patch_size)
        self.pos_embed = nn.Parameter(torch.zeros(1, self.grid_size[0] * self.grid_size[1], dim))
        self.blocks = nn.ModuleDict({f"block{i}": Block(dim) for i in range(depth)})
        self.necks = nn.ModuleList([nn.Linear(dim, dim), nn.LayerNorm(dim)])
        self.heads = nn.ModuleDict({task: nn.Linear(dim, width) for task, width in tasks.items()})

    def forward(self, images):
        x = self.patchify(images).flatten(2).transpose(1, 2) + self.pos_embed
        for block in self.blocks.values():
            x = block(x)
        for layer in self.necks:
            x = layer(x)
        x = x.mean(dim=1)
        return {task: self.heads[task](x) for task in self.heads}
