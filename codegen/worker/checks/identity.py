"""With `--identity`, the variant with the base's weights returns exactly what the base returns, in eval."""

from __future__ import annotations

from codegen.worker import paths
from codegen.worker.checks import Outcome, _compare, failed, passed, skipped
from codegen.worker.subject import Subject

ORDER = 90
OF_INSERTED = True


def check(subject: Subject) -> Outcome:
    """Compare the outputs of `forward`."""
    if not subject.plan.identity:
        return skipped("not asked for: --identity")
    base, variant = subject.pair()
    outputs = [paths.run(paths.PATHS[0], model, subject.inputs()) for model in (base, variant)]
    difference = _compare.values(*outputs)
    return failed(f"it does not start as the identity: {difference}") if difference else passed()
