"""Requests -> one Report: which of the ways of making a variant is meant."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from codegen import basing, growing, pipeline, splitting, static, steps
from codegen.child import Child, Start
from codegen.types import Report, Request


def run(requests: Sequence[Request], start: Start = Child) -> Report:
    """Make a base, or a variant: by reading alone, by one edit, or by several in order. Raises what each of them raises.

    A name that means sites which no one edit serves, `layer*`, becomes an edit of each.
    start: what gives the child process for it.
    """
    recipe = growing.grown(requests)
    if recipe and growing.by_hand(Path(requests[0].source)):
        return growing.run(requests, recipe)
    return splitting.served(recipe or requests, lambda asked: _run(asked, start))


def _run(requests: Sequence[Request], start: Start) -> Report:
    request = requests[0]
    if request.edits:
        return steps.run(requests, start)
    if request.base:
        return basing.run(request, start)
    return static.run(request) if request.static else pipeline.run(request, start)
