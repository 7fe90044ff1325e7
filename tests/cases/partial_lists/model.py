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

    def forward(self, x):
        for stem in self.stems:
            x = stem(x)
        for stage in self.stages:
            x = stage(x)
        return self.fc(x.mean((2, 3)))
