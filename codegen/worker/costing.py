"""What a model costs: a place for the measurements of a sweep. Measures nothing yet."""

from __future__ import annotations

from typing import Any

from codegen.errors import CodegenError
from codegen.worker.subject import Subject


def measure(subject: Subject, wanted: tuple[str, ...], device: str, compiled: bool) -> dict[str, Any]:
    """Raises CodegenError: nothing is measured here yet."""
    raise CodegenError("no-costs", f"{', '.join(wanted)} cannot be measured yet", "leave the costs out")
