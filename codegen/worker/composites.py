"""What was inserted, as one function: a module, or several that the host's code runs as in `self.eca(self.se(x))`.

Several are never called as one in the variant: when they have all run, what came of them is put together again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import CodeType, SimpleNamespace
from typing import Any

import torch
from torch import nn


class Composite(nn.Module):
    """The modules of a composition, which stay those of the model, run as the host's code runs them."""

    def __init__(self, parts: Mapping[str, nn.Module], running: Sequence[str]) -> None:
        super().__init__()
        for name, part in parts.items():
            self.add_module(name, part)
        *lines, result = running
        self._lines: CodeType = compile("\n".join(lines), "composition", "exec")
        self._result: CodeType = compile(result, "composition", "eval")

    def forward(self, x: Any) -> Any:
        """What the composition makes of a tensor."""
        return evaluated(self, self, x)


def evaluated(composite: Composite, parts: Any, x: Any) -> Any:
    """The statements, which codegen wrote itself, with other things in the place of the modules."""
    scope = {"self": parts, "x": x, "torch": torch}
    exec(composite._lines, scope)  # nosec B102
    return eval(composite._result, scope)  # nosec B307


def parts(inserted: nn.Module) -> list[nn.Module]:
    """The modules that are called in the variant."""
    return [*inserted.children()] if isinstance(inserted, Composite) else [inserted]


def first(inserted: nn.Module) -> nn.Module:
    """The module that runs first: it gets what the whole gets."""
    return parts(inserted)[0]


def watch(inserted: nn.Module, seen: Callable[[Any, Any], None]) -> list[Any]:
    """Hooks that call `seen` with what goes in, as it was then, and what comes out. They are taken off by `remove()`."""
    given: list[Any] = []
    results: dict[str, Any] = {}
    names = [name for name, _ in inserted.named_children()] if isinstance(inserted, Composite) else [""]

    def entering(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        value = next(iter([*args, *kwargs.values()]), None)
        given[:] = [value, value.detach().clone() if isinstance(value, torch.Tensor) else value]
        results.clear()

    def leaving(name: str) -> Callable[..., None]:
        def hook(module: nn.Module, args: Any, output: Any) -> None:
            results[name] = output
            if len(results) == len(names):
                seen(given[1], _result(inserted, given[0], results))
                results.clear()

        return hook

    entered = first(inserted).register_forward_pre_hook(entering, with_kwargs=True)
    return [entered, *(part.register_forward_hook(leaving(name)) for name, part in zip(names, parts(inserted), strict=True))]


def _result(inserted: nn.Module, x: Any, results: Mapping[str, Any]) -> Any:
    """What came of all, from what came of each."""
    if not isinstance(inserted, Composite):
        return results[""]
    replayed = {name: (lambda *_, output=output: output) for name, output in results.items()}
    return evaluated(inserted, SimpleNamespace(**replayed), x)
