# model with se after layer3: host DenseBlock, built by DenseNet().
# Made by codegen 0.1.0 from model.py (sha256 d7badae7b645adf8), changed, with
#     codegen insert model.py --class DenseBlock --module se --after layer3
# The licence and copyright notices of the original file stay in force. Body: sha256 7089679cf52a098b.
"""A dense block is a ModuleDict that runs its own items on all that came before."""
import torch
import torch.nn as nn


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


class DenseBlock(nn.ModuleDict):
    def __init__(self, num_layers, in_features, growth_rate):
        super().__init__()
        for i in range(num_layers):
            layer = nn.Conv2d(in_features + i * growth_rate, growth_rate, 3, padding=1)
            self.add_module("layer%d" % (i + 1), layer)
        if hasattr(self, "layer3"):
            with torch.random.fork_rng(devices=[]):  # the model draws what it drew without it
                self.se = SqueezeExcite(growth_rate)
            self.register_load_state_dict_pre_hook(load_without_se)

    def forward(self, init_features):
        features = [init_features]
        for name, layer in self.items():
            if layer is getattr(self, "se", None):
                continue
            new_features = layer(torch.cat(features, 1))
            if layer is getattr(self, "layer3", None):
                new_features = self.se(new_features)
            features.append(new_features)
        return torch.cat(features, 1)


class DenseNet(nn.Module):
    def __init__(self, growth_rate=8, block_config=(2, 3), num_init_features=16, num_classes=10):
        super().__init__()
        self.conv0 = nn.Conv2d(3, num_init_features, 3, stride=2, padding=1)
        num_features = num_init_features
        self.blocks = nn.ModuleList()
        for num_layers in block_config:
            self.blocks.append(DenseBlock(num_layers, num_features, growth_rate))
            num_features += num_layers * growth_rate
        self.classifier = nn.Linear(num_features, num_classes)

    def forward(self, x):
        x = self.conv0(x)
        for block in self.blocks:
            x = block(x)
        return self.classifier(x.mean((2, 3)))
