"""Requests -> one Report: which of the ways of making a variant is meant."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from codegen import basing, growing, pipeline, static, steps
from codegen.child import Child, Start
from codegen.types import Report, Request


def run(requests: Sequence[Request], start: Start = Child) -> Report:
    """Make a base, or a variant: by reading alone, by one edit, or by several in order. Raises what each of them raises.

    start: what gives the child process for it.
    """
    recipe = growing.grown(requests)
    if recipe and growing.by_hand(Path(requests[0].source)):
        return growing.run(requests, recipe)
    requests = recipe or requests
    request = requests[0]
    if request.edits:
        return steps.run(requests, start)
    if request.base:
        return basing.run(request, start)
    return static.run(request) if request.static else pipeline.run(request, start)
