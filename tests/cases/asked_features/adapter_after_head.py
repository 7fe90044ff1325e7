# model with adapter after head: host Net, built by Net().
# Made by codegen 0.1.0 from model.py (sha256 0ce0b99fa9ab049a), changed, with
#     codegen insert model.py --module adapter --after head
# The licence and copyright notices of the original file stay in force. Body: sha256 0ca40831368b65e3.
"""The head gives logits, or features when it is asked for them."""
import torch
from torch import nn


class Head(nn.Module):
    def __init__(self, dim: int, num_classes: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(dim)
        self.fc = nn.Linear(dim, num_classes)

    def forward(self, x: torch.Tensor, pre_logits: bool = False) -> torch.Tensor:
        x = self.norm(x.mean((2, 3)))
        return x if pre_logits else self.fc(x)


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


class Net(nn.Module):
    def __init__(self, dim: int = 32, num_classes: int = 10) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, dim, 4, stride=4)
        self.body = nn.Sequential(nn.Conv2d(dim, dim, 3, padding=1), nn.GELU())
        self.head = Head(dim, num_classes)
        self.adapter = BottleneckAdapter(num_classes)
        self.register_load_state_dict_pre_hook(load_without_adapter)

    def forward_features(self, x: torch.Tensor) -> torch.Tensor:
        return self.body(self.stem(x))

    def forward_head(self, x: torch.Tensor, pre_logits: bool = False) -> torch.Tensor:
        return (
            self.head(x, pre_logits=True) if pre_logits else self.adapter(self.head(x))
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.forward_head(self.forward_features(x))
