"""What the child process that runs the model's code may use."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """Of one run."""

    seconds: float = 600.0
    memory: int = 0  # bytes; 0: three quarters of the machine's memory
