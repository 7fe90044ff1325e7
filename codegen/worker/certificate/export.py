"""`torch.export` takes it."""

from __future__ import annotations

import torch.export

from codegen.worker.certificate import Specimen
from codegen.worker.certificate._captured import captured
from codegen.worker.checks import Outcome

ORDER = 110


def check(specimen: Specimen) -> Outcome:
    """Export it and run the program."""
    return captured(specimen, lambda module, x: torch.export.export(module, (x,)).module())
