"""What a forward of a model runs, and what only one in training does: auxiliary heads. Judges nothing."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import nn

from codegen import selection
from codegen.worker.tracer import Event, tracing

Inputs = tuple[tuple[Any, ...], dict[str, Any]]


def observed(model: nn.Module, inputs: Inputs, *, training: bool) -> list[Event]:
    """The calls of one forward in eval mode; with `training` also those of modules that run in training only.

    The model's own exception passes through, but for one in training.
    """
    args, kwargs = inputs
    with tracing(model, places=False) as recording, torch.no_grad():
        model(*args, **kwargs)
    return [*recording.events, *(trained(model, inputs, {e.module for e in recording.events}) if training else ())]


def trained(model: nn.Module, inputs: Inputs, known: set[str]) -> list[Event]:
    """The calls of one forward in training, of modules that are not known; [] where the model cannot run so."""
    args, kwargs = inputs
    model.train()
    try:
        with tracing(model, places=False) as recording, torch.no_grad():
            model(*args, **kwargs)
    except Exception:  # noqa: BLE001 - the model's own code: too small an image for training is no evidence
        return []
    finally:
        model.eval()
    return [event for event in recording.events if event.module not in known]


def completed(model: nn.Module, events: list[Event]) -> list[Event]:
    """The events, and one for each container that ran only element by element: in by its first, out by its last."""
    found = {e.module: e for e in reversed(events)}
    extra = []
    for name, module in reversed(list(model.named_modules())):
        children = [child for child, _ in module.named_children() if not selection.is_point(child)]
        if isinstance(module, (nn.Sequential, nn.ModuleList, nn.ModuleDict)) and name not in found and children:
            first, last = (found.get(f"{name}.{child}") for child in (children[0], children[-1]))
            if first is not None and last is not None:
                found[name] = replace(last, module=name, place=None, **_entering(first))
                extra.append(found[name])
    return [*events, *extra]


def _entering(event: Event) -> dict[str, Any]:
    return {name: getattr(event, name) for name in ("input_argument", "input_shape", "input_kind", "input_index")}
