"""`torch.jit.script` takes it."""

from __future__ import annotations

import torch

from codegen.worker.certificate import Specimen
from codegen.worker.certificate._captured import captured
from codegen.worker.checks import Outcome

ORDER = 100


def check(specimen: Specimen) -> Outcome:
    """Script it and run the script."""
    return captured(specimen, lambda module, _: torch.jit.script(module))
