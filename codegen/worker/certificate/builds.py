"""The constructor takes the width."""

from __future__ import annotations

from torch.nn.parameter import is_lazy

from codegen.worker.certificate import Specimen, fresh
from codegen.worker.checks import Outcome, failed, passed
from codegen.worker.checks._placing import reason

ORDER = 10
GUESSED = (TypeError, ValueError, AssertionError, ArithmeticError)  # what the wrong argument for the width may raise


def check(specimen: Specimen) -> Outcome:
    """Construct it once."""
    try:
        module = fresh(specimen)
    except Exception as error:  # told, with what a person can do about it
        hint = "; if another argument takes the width, name it: --arg 'name={width}'"
        guessed = isinstance(error, GUESSED) and "nn.Module" not in str(error)
        return failed(f"{specimen.construct}: {reason(error)}{hint * guessed}")
    if any(is_lazy(tensor) for tensor in (*module.parameters(), *module.buffers())):
        return failed(f"{specimen.construct} has lazy parameters, which have no size before the first call: give them one")
    return passed(specimen.construct)
