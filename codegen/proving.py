"""How variants are proved: as `codegen insert` does, or as a sweep wants it. Knows what to ask of the child; asks nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Proving:
    """What is asked beyond the texts and the plan, or left out."""

    quick: bool = False  # the quick contract, on the small build
    isolate: bool = False  # in a process of its own
    costs: tuple[str, ...] = ()  # what is measured: see `sweeps.rows.COSTS`
    device: str = "cpu"  # where latency is measured
    compiled: bool = False  # latency of the compiled models

    def plan(self, plan: dict[str, Any]) -> dict[str, Any]:
        """The plan; of the quick contract with what the user asked for beyond any contract."""
        if not self.quick:
            return plan
        promised = [name for name in ("identity", "init") if plan[name]]
        return {**plan, "quick": True, "asked": [*plan["asked"], *promised]}

    def options(self, seconds: float) -> dict[str, Any]:
        """What the request says beside the plan. seconds: how long a process of its own may take."""
        measured = {"what": list(self.costs), "device": self.device, "compiled": self.compiled}
        return {**({"isolate": seconds} if self.isolate else {}), **({"costs": measured} if self.costs else {})}


USUAL = Proving()
