import torch
from torch.nn import *
from torch.nn import functional as F


class Fire(Module):
    def __init__(self, c, squeeze, expand):
        super().__init__()
        self.squeeze = Conv2d(c, squeeze, 1)
        self.expand1 = Conv2d(squeeze, expand, 1)
        self.expand3 = Conv2d(squeeze, expand, 3, padding=1)

    def forward(self, x):
        x = F.relu(self.squeeze(x))
        return torch.cat([F.relu(self.expand1(x)), F.relu(self.expand3(x))], 1)


class SqueezeNet(Module):
    def __init__(self, num_classes=10, base=8):
        super().__init__()
        self.stem = Sequential(Conv2d(3, base * 2, 3, stride=2, padding=1), ReLU(inplace=True))
        self.pool = MaxPool2d(2, ceil_mode=True)
        self.fire1 = Fire(base * 2, base, base * 2)
        self.fire2 = Fire(base * 4, base, base * 2)
        self.drop = Dropout(0.2)
        self.classifier = Conv2d(base * 4, num_classes, 1)

    def forward(self, x):
        x = self.pool(self.stem(x))
        x = self.fire1(x)
        x = x + self.fire2(x)
        x = F.relu(self.classifier(self.drop(x)))
        return x.mean([2, 3])
