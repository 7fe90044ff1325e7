# model with se + eca after conv1: host LeNet, built by LeNet().
# Made by codegen 0.1.0 from model.py (sha256 b6aaf90bbac502e9), changed, with
#     codegen insert model.py --module 'se + eca' --after conv1
# The licence and copyright notices of the original file stay in force. Body: sha256 b3addf12897380b2.
import math

import torch
import torch.nn as nn
import torch.nn.functional as F


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


class EfficientChannelAttention(nn.Module):
    """Efficient Channel Attention: a gate for each channel, made of adjacent means.

    Paper: ECA-Net: Efficient Channel Attention - https://arxiv.org/abs/1910.03151
    """

    def __init__(
        self,
        channels: int,
        gamma: int = 2,
        beta: int = 1,
    ) -> None:
        super().__init__()
        t = int((math.log2(channels) + beta) / gamma)
        kernel_size = max(t if t % 2 else t + 1, 3)
        padding = kernel_size // 2
        self.conv = nn.Conv1d(1, 1, kernel_size, padding=padding, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        s = x.mean((2, 3)).unsqueeze(1)  # (N, 1, C)
        s = self.conv(s).sigmoid()
        return x * s.transpose(1, 2).unsqueeze(3)  # (N, C, 1, 1)


def load_without_se_and_eca(host: nn.Module, state_dict: dict, prefix: str, *_) -> None:
    """Let a base checkpoint load strictly: without a single key of `se` and `eca`, these keep their values.

    A checkpoint that has some of the keys and lacks others is damaged, and stays an error.
    """
    own = {
        f"{prefix}{name}.{key}": value
        for name in ("se", "eca")
        for key, value in getattr(host, name).state_dict().items()
    }
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
        self.se = SqueezeExcite(self.conv1.out_channels)
        self.eca = EfficientChannelAttention(self.conv1.out_channels)
        self.register_load_state_dict_pre_hook(load_without_se_and_eca)

    def forward(self, x):
        x = self.conv1(x)
        x = self.pool(F.relu(self.se(x) + self.eca(x)))    # (3, 32, 32) -> (16, 14, 14)
        x = self.pool(F.relu(self.conv2(x)))    # -> (32, 5, 5)
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
