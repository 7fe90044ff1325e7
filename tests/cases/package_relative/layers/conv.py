from torch import nn


class ConvNormAct(nn.Sequential):
    def __init__(self, in_chs, out_chs, kernel_size=3, stride=1):
        super().__init__(
            nn.Conv2d(in_chs, out_chs, kernel_size, stride, kernel_size // 2, bias=False),
            nn.BatchNorm2d(out_chs),
            nn.SiLU(),
        )


class Downsample(nn.Module):
    def __init__(self, in_chs, out_chs):
        super().__init__()
        self.conv = ConvNormAct(in_chs, out_chs, stride=2)

    def forward(self, x):
        return self.conv(x)
