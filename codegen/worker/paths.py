"""The public paths of a model: every way in which its users run it, found by what the model offers."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from codegen.worker import models

Inputs = tuple[tuple[Any, ...], dict[str, Any]]


@dataclass(frozen=True)
class Path:
    """A way to run a model. `run(model, args, kwargs)` returns what the path returns; `offered(model)` says if it exists."""

    name: str
    run: Callable[..., Any]
    offered: Callable[[nn.Module], bool]
    train: bool = False
    checkpointing: bool = False
    behind: str = ""  # the method that makes its input of the model's


def _takes(method: str, *parameters: str) -> Callable[[nn.Module], bool]:
    def offered(model: nn.Module) -> bool:
        function = getattr(model, method, None)
        if not callable(function):
            return False
        known = inspect.signature(function).parameters
        return all(p in known for p in parameters)

    return offered


def _call(method: str, **options: Any) -> Callable[..., Any]:
    def run(model: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        return getattr(model, method)(*args, **kwargs, **options)

    return run


def _forward(model: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    return model(*args, **kwargs)


def _both(first: Callable[[nn.Module], bool], second: Callable[[nn.Module], bool]) -> Callable[[nn.Module], bool]:
    return lambda model: first(model) and second(model)


def _checkpointing(model: nn.Module) -> bool:
    """Whether the model can be told to checkpoint: many have the method and refuse."""
    try:
        model.set_grad_checkpointing(True)  # type: ignore[operator]
        model.set_grad_checkpointing(False)  # type: ignore[operator]
    except Exception:  # noqa: BLE001 - the model's own code
        return False
    return True


_CHECKPOINTING = _both(_takes("set_grad_checkpointing"), _checkpointing)

PATHS: tuple[Path, ...] = (
    Path("forward", _forward, lambda model: True),
    Path("forward (train)", _forward, lambda model: True, train=True),
    Path("forward_features", _call("forward_features"), _takes("forward_features")),
    Path(
        "forward_head",
        _call("forward_head"),
        _both(_takes("forward_features"), _takes("forward_head")),
        behind="forward_features",
    ),
    Path(
        "forward_head (pre_logits)",
        _call("forward_head", pre_logits=True),
        _both(_takes("forward_features"), _takes("forward_head", "pre_logits")),
        behind="forward_features",
    ),
    Path("forward_intermediates", _call("forward_intermediates"), _takes("forward_intermediates")),
    Path(
        "forward_intermediates (norm)",
        _call("forward_intermediates", norm=True),
        _takes("forward_intermediates", "norm"),
    ),
    Path(
        "forward_intermediates (intermediates_only)",
        _call("forward_intermediates", intermediates_only=True),
        _takes("forward_intermediates", "intermediates_only"),
    ),
    Path(
        "forward_intermediates (stop_early)",
        _call("forward_intermediates", indices=[0], stop_early=True, intermediates_only=True),
        _takes("forward_intermediates", "indices", "stop_early", "intermediates_only"),
    ),
    Path("forward (checkpointing)", _forward, _CHECKPOINTING, train=True, checkpointing=True),
    Path(
        "forward_intermediates (checkpointing)",
        _call("forward_intermediates"),
        _both(_CHECKPOINTING, _takes("forward_intermediates")),
        train=True,
        checkpointing=True,
    ),
)


def given(path: Path, model: nn.Module, inputs: Inputs) -> Inputs:
    """What a path runs on: the model's own inputs, or what the method before it makes of them."""
    if not path.behind:
        return inputs
    return (run(Path(path.behind, _call(path.behind), lambda model: True), model, inputs),), {}


def run(path: Path, model: nn.Module, inputs: Inputs, seed: int = 0) -> Any:
    """Run one path under a seed and leave the model as it was: its mode and its checkpointing flag are put back."""
    was_training = model.training
    if was_training != path.train:
        model.train(path.train)
    if path.checkpointing:
        model.set_grad_checkpointing(True)  # type: ignore[operator]
    try:
        models.seed(seed)
        with torch.set_grad_enabled(path.checkpointing):
            return path.run(model, *models.same_input(inputs))  # a model may change its input in place
    finally:
        if path.checkpointing:
            model.set_grad_checkpointing(False)  # type: ignore[operator]
        if was_training != path.train:
            model.train(was_training)
