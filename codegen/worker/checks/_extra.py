"""What a model with an extra head returns: what the base returns, and beside it the extra result. Runs nothing."""

from __future__ import annotations

from typing import Any

from codegen.worker.subject import Plan


def main(plan: Plan, output: Any) -> Any:
    """What stands for the base's output: the first of `(logits, aux)`; all of it where no extra head was asked for."""
    return output[0] if plan.combine == "extra" and isinstance(output, tuple) and len(output) == 2 else output
