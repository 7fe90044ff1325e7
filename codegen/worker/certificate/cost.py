"""How many parameters it has, and how that grows with the width. A figure, which never fails."""

from __future__ import annotations

from torch import nn

from codegen.worker.certificate import Specimen, counted, fresh
from codegen.worker.checks import Outcome, passed
from codegen.worker.checks._placing import reason

ORDER = 150


def check(specimen: Specimen) -> Outcome:
    """Count at the width and at twice the width."""
    wide, one = 2 * specimen.width, count(fresh(specimen))
    lead = counted(one, "parameter")
    if not one:
        return passed("no parameters")
    try:
        other = count(fresh(specimen, width=wide))
    except Exception as error:  # told: the width asked for is the one that counts
        return passed(f"{lead}; none can be built at width {wide}: {reason(error)}")
    ratio = other / one
    words = {1: ", at any width", 2: ", in proportion to the width", 4: ", as the square of the width"}
    if other == one:
        return passed(lead + words[1])
    near = next((word for times, word in words.items() if times > 1 and abs(ratio / times - 1) < 0.1), "")
    return passed(f"{lead}, {other:,} at width {wide} (x {ratio:.3g}{near})")


def count(module: nn.Module) -> int:
    """The number of all its parameters."""
    return sum(parameter.numel() for parameter in module.parameters())
