"""`torch.onnx.export` takes it."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from typing import Any

import torch.onnx
from torch import Tensor, nn

from codegen.worker.certificate import Specimen
from codegen.worker.certificate._captured import captured
from codegen.worker.checks import Outcome, skipped

ORDER = 130
NEEDS = ("onnx", "onnxscript")


def check(specimen: Specimen) -> Outcome:
    """Export it; what it was exported to is not run."""
    missing = [name for name in NEEDS if importlib.util.find_spec(name) is None]
    if missing:
        return skipped(f"packages are missing: pip install {' '.join(missing)}")
    return captured(specimen, _exported, "exported, not run")


def _exported(module: nn.Module, x: Tensor) -> Callable[..., Any]:
    torch.onnx.export(module, (x,), dynamo=True)
    return module
