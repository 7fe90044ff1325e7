# model with se after stages.*.down.1: host PartialNet, built by PartialNet().
# Made by codegen 0.1.0 from model.py (sha256 b2827306b14557d0), changed, with
#     codegen insert model.py --input 1x3x64x64 --module se --after 'stages.*.down.1'
# The licence and copyright notices of the original file stay in force. Body: sha256 ce45b7863ef92985.
import torch
import torch.nn as nn


class Stage(nn.Module):
    """Only stages that halve the map have a downsampling list; the first keeps what it gets."""

    def __init__(self, dim_in, dim_out, stride):
        super().__init__()
        if stride == 1:
            self.down = nn.Identity()
        else:
            self.down = nn.Sequential(nn.BatchNorm2d(dim_in), nn.Conv2d(dim_in, dim_out, 2, stride))
        self.mix = nn.Conv2d(dim_out, dim_out, 3, padding=1, groups=dim_out)

    def forward(self, x):
        x = self.down(x)
        return x + self.mix(x)


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


def place_se(host: nn.Module) -> None:
    """Register `se` right behind `1`.

    The host runs the children in the order of their registration.
    """
    children = host._modules
    names = [name for name in children if name != "se"]
    for name in names[names.index("1") + 1 :]:
        children[name] = children.pop(name)


class PartialNet(nn.Module):
    def __init__(self, dims=(16, 32, 64), num_classes=10):
        super().__init__()
        self.stems = nn.ModuleList([
            nn.Sequential(nn.Conv2d(3, dims[0], 3, 2, 1), nn.BatchNorm2d(dims[0]), nn.ReLU(), nn.Conv2d(dims[0], dims[0], 3, 1, 1)),
            nn.Sequential(nn.Conv2d(dims[0], dims[0], 1), nn.ReLU()),
        ])
        ins = (dims[0], *dims[:-1])
        self.stages = nn.ModuleList([Stage(i, o, 1 if i == o else 2) for i, o in zip(ins, dims)])
        self.fc = nn.Linear(dims[-1], num_classes)
        for stage in self.stages:
            if "1" in stage.down._modules:
                stage.down.se = SqueezeExcite(stage.down[1].out_channels)
                place_se(stage.down)
                stage.down.register_load_state_dict_pre_hook(load_without_se)

    def forward(self, x):
        for stem in self.stems:
            x = stem(x)
        for stage in self.stages:
            x = stage(x)
        return self.fc(x.mean((2, 3)))
