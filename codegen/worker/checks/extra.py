"""An extra head leaves the model's own result: the variant returns (what the base returns, what the head returns)."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from codegen.worker import paths
from codegen.worker.checks import Outcome, _compare, failed, passed, skipped
from codegen.worker.checks._placing import reason, shaped
from codegen.worker.checks._sites import inserted_modules
from codegen.worker.subject import Subject

ORDER = 45
ON_REQUEST = True


def check(subject: Subject) -> Outcome:
    """With the same weights and random numbers, bit for bit, on every public path; `forward` returns both."""
    seen = []
    for path in (path for path in paths.PATHS if path.offered(subject.shown("base"))):
        base, variant = (model.eval() for model in subject.pair())
        try:
            inputs = paths.given(path, base, subject.inputs())
            expected = paths.run(path, base, inputs)
        except Exception as error:  # the base's own code
            if path is paths.PATHS[0]:
                return skipped(f"the base does not run: {reason(error)}")
            continue
        returned: list[Any] = []
        for _, module in inserted_modules(subject.plan, variant):
            module.register_forward_hook(_noting(returned))
        output = paths.run(path, variant, inputs)
        if not returned and path.name.startswith("forward_") and not _compare.values(expected, output):
            continue  # a path that stops before the heads
        if not isinstance(output, tuple) or len(output) != 2 or len(returned) != 1:
            what = f"{_compare.describe(output)}, the extra head ran {len(returned)} times"
            return failed(f"{path.name}: the model does not return (the base's result, the extra one) but {what}")
        if wrong := _compare.values(expected, output[0]) or _compare.values(shaped(returned[0], output), output[1]):
            return failed(f"{path.name}: {wrong}")
        seen.append(path.name)
    return passed(f"(the base's result, {subject.plan.attribute}'s): {', '.join(seen)}")


def _noting(returned: list[Any]) -> Any:
    def note(module: nn.Module, args: Any, output: Any) -> None:
        returned.append(output.detach().clone() if isinstance(output, torch.Tensor) else output)

    return note
