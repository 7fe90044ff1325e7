"""The contract's checks: each is one file here with an `ORDER` and a `check(subject)`; its name is the file's name.

Files that start with an underscore hold what several checks share. Nothing here writes files or prints.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Outcome:
    """What a check found. status: "passed", "failed" or "skipped" (it could not be made: the detail says why)."""

    status: str
    detail: str = ""


def passed(detail: str = "") -> Outcome:
    """The promise holds."""
    return Outcome("passed", detail)


def failed(detail: str) -> Outcome:
    """The promise is broken: how, in words."""
    return Outcome("failed", detail)


def skipped(detail: str) -> Outcome:
    """The promise could not be checked: why."""
    return Outcome("skipped", detail)
