"""A model's copy is what `copy.deepcopy` gives: equal, apart from the original, with all that is shared inside it shared."""

from __future__ import annotations

import copy

import torch
from torch import nn

from codegen.worker import copies


class Net(nn.Module):
    """Shares a module and a parameter, keeps a list and a bound hook."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 1)
        self.norm = nn.BatchNorm2d(4)
        self.twice = self.conv
        self.tied = nn.Linear(4, 4)
        self.tied.weight = nn.Parameter(torch.ones(4, 4))
        self.other = nn.Linear(4, 4)
        self.other.weight = self.tied.weight
        self.sizes = [1, [2]]
        self.seen: list[str] = []
        self._register_load_state_dict_pre_hook(self.note)

    def note(self, *_: object) -> None:
        self.seen.append("loaded")

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.norm(self.conv(x))


class OwnWay(nn.Module):
    """Says itself how it is copied."""

    def __reduce__(self) -> object:
        return OwnWay, ()


def test_it_holds_the_same_and_shares_nothing_with_the_original() -> None:
    net = Net()
    made = copies.deepcopy(net)
    x = torch.randn(2, 3, 4, 4)
    assert torch.equal(net.eval()(x), made.eval()(x))
    assert {*map(id, net.state_dict(keep_vars=True).values())}.isdisjoint(map(id, made.state_dict(keep_vars=True).values()))
    assert made.sizes == [1, [2]] and made.sizes[1] is not net.sizes[1]
    assert vars(made).keys() == vars(copy.deepcopy(net)).keys()


def test_what_is_shared_inside_stays_shared() -> None:
    made = copies.deepcopy(Net())
    assert made.twice is made.conv and made.other.weight is made.tied.weight


def test_hooks_of_the_copy_are_its_own() -> None:
    net = Net()
    made = copies.deepcopy(net)
    made.load_state_dict(net.state_dict())
    assert made.seen == ["loaded"] and net.seen == []


def test_a_class_may_say_how_it_is_copied() -> None:
    holder = nn.ModuleList([OwnWay()])
    assert isinstance(copies.deepcopy(holder)[0], OwnWay)


def test_modules_have_no_way_of_their_own_afterwards() -> None:
    copies.deepcopy(Net())
    assert not hasattr(nn.Module, "__deepcopy__")
