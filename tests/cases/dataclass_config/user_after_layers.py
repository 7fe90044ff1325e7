# model with ../my_token_mixer.py:TokenScale after layers: host HybridModel, built by build_model().
# Made by codegen 0.1.0 from model.py (sha256 3ef922011077d82e) and ../my_token_mixer.py (sha256 4fe220e5a9bcd821), changed, with
#     codegen insert model.py --module ../my_token_mixer.py:TokenScale --after layers
# The licence and copyright notices of the original file stay in force. Body: sha256 2550cc90cff58763.
"""A hybrid net whose sizes stand in a dataclass; the output is a dataclass too."""
from __future__ import annotations

from dataclasses import dataclass, field

import torch
import torch.nn as nn


@dataclass
class HybridConfig:
    image_size: int = 32
    patch_size: int = 4
    num_channels: int = 3
    hidden_size: int = 24
    num_attention_heads: int = 3
    num_hidden_layers: int = 2
    num_labels: int = 10
    mlp_ratios: list[int] = field(default_factory=lambda: [2, 2])

    @property
    def grid(self) -> int:
        return self.image_size // self.patch_size


@dataclass
class HybridOutput:
    logits: torch.Tensor
    hidden_state: torch.Tensor | None = None


class HybridLayer(nn.Module):
    def __init__(self, config: HybridConfig, layer_idx: int) -> None:
        super().__init__()
        hidden = config.hidden_size
        self.norm1 = nn.LayerNorm(hidden)
        self.attention = nn.MultiheadAttention(hidden, config.num_attention_heads, batch_first=True)
        self.norm2 = nn.LayerNorm(hidden)
        self.mlp = nn.Sequential(
            nn.Linear(hidden, hidden * config.mlp_ratios[layer_idx]),
            nn.GELU(),
            nn.Linear(hidden * config.mlp_ratios[layer_idx], hidden),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        residual = x
        x = self.norm1(x)
        x, _ = self.attention(x, x, x, need_weights=False)
        x = residual + x
        return x + self.mlp(self.norm2(x))


def rms(x, eps=1e-6):
    """Root mean square over the channels, kept as a dim of 1"""
    return x.pow(2).mean(dim=-1, keepdim=True).add(eps).sqrt()


class TokenScale(nn.Module):
    """Scales each channel by how large its token is. (..., C) -> (..., C)"""

    def __init__(self, dim, init=0.1):
        super().__init__()
        self.scale = nn.Parameter(init * torch.randn(dim))
        self.shift = nn.Parameter(torch.zeros(dim))

    def forward(self, x):
        return x * (1 + self.scale * torch.tanh(rms(x))) + self.shift


def load_without_token_scale(host: nn.Module, state_dict: dict, prefix: str, *_) -> None:
    """Let a base checkpoint load strictly: without a single key of `token_scale`, `token_scale` keeps its values.

    A checkpoint that has some of the keys and lacks others is damaged, and stays an error.
    """
    own = {f"{prefix}token_scale.{key}": value for key, value in host.token_scale.state_dict().items()}
    if not own.keys() & state_dict.keys():
        state_dict.update(own)


class HybridModel(nn.Module):
    config_class = HybridConfig

    def __init__(self, config: HybridConfig) -> None:
        super().__init__()
        self.config = config
        self.patch = nn.Conv2d(
            config.num_channels, config.hidden_size, kernel_size=config.patch_size, stride=config.patch_size
        )
        self.position = nn.Parameter(torch.zeros(1, config.grid**2, config.hidden_size))
        self.layers = nn.ModuleList(HybridLayer(config, i) for i in range(config.num_hidden_layers))
        self.norm = nn.LayerNorm(config.hidden_size)
        self.classifier = nn.Linear(config.hidden_size, config.num_labels)
        self.token_scale = TokenScale(config.hidden_size)
        self.register_load_state_dict_pre_hook(load_without_token_scale)

    def forward(self, pixel_values: torch.Tensor, return_hidden: bool = False) -> HybridOutput:
        hidden_state = self.patch(pixel_values)
        hidden_state = hidden_state.flatten(2).transpose(1, 2) + self.position
        for layer in self.layers:
            hidden_state = layer(hidden_state)
        hidden_state = self.token_scale(hidden_state)
        hidden_state = self.norm(hidden_state)
        logits = self.classifier(hidden_state.mean(dim=1))
        return HybridOutput(logits=logits, hidden_state=hidden_state if return_hidden else None)


def build_model(**overrides) -> HybridModel:
    return HybridModel(HybridConfig(**overrides))
