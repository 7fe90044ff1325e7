# model with torch.nn:Dropout before fc3: host LeNet, built by LeNet().
# Made by codegen 0.1.0 from model.py (sha256 b6aaf90bbac502e9), changed, with
#     codegen insert model.py --module torch.nn:Dropout --before fc3 --arg p=0.2
# The licence and copyright notices of the original file stay in force. Body: sha256 08b3d1205d866ee2.
import torch
import torch.nn as nn
import torch.nn.functional as F


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
        self.dropout = nn.Dropout(0.2)

    def forward(self, x):
        x = self.pool(F.relu(self.conv1(x)))    # (3, 32, 32) -> (16, 14, 14)
        x = self.pool(F.relu(self.conv2(x)))    # -> (32, 5, 5)
        x = x.view(-1, 32*5*5)
        x = F.relu(self.fc1(x))                 # -> (120)
        x = F.relu(self.fc2(x))                 # -> (84)
        x = self.dropout(x)
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
