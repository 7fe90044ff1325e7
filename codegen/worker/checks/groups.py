"""`--emit-groups`: the method that gives what was inserted gives just that."""

from __future__ import annotations

from codegen.worker.checks import Outcome, failed, passed
from codegen.worker.subject import Subject

ORDER = 95
ON_REQUEST = True


def check(subject: Subject) -> Outcome:
    """Its names are those of the parameters that the base has not."""
    old = {name for name, _ in subject.shown("base").named_parameters()}
    new = {name for name, _ in subject.shown("variant").named_parameters()} - old
    given = {name for name, _ in getattr(subject.shown("variant"), subject.plan.groups)()}
    if wrong := sorted(new ^ given):
        return failed(f"{subject.plan.groups}() is wrong about {', '.join(wrong[:3])}")
    return passed(f"{len(given)} parameters")
