"""`torch.compile(fullgraph=True)` takes it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from codegen.worker.certificate import Specimen
from codegen.worker.certificate._captured import captured
from codegen.worker.checks import Outcome, skipped

ORDER = 120
COMPILERS = ("g++", "clang++", "c++", "cl")


def check(specimen: Specimen) -> Outcome:
    """Compile it as one graph, with torch's own compiler, and run the result."""
    compilers = (os.environ.get("CXX", "").split()[:1] or [""])[0], *COMPILERS
    if not any(name and shutil.which(name) for name in compilers):
        return skipped("there is no C++ compiler: install g++, or name one in CXX")
    return captured(specimen, _compiled)


def _compiled(module: nn.Module, x: Tensor) -> Callable[..., Any]:
    torch._dynamo.reset()
    compiled: Callable[..., Any] = torch.compile(module, fullgraph=True, dynamic=False)
    return compiled
