# model with Linear(64), ReLU, Linear(4), LogSoftmax beside fc: host DenseNet, built by DenseNet().
# Made by codegen 0.1.0 from model.py (sha256 16a35a98eb277bf2), changed, with
#     codegen head model.py --layers 'Linear(64), ReLU, Linear(4), LogSoftmax' --site fc --extra aux
# The licence and copyright notices of the original file stay in force. Body: sha256 f3ddbb1d1cd0a601.
from __future__ import absolute_import, division, print_function

import math

import torch
import torch.nn as nn
import torch.nn.functional as F


class DenseLayer(nn.Module):
    def __init__(self, inplanes, growth):
        super(DenseLayer, self).__init__()
        self.bn1 = nn.BatchNorm2d(inplanes)
        self.conv1 = nn.Conv2d(inplanes, growth, kernel_size=3, padding=1, bias=False)

    def forward(self, x):
        return torch.cat([x, self.conv1(F.relu(self.bn1(x)))], 1)


class Transition(nn.Module):
    def __init__(self, inplanes, outplanes):
        super(Transition, self).__init__()
        self.bn = nn.BatchNorm2d(inplanes)
        self.conv = nn.Conv2d(inplanes, outplanes, kernel_size=1, bias=False)

    def forward(self, x):
        return F.avg_pool2d(self.conv(F.relu(self.bn(x))), 2)


def load_without_aux(host: nn.Module, state_dict: dict, prefix: str, *_) -> None:
    """Let a base checkpoint load strictly: without a single key of `aux`, `aux` keeps its values.

    A checkpoint that has some of the keys and lacks others is damaged, and stays an error.
    """
    own = {f"{prefix}aux.{key}": value for key, value in host.aux.state_dict().items()}
    if not own.keys() & state_dict.keys():
        state_dict.update(own)


class DenseNet(nn.Module):

    def __init__(self, growthRate=8, depth=3, reduction=0.5, nClasses=10):
        super(DenseNet, self).__init__()
        nChannels = 2 * growthRate
        self.conv1 = nn.Conv2d(3, nChannels, kernel_size=3, padding=1, bias=False)
        self.dense1 = self._make_dense(nChannels, growthRate, depth)
        nChannels += depth * growthRate
        nOutChannels = int(math.floor(nChannels * reduction))
        self.trans1 = Transition(nChannels, nOutChannels)

        nChannels = nOutChannels
        self.dense2 = self._make_dense(nChannels, growthRate, depth)
        nChannels += depth * growthRate
        self.bn1 = nn.BatchNorm2d(nChannels)
        self.fc = nn.Linear(nChannels, nClasses)

        for m in self.modules():
            if isinstance(m, nn.Conv2d):
                n = m.kernel_size[0] * m.kernel_size[1] * m.out_channels
                m.weight.data.normal_(0, math.sqrt(2. / n))
            elif isinstance(m, nn.BatchNorm2d):
                m.weight.data.fill_(1)
                m.bias.data.zero_()
        self.aux = nn.Sequential(
            nn.Linear(nChannels, 64), nn.ReLU(), nn.Linear(64, 4), nn.LogSoftmax(dim=-1)
        )
        self.register_load_state_dict_pre_hook(load_without_aux)

    def _make_dense(self, nChannels, growthRate, depth):
        layers = []
        for i in range(int(depth)):
            layers.append(DenseLayer(nChannels, growthRate))
            nChannels += growthRate
        return nn.Sequential(*layers)

    def forward(self, x):
        out = self.dense1(self.conv1(x))
        out = self.dense2(self.trans1(out))
        out = torch.squeeze(F.adaptive_avg_pool2d(F.relu(self.bn1(out)), 1).flatten(2), 2)
        out, aux = F.log_softmax(self.fc(out), dim=1), self.aux(out)
        return out, aux