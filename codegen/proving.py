"""How variants are proved: as `codegen insert` does, or as a sweep wants it. Knows what to ask of the child; asks nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from codegen import renaming, standalone
from codegen.errors import CodegenError
from codegen.standalone import Parts

# of every variant; without them a verdict is none
CHECKS = ("import", "shape", "placement", "paths", "weights", "seed", "init", "gradient")
QUICK = ("import", "shape", "placement", "weights", "seed", "gradient")
NEUTRAL = "_codegen_base"  # behind the names that a base enters into a registry, whatever module comes to it


@dataclass(frozen=True)
class Proving:
    """What is asked beyond the texts and the plan, or left out."""

    quick: bool = False  # the quick contract, on the small build
    isolate: bool = False  # in a process of its own
    costs: tuple[str, ...] = ()  # what is measured: see `sweeps.rows.COSTS`
    device: str = "cpu"  # where latency is measured
    compiled: bool = False  # latency of the compiled models
    drift: bool = True  # is measured, too

    def requests(self, texts: dict[str, Any], plans: Sequence[dict[str, Any]], seconds: float) -> list[dict[str, Any]]:
        """What the child is asked. seconds: how long a process of its own may take."""
        measured = {"what": list(self.costs), "device": self.device, "compiled": self.compiled}
        options = {**({"isolate": seconds} if self.isolate else {}), **({"costs": measured} if self.costs else {})}
        return [{**texts, **options, "plan": {**self._plan(plan), "drift": self.drift}} for plan in plans]

    def demand_complete(self, proof: dict[str, Any]) -> None:
        """Raise CodegenError("verdict-incomplete") where a check of the contract is not among the answers."""
        told = {check.get("name") for check in proof.get("checks", ())}
        if missing := [name for name in (QUICK if self.quick else CHECKS) if name not in told]:
            what = f"the process that runs the model's code did not say whether it holds: {', '.join(missing)}"
            raise CodegenError("verdict-incomplete", what, "look for code that writes to file descriptors in the model's file")

    def _plan(self, plan: dict[str, Any]) -> dict[str, Any]:
        """The plan; of the quick contract with what the user asked for beyond any contract."""
        if not self.quick:
            return plan
        promised = [name for name in ("identity", "init") if plan[name]]
        return {**plan, "quick": True, "asked": [*plan["asked"], *promised]}


USUAL = Proving()


def shared(parts: Parts, build: str, entry: str, plan: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """The base under names that no module has part in, so that all variants of a source are proved beside one; and the plan.

    build: what builds the model in the source's own file; entry: what it is called there.
    """
    neutral = replace(parts, suffix=NEUTRAL)
    names = standalone.renames(neutral)
    own = {"base_build": renaming.renamed_expression(build, names), "entry": plan["entry"] and names.get(entry, entry)}
    return standalone.base(neutral)[1], {**plan, **own}
