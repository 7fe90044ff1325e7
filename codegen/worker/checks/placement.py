"""In `forward` the inserted module runs as often as its site, on its tensor, and the model goes on with its result."""

from __future__ import annotations

from functools import partial

from codegen.worker import paths
from codegen.worker.checks import Outcome, _compare, failed, passed, skipped
from codegen.worker.checks._placing import first_pair, judge, plain
from codegen.worker.subject import Subject

ORDER = 30
QUICK = True
OF_INSERTED = True


def check(subject: Subject) -> Outcome:
    """Judge `forward` in eval; the other paths have a check of their own."""
    pair = first_pair(subject)
    if not pair.places:
        return skipped("the small build does not hold the site")
    run = partial(paths.run, paths.PATHS[0], inputs=subject.inputs())
    verdict = judge(subject.plan, pair, run)
    if verdict.kind in ("broken", "not run"):  # its sides may be unlike now
        subject.of_variant.pop("telling")
    if verdict.kind == "broken":
        return failed(verdict.reason)
    if verdict.kind == "not run":
        return skipped(f"the base does not run: {verdict.reason}")
    if verdict.kind == "idle":
        return skipped("the site does not run in forward (eval), nor does the module")
    if not _compare.values(plain(subject, run), verdict.output):  # a dropped result would not be seen either
        return skipped("calls are right, but nothing of the site reaches the output: what follows cannot be seen")
    return passed(f"{len(pair.places)} place{'s' if len(pair.places) > 1 else ''}")
