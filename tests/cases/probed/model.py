"""The constructor runs the features once, to learn how many numbers the classifier gets."""
import torch
from torch import nn


class ConvBlock(nn.Module):
    def __init__(self, in_channels, out_channels):
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, kernel_size=3, padding=1)
        self.pool = nn.MaxPool2d(4)

    def forward(self, x):
        return self.pool(torch.relu(self.conv(x)))


class SmallNet(nn.Module):
    def __init__(self, width=8, input_size=64, num_classes=10):
        super().__init__()
        self.features = nn.Sequential(ConvBlock(3, width), ConvBlock(width, 2 * width))
        with torch.no_grad():
            size = self.features(torch.zeros(1, 3, input_size, input_size)).numel()
        self.classifier = nn.Linear(size, num_classes)
        self.apply(self._init_weights)

    @staticmethod
    def _init_weights(module):
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            nn.init.kaiming_normal_(module.weight)
            nn.init.zeros_(module.bias)

    def forward(self, x):
        return self.classifier(self.features(x).flatten(1))
