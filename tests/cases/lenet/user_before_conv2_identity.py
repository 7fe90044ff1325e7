# model with ../my_attn.py:MyAttn before conv2: host LeNet, built by LeNet().
# Made by codegen 0.1.0 from model.py (sha256 b6aaf90bbac502e9) and ../my_attn.py (sha256 7910467637d9ca4b), changed, with
#     codegen insert model.py --module ../my_attn.py:MyAttn --before conv2 --identity
# The licence and copyright notices of the original file stay in force. Body: sha256 e73e7a9b0417935a.
import math

import torch
import torch.nn as nn
import torch.nn.functional as F


MIN_WIDTH = 4
TEMPERATURE = 1.5


def hidden_width(channels, reduction):
    """Rounded up to a multiple of MIN_WIDTH"""
    return max(MIN_WIDTH, math.ceil(channels / reduction / MIN_WIDTH) * MIN_WIDTH)


class MyAttn(nn.Module):
    """Channel attention from the mean and the spread of each channel. (B, C, H, W) -> (B, C, H, W)"""

    def __init__(self, channels, reduction=8):
        super().__init__()
        width = hidden_width(channels, reduction)
        self.squeeze = nn.Linear(2 * channels, width)
        self.excite = nn.Linear(width, channels)

    def forward(self, x):
        b, c, h, w = x.shape
        mean = x.mean(dim=(2, 3))
        spread = (x - mean.view(b, c, 1, 1)).abs().mean(dim=(2, 3))
        gate = self.excite(F.relu(self.squeeze(torch.cat([mean, spread], dim=1))))
        return x * torch.sigmoid(gate / TEMPERATURE).view(b, c, 1, 1)


class ZeroGate(nn.Module):
    """Start a module as the identity: x + gain * (module(x) - x) with gain = 0.

    Paper: ReZero is All You Need - https://arxiv.org/abs/2003.04887
    """

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module
        self.gain = nn.Parameter(torch.zeros(1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.gain * (self.module(x) - x)


def load_without_my_attn(host: nn.Module, state_dict: dict, prefix: str, *_) -> None:
    """Let a base checkpoint load strictly: without a single key of `my_attn`, `my_attn` keeps its values.

    A checkpoint that has some of the keys and lacks others is damaged, and stays an error.
    """
    own = {f"{prefix}my_attn.{key}": value for key, value in host.my_attn.state_dict().items()}
    if not own.keys() & state_dict.keys():
        state_dict.update(own)


class LeNet(nn.Module):
    """A LeNet-like net for CIFAR-10. Input: 3 x 32 x 32."""

    def __init__(self, num_classes=10):
        super(LeNet, self).__init__()
        self.conv1 = nn.Conv2d(3, 16, 5)
        self.pool = nn.MaxPool2d(2, 2)
        self.conv2 = nn.Conv2d(16, 32, 5)
        self.fc1 = nn.Linear(32*5*5, 120)
        self.fc2 = nn.Linear(120, 84)
        self.fc3 = nn.Linear(84, num_classes)
        self.my_attn = ZeroGate(MyAttn(self.conv2.in_channels))
        self.register_load_state_dict_pre_hook(load_without_my_attn)

    def forward(self, x):
        x = self.pool(F.relu(self.conv1(x)))    # (3, 32, 32) -> (16, 14, 14)
        x = self.pool(F.relu(self.conv2(self.my_attn(x))))    # -> (32, 5, 5)
        x = x.view(-1, 32*5*5)
        x = F.relu(self.fc1(x))                 # -> (120)
        x = F.relu(self.fc2(x))                 # -> (84)
        x = self.fc3(x)
        return x


def accuracy(output, target, topk=(1,)):
    """Top-k accuracy in per cent."""
    with torch.no_grad():
        maxk = max(topk)
        pred = output.topk(maxk, dim=1)[1].t()
        correct = pred.eq(target.view(1, -1).expand_as(pred))
        return [correct[:k].float().sum().item() * 100.0 / target.size(0) for k in topk]


def count_parameters(model):
    return sum(p.numel() for p in model.parameters() if p.requires_grad)


def train_one_epoch(model, loader, optimizer, device="cpu", print_freq=100):
    model.train()
    running_loss = 0.0
    for step, (images, labels) in enumerate(loader):
        optimizer.zero_grad()
        outputs = model(images.to(device))
        loss = F.cross_entropy(outputs, labels.to(device))
        loss.backward()
        optimizer.step()

        running_loss += loss.item()
        if step % print_freq == print_freq - 1:
            top1, = accuracy(outputs, labels.to(device))
            print("[%5d] loss: %.3f  acc: %.1f" % (step + 1, running_loss / print_freq, top1))
            running_loss = 0.0


if __name__ == "__main__":
    net = LeNet()
    print(net)
    print("params:", count_parameters(net))
    print(net(torch.rand(4, 3, 32, 32)).shape)
