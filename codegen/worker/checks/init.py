"""The inserted module's own initialisation, or that of `--init`, survives the host's: it holds what it was made with."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence

import torch
from torch import nn

from codegen.worker import models
from codegen.worker.checks import Outcome, _compare, failed, passed, skipped
from codegen.worker.checks._sites import inserted_modules
from codegen.worker.subject import Subject

ORDER = 70
SHOWN = 4  # tensors that the report tells of
OF_INSERTED = True

State = dict[str, torch.Tensor]
ZERO_LAST = "zero_last"


def check(subject: Subject) -> Outcome:
    """Build the variant while every new module of the inserted class is photographed at the end of its construction, and once
    more when a function of `--init` was first applied to it.
    """
    init = subject.plan.init
    classes = {type(module) for _, module in inserted_modules(subject.plan, subject.shown("variant"))}
    made: dict[int, tuple[nn.Module, State]] = {}  # the module is kept: an id is its own only while it lives
    started: set[int] = set()  # --init has come to it
    changed_by: set[bool] = set()

    def photograph(module: nn.Module) -> None:
        if type(module) in classes:
            made[id(module)] = module, _state(module)

    def starting(module: nn.Module, function: Callable[..., object], apply: Callable[[], None]) -> None:
        ours = getattr(function, "__name__", "").startswith(f"init_{init}")
        if not ours and (id(module) not in made or id(module) in started):
            return apply()  # the host's, of what is its own
        before = _state(module)
        apply()
        started.add(id(module))
        changed_by.add(bool(_changed(before, _state(module))))
        photograph(module)

    with contextlib.ExitStack() as stack:
        for cls in classes:
            stack.enter_context(models.constructed(cls, photograph))
        if init and init != ZERO_LAST:
            stack.enter_context(_applied(starting))
        model = subject.build("variant")
    modules = inserted_modules(subject.plan, model)
    if not any(module.state_dict() for _, module in modules) and not init:
        return passed("no state")
    if init and init != ZERO_LAST and True not in changed_by:
        return failed(f"--init {init} changes nothing of {subject.plan.class_name}: it has no layer of that kind")
    return _judged(modules, made, init)


def _judged(modules: Sequence[tuple[str, nn.Module]], made: dict[int, tuple[nn.Module, State]], init: str) -> Outcome:
    """Whether all hold what they were photographed with."""
    for name, module in modules:
        if id(module) not in made:
            return skipped(f"{name} was copied, not constructed: how it started is not known")
        before, after = made[id(module)][1], module.state_dict()
        changed = _changed(before, after)
        if init == ZERO_LAST:
            changed = [key for key in changed if after[key].any()]
            if not any(key.endswith("weight") and not value.any() for key, value in after.items()):
                return failed(f"--init {init} changes nothing of {name}: it has no layer with a weight")
        if changed or before.keys() != after.keys():
            return failed(f"{name}: {', '.join(changed) or 'its set of tensors'} changed after its own initialisation")
    return passed(_held(modules[0][1]) if modules else "")


def _state(module: nn.Module) -> State:
    return {key: value.clone() for key, value in module.state_dict().items()}


def _changed(before: State, after: State) -> list[str]:
    return [key for key in before if not _compare.same(before[key], after.get(key))]


def _held(module: nn.Module) -> str:
    """`fc1.weight std 0.09, fc1.bias 0, ...`: what the tensors of a module start with."""
    tensors = {key: value.float() for key, value in module.state_dict().items() if value.is_floating_point() and value.numel()}
    texts = []
    for key, value in [*tensors.items()][:SHOWN]:
        same = bool((value == value.flatten()[0]).all())
        texts.append(f"{key} {value.flatten()[0].item():.3g}" if same else f"{key} std {value.std().item():.2g}")
    return ", ".join([*texts, *(["..."] if len(tensors) > SHOWN else [])])


@contextlib.contextmanager
def _applied(note: Callable[[nn.Module, Callable[..., object], Callable[[], None]], None]) -> Iterator[None]:
    """While active, `note` does each `module.apply(function)`."""
    original = nn.Module.apply

    def apply(self: nn.Module, fn: Callable[..., object]) -> nn.Module:
        def run() -> None:
            original(self, fn)  # type: ignore[arg-type]

        note(self, fn, run)
        return self

    nn.Module.apply = apply  # type: ignore[method-assign, assignment]
    try:
        yield
    finally:
        nn.Module.apply = original  # type: ignore[method-assign]
