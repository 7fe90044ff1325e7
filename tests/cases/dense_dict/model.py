"""A dense block is a ModuleDict that runs its own items on all that came before."""
import torch
import torch.nn as nn


class DenseBlock(nn.ModuleDict):
    def __init__(self, num_layers, in_features, growth_rate):
        super().__init__()
        for i in range(num_layers):
            layer = nn.Conv2d(in_features + i * growth_rate, growth_rate, 3, padding=1)
            self.add_module("layer%d" % (i + 1), layer)

    def forward(self, init_features):
        features = [init_features]
        for name, layer in self.items():
            new_features = layer(torch.cat(features, 1))
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
