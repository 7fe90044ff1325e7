"""A module inside a gate that starts at 0, so that it starts as the identity."""

from __future__ import annotations

from dataclasses import replace

from codegen.types import Component

ZERO_GATE = '''
class ZeroGate(nn.Module):
    """Start a module as the identity: x + gain * (module(x) - x) with gain = 0.

    Paper: ReZero is All You Need - https://arxiv.org/abs/2003.04887
    """

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module
        self.gain = nn.Parameter(torch.zeros(1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.gain * (self.module(x) - x)
'''

WITH_FACTORY = (
    ("module: nn.Module)", "module: nn.Module, device=None, dtype=None)"),
    ("torch.zeros(1)", "torch.zeros(1, device=device, dtype=dtype)"),
)


def zero_gated(made: Component, factory: str = "") -> Component:
    """The module inside a gate that starts at 0. factory: how `device` and `dtype` are passed to it."""
    gate = ZERO_GATE
    for plain, passed in WITH_FACTORY if factory else ():
        gate = gate.replace(plain, passed)
    return replace(
        made,
        construct=f"ZeroGate({made.construct}{f', {factory}' if factory else ''})",
        imports=(*made.imports, "import torch", "from torch import nn"),
        code=f"{made.code}\n\n{gate.strip()}\n".lstrip("\n"),
        stateful=True,
    )
