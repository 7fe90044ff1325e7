"""The meta device without arithmetic: shapes by rule where torch would run Python kernels. Changes no real tensor."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

# in-place arithmetic, most of it weight initialisation: it changes nothing about a tensor that holds no numbers
IN_PLACE = frozenset(
    """
    add_ bernoulli_ clamp_ constant_ copy_ div_ erfinv_ exponential_ fill_ fill_diagonal_ kaiming_normal_ kaiming_uniform_
    log_ mul_ neg_ normal_ ones_ pow_ random_ sqrt_ sub_ uniform_ zero_ zeros_
    """.split()  # noqa: SIM905
)


def _linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor | None:
    return x.new_empty((*x.shape[:-1], weight.shape[0])) if x.shape[-1] == weight.shape[1] else None


def _layer_norm(x: Tensor, normalized_shape: Any, *_: Any, **__: Any) -> Tensor | None:
    fits = x.shape[x.ndim - len(normalized_shape) :] == tuple(normalized_shape)
    return torch.empty_like(x, memory_format=torch.contiguous_format) if fits else None


def _batch_norm(
    x: Tensor, mean: Any, var: Any, weight: Any, bias: Any, training: bool = False, *_: Any, **__: Any
) -> Tensor | None:
    fits = not training and mean is not None and x.shape[1:2] == mean.shape
    return torch.empty_like(x) if fits else None


def _gelu(x: Tensor, **_: Any) -> Tensor:
    return torch.empty_like(x)


# None as a result: the rule does not fit, torch's own kernel answers (with its own error, where there is one)
RULES: dict[Callable[..., Any], Callable[..., Tensor | None]] = {
    F.linear: _linear,
    F.layer_norm: _layer_norm,
    F.batch_norm: _batch_norm,
    F.gelu: _gelu,
}


class Shortcuts(TorchFunctionMode):
    """While active, the calls of IN_PLACE and RULES on meta tensors cost next to nothing; all others are torch's."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Answer by rule, or hand the call on."""
        kwargs = kwargs or {}
        if getattr(func, "__name__", "") in IN_PLACE:
            target = args[0] if args else kwargs.get("tensor")  # nn.init hands it over by keyword
            if isinstance(target, Tensor) and target.is_meta:
                return target
        rule = RULES.get(func)
        if rule is not None and args and args[0].is_meta:
            result = rule(*args, **kwargs)
            if result is not None:
                return result
        return func(*args, **kwargs)
