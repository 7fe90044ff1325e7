# model with Linear(4) beside head.fc: host ClassifierHead, built by Net().
# Made by codegen 0.1.0 from model.py (sha256 a50e55e9cb5515aa), changed, with
#     codegen head model.py --layers 'Linear(4)' --site head.fc --extra aux
# The licence and copyright notices of the original file stay in force. Body: sha256 f73bbd4f1f2c42e5.
"""The head is one for logits and for features: a flag of the method decides, and is handed on."""
import torch
from torch import nn


def load_without_aux(host: nn.Module, state_dict: dict, prefix: str, *_) -> None:
    """Let a base checkpoint load strictly: without a single key of `aux`, `aux` keeps its values.

    A checkpoint that has some of the keys and lacks others is damaged, and stays an error.
    """
    own = {f"{prefix}aux.{key}": value for key, value in host.aux.state_dict().items()}
    if not own.keys() & state_dict.keys():
        state_dict.update(own)


class ClassifierHead(nn.Module):
    def __init__(self, dim: int, num_classes: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(dim)
        self.fc = nn.Linear(dim, num_classes)
        with torch.random.fork_rng(devices=[]):  # the model draws what it drew without it
            self.aux = nn.Linear(dim, 4)
        self.register_load_state_dict_pre_hook(load_without_aux)

    def forward(self, x: torch.Tensor, pre_logits: bool = False) -> torch.Tensor | tuple[torch.Tensor, torch.Tensor]:
        x = self.norm(x.mean((2, 3)))
        return x if pre_logits else (self.fc(x), self.aux(x))


class Net(nn.Module):
    def __init__(self, dim: int = 32, num_classes: int = 10) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, dim, 4, stride=4)
        self.body = nn.Sequential(nn.Conv2d(dim, dim, 3, padding=1), nn.GELU())
        self.head = ClassifierHead(dim, num_classes)

    def forward_features(self, x: torch.Tensor) -> torch.Tensor:
        return self.body(self.stem(x))

    def forward_head(self, x: torch.Tensor, pre_logits: bool = False) -> torch.Tensor | tuple[torch.Tensor, torch.Tensor]:
        return self.head(x, pre_logits=pre_logits)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return self.forward_head(self.forward_features(x))
