# model with se after fn: host Residual, built by ConvMixer().
# Made by codegen 0.1.0 from model.py (sha256 a73dd1daf07a7cbd), changed, with
#     codegen insert model.py --class Residual --module se --after fn
# The licence and copyright notices of the original file stay in force. Body: sha256 043e5e52fcdbe7e6.
import torch
from torch import nn


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


class Residual(nn.Module):
  """y = fn(x) + x, for an fn of any kind"""

  def __init__(self, fn):
    super().__init__()
    self.fn = fn
    with torch.random.fork_rng(devices=[]):  # the model draws what it drew without it
      self.se = SqueezeExcite([*self.fn.parameters()][-1].shape[0])
    self.register_load_state_dict_pre_hook(load_without_se)

  def forward(self, x):
    return self.se(self.fn(x)) + x


class ConvMixer(nn.Module):

  def __init__(self, dim=32, depth=2, kernel_size=5, patch_size=4, num_classes=10):
    super().__init__()
    self.stem = nn.Conv2d(3, dim, patch_size, stride=patch_size)
    self.blocks = nn.Sequential(*[
        nn.Sequential(
            Residual(nn.Sequential(
                nn.Conv2d(dim, dim, kernel_size, groups=dim, padding=kernel_size // 2), nn.GELU(), nn.BatchNorm2d(dim))),
            Residual(nn.Conv2d(dim, dim, 1)),
        ) for _ in range(depth)])
    self.head = nn.Linear(dim, num_classes)

  def forward(self, x):
    x = self.blocks(self.stem(x))
    return self.head(x.mean((2, 3)))
