# model with scale after stages.1: host Stage, built by ConvNeXt().
# Made by codegen 0.1.0 from model.py (sha256 e970b0c05b1f45ea), changed, with
#     codegen insert model.py --module scale --after stages.1 --emit-groups
# The licence and copyright notices of the original file stay in force. Body: sha256 465fa8f88a3983af.
"""A small ConvNeXt that is fine-tuned with layer-wise learning rate decay (timm's group_matcher)."""
import torch
from torch import nn


class Block(nn.Module):
    def __init__(self, dim, expansion=4):
        super().__init__()
        self.dwconv = nn.Conv2d(dim, dim, 7, padding=3, groups=dim)
        self.norm = nn.GroupNorm(1, dim)
        self.pwconv1 = nn.Conv2d(dim, dim * expansion, 1)
        self.act = nn.GELU()
        self.pwconv2 = nn.Conv2d(dim * expansion, dim, 1)

    def forward(self, x):
        return x + self.pwconv2(self.act(self.pwconv1(self.norm(self.dwconv(x)))))


class ChannelScale(nn.Module):
    """LayerScale: a learned factor for each channel.

    Paper: Going Deeper with Image Transformers - https://arxiv.org/abs/2103.17239
    """

    def __init__(
        self,
        channels: int,
        init: float = 1e-05,
    ) -> None:
        super().__init__()
        self.gamma = nn.Parameter(init * torch.ones(channels, 1, 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * self.gamma.to(x.dtype)


def load_without_scale(host: nn.Module, state_dict: dict, prefix: str, *_) -> None:
    """Let a base checkpoint load strictly: without a single key of `scale`, `scale` keeps its values.

    A checkpoint that has some of the keys and lacks others is damaged, and stays an error.
    """
    own = {f"{prefix}scale.{key}": value for key, value in host.scale.state_dict().items()}
    if not own.keys() & state_dict.keys():
        state_dict.update(own)


class Stage(nn.Module):
    def __init__(self, in_dim, dim, depth):
        super().__init__()
        self.downsample = nn.Conv2d(in_dim, dim, 2, stride=2) if in_dim != dim else nn.Identity()
        self.blocks = nn.Sequential(*[Block(dim) for _ in range(depth)])
        self.scale = nn.Identity()  # the model puts a module into the chosen ones

    def forward(self, x):
        return self.scale(self.blocks(self.downsample(x)))


class ConvNeXt(nn.Module):
    def __init__(self, in_chans=3, num_classes=10, dims=(16, 32, 64), depths=(1, 2, 2)):
        super().__init__()
        self.stem = nn.Conv2d(in_chans, dims[0], 4, stride=4)
        self.stages = nn.ModuleList(
            Stage(dims[max(i - 1, 0)], dim, depth) for i, (dim, depth) in enumerate(zip(dims, depths))
        )
        self.norm = nn.GroupNorm(1, dims[-1])
        self.head = nn.Linear(dims[-1], num_classes)
        self.stages[1].scale = ChannelScale(dims[1])
        self.stages[1].register_load_state_dict_pre_hook(load_without_scale)

    def new_parameters(self):
        """(name, parameter) of all that was inserted: to be trained alone, or at a rate of its own."""
        return [
            (name, parameter)
            for name, parameter in self.named_parameters()
            if "scale" in name.split(".")
        ]

    def group_matcher(self, coarse=False):
        return dict(
            stem=r'^stem',
            blocks=r'^stages\.(\d+)' if coarse else [
                (r'^stages\.(\d+)\.downsample', (0,)),  # first of its stage
                (r'^stages\.(\d+)\.blocks\.(\d+)', None),
                (r'^stages\.(\d+)\.scale\.', (99999,)),  # with the last of stages.1
                (r'^norm', (99999,))  # with the last block
            ]
        )

    def forward(self, x):
        x = self.stem(x)
        for stage in self.stages:
            x = stage(x)
        x = self.norm(x).mean((2, 3))
        return self.head(x)
