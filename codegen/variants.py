"""Requests -> one Report: which of the ways of making a variant is meant."""

from __future__ import annotations

from collections.abc import Sequence

from codegen import basing, pipeline, static, steps
from codegen.types import Report, Request


def run(requests: Sequence[Request]) -> Report:
    """Make a base, or a variant: by reading alone, by one edit, or by several in order. Raises what each of them raises."""
    requests = basing.grown(requests) or requests
    request = requests[0]
    if request.edits:
        return steps.run(requests)
    if request.base:
        return basing.run(request)
    return static.run(request) if request.static else pipeline.run(request)
