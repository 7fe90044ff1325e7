"""Under one seed the variant's backbone starts from the base's very numbers: the two can be compared fairly."""

from __future__ import annotations

import itertools
from functools import partial

import torch
from torch import nn

from codegen.worker.checks import Outcome, _compare, failed, passed
from codegen.worker.checks._sites import replaced
from codegen.worker.subject import Subject

ORDER = 60
QUICK = True


def check(subject: Subject) -> Outcome:
    """Compare every parameter and buffer of the base with the variant's of the same name, under two seeds."""
    pairs = {
        0: (_tensors(subject.shown("base")), subject.worked()[1]),
        1: (_tensors(_other_base(subject)), _tensors(subject.shown("variant"))),
    }
    for seed, (base, variant) in pairs.items():
        kept = [name for name in base if not replaced(subject.plan, name)]
        different = [name for name in kept if not _compare.same(base[name], variant.get(name))]
        if different:
            return failed(f"seed {seed}: {len(different)} of {len(base)} tensors differ, the first is {different[0]}")
    return passed(f"{len(base)} tensors under seeds {', '.join(map(str, pairs))}")


def prepare(subject: Subject) -> None:
    """The base under the other seed."""
    _other_base(subject)


def _other_base(subject: Subject) -> nn.Module:
    return subject.once("base", "seed 1", partial(subject.build, "base", seed=1))


def _tensors(model: nn.Module) -> dict[str, torch.Tensor]:
    return dict(itertools.chain(model.named_parameters(), model.named_buffers()))
