# model with Linear(num_classes) beside classifier.3: host VGG, built by vgg8().
# Made by codegen 0.1.0 from model.py (sha256 6d0ea6b79f74f259), changed, with
#     codegen head model.py --layers 'Linear(num_classes)' --site classifier.3 --extra aux
# The licence and copyright notices of the original file stay in force. Body: sha256 bea174b64dc1fb2f.
from typing import Any, Dict, List, Union, cast

import torch
from torch import nn
from torch.nn import AdaptiveAvgPool2d, BatchNorm2d, Conv2d, Dropout, Linear, MaxPool2d, Module, ReLU, Sequential

cfgs: Dict[str, List[Union[str, int]]] = {
    "A": [8, "M", 16, "M", 32, 32, "M"],
    "B": [8, 8, "M", 16, 16, "M", 32, 32, "M"],
}


def make_layers(cfg: List[Union[str, int]], batch_norm: bool = False) -> Sequential:
    layers: List[Module] = []
    in_channels = 3
    for v in cfg:
        if v == "M":
            layers += [MaxPool2d(kernel_size=2, stride=2)]
        else:
            v = cast(int, v)
            conv2d = Conv2d(in_channels, v, kernel_size=3, padding=1)
            if batch_norm:
                layers += [conv2d, BatchNorm2d(v), ReLU(inplace=True)]
            else:
                layers += [conv2d, ReLU(inplace=True)]
            in_channels = v
    return Sequential(*layers)


def load_without_aux(host: nn.Module, state_dict: dict, prefix: str, *_) -> None:
    """Let a base checkpoint load strictly: without a single key of `aux`, `aux` keeps its values.

    A checkpoint that has some of the keys and lacks others is damaged, and stays an error.
    """
    own = {f"{prefix}aux.{key}": value for key, value in host.aux.state_dict().items()}
    if not own.keys() & state_dict.keys():
        state_dict.update(own)


class VGG(Module):
    def __init__(self, features: Module, num_classes: int = 10, **kwargs: Any) -> None:
        super().__init__()
        self.width = kwargs.pop("width", 64)
        self.features = features
        self.avgpool = AdaptiveAvgPool2d((2, 2))
        self.classifier = Sequential(
            Linear(32 * 2 * 2, self.width),
            ReLU(True),
            Dropout(p=kwargs.pop("dropout", 0.5)),
            Linear(self.width, num_classes),
        )
        if kwargs:
            raise TypeError(f"unknown arguments: {', '.join(kwargs)}")
        self.aux = nn.Linear(self.width, num_classes)
        self.register_load_state_dict_pre_hook(load_without_aux)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        x = self.features(x)
        x = self.avgpool(x)
        x = torch.flatten(x, 1)
        classifier_in = self.classifier[:3](x)
        x, aux = self.classifier[3](classifier_in), self.aux(classifier_in)
        return x, aux


def _vgg(cfg: str, batch_norm: bool, **kwargs: Any) -> VGG:
    return VGG(make_layers(cfgs[cfg], batch_norm=batch_norm), **kwargs)


def vgg8(**kwargs: Any) -> VGG:
    return _vgg("A", False, **kwargs)


def vgg11_bn(**kwargs: Any) -> VGG:
    return _vgg("B", True, **kwargs)
