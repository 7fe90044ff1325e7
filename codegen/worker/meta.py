"""The meta device without arithmetic: shapes by rule where torch would run Python kernels. Changes no real tensor.

Those kernels are slow, and the first of them makes torch import its compiler, which takes longer than a whole trace.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import zip_longest
from math import prod
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

# in-place arithmetic, most of it weight initialisation: it changes nothing about a tensor that holds no numbers
IN_PLACE = frozenset(
    """
    add_ bernoulli_ clamp_ constant_ copy_ div_ erfinv_ exponential_ fill_ fill_diagonal_ kaiming_normal_ kaiming_uniform_
    log_ mul_ neg_ normal_ ones_ pow_ random_ sqrt_ sub_ uniform_ zero_ zeros_
    """.split()  # noqa: SIM905
)
# one float tensor in, one of the same shape and order of dims out
POINTWISE = """
    relu relu6 gelu silu sigmoid tanh hardswish hardsigmoid hardtanh mish leaky_relu elu softplus exp softmax log_softmax
    """.split()  # noqa: SIM905
ARITHMETIC = "add sub mul div truediv __radd__ __rmul__ __rsub__ __rtruediv__".split()  # noqa: SIM905
Rule = Callable[..., "Tensor | tuple[Tensor, ...] | None"]


def _empty(shape: Sequence[int], like: Tensor) -> Tensor:
    return torch.empty(shape, dtype=like.dtype, device="meta")


def _ordered(shape: Sequence[int], like: Tensor) -> Tensor:
    """Dense, with the dims in memory in the order of `like`, as arithmetic leaves them."""
    if tuple(shape) != tuple(like.shape) or like.is_contiguous() or 0 in like.stride():
        return _empty(shape, like)
    strides, step = [0] * len(shape), 1
    for dim in sorted(range(len(shape)), key=lambda d: (like.stride(d), -d)):
        strides[dim], step = step, step * max(1, shape[dim])
    return torch.empty_strided(shape, strides, dtype=like.dtype, device="meta")


def _pointwise(x: Tensor, *more: Any, **options: Any) -> Tensor | None:
    if options.get("inplace") or any(value is True for value in more):
        return None
    return _ordered(x.shape, x) if x.is_floating_point() and options.get("dtype") is None else None


def _arithmetic(a: Tensor, b: Any, **options: Any) -> Tensor | None:
    if isinstance(b, (int, float)) and a.is_floating_point() and not options:
        return _ordered(a.shape, a)
    if not isinstance(b, Tensor) or options or a.dtype != b.dtype or not (a.is_meta and b.is_meta and a.is_floating_point()):
        return None
    pairs = list(zip_longest(a.shape[::-1], b.shape[::-1], fillvalue=1))
    if any(m != n and 1 not in (m, n) for m, n in pairs):
        return None
    shape = [n if m == 1 else m for m, n in pairs[::-1]]
    return _ordered(shape, b if tuple(a.shape) != tuple(shape) else a)


def _linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor | None:
    return _empty((*x.shape[:-1], weight.shape[0]), x) if x.shape[-1] == weight.shape[1] else None


def _matmul(a: Tensor, b: Tensor) -> Tensor | None:
    fits = a.ndim == b.ndim >= 2 and a.shape[:-2] == b.shape[:-2] and a.shape[-1] == b.shape[-2]
    return _empty((*a.shape[:-1], b.shape[-1]), a) if fits else None


def _conv(x: Tensor, weight: Tensor, *given: Any, **options: Any) -> Tensor | None:
    count = weight.ndim - 2
    options |= dict(zip(("bias", "stride", "padding", "dilation", "groups"), given, strict=False))
    stride, padding, dilation = options.get("stride", 1), options.get("padding", 0), options.get("dilation", 1)
    fits = x.ndim == weight.ndim and x.shape[1] == weight.shape[1] * options.get("groups", 1)
    if isinstance(padding, str) or not fits:
        return None
    sides = [v if isinstance(v, (tuple, list)) else (v,) * count for v in (stride, padding, dilation)]
    if any(len(side) != count for side in sides):
        return None
    sizes = zip(x.shape[2:], weight.shape[2:], *sides, strict=True)
    found = [(size + 2 * p - d * (kernel - 1) - 1) // s + 1 for size, kernel, s, p, d in sizes]
    return _empty((x.shape[0], weight.shape[0], *found), x) if min(found) > 0 else None


def _layer_norm(x: Tensor, normalized_shape: Any, *_: Any, **__: Any) -> Tensor | None:
    fits = x.shape[x.ndim - len(normalized_shape) :] == tuple(normalized_shape)
    return _empty(x.shape, x) if fits else None


def _batch_norm(
    x: Tensor, mean: Any, var: Any, weight: Any, bias: Any, training: bool = False, *_: Any, **__: Any
) -> Tensor | None:
    if mean is None:  # StdConv2d normalises its weights so
        fits = var is None and training and x.ndim > 1 and x.numel() > x.shape[1]
    else:
        fits = not training and x.shape[1:2] == mean.shape
    return _ordered(x.shape, x) if fits else None


def _group_norm(x: Tensor, num_groups: int, *_: Any, **__: Any) -> Tensor | None:
    fits = x.ndim > 1 and x.shape[1] % num_groups == 0 and x.is_contiguous() and x.numel() // x.shape[0] > num_groups
    return _empty(x.shape, x) if fits else None


def _cat(tensors: Sequence[Tensor], dim: int = 0) -> Tensor | None:
    shapes = [list(t.shape) for t in tensors]
    alike = len({t.dtype for t in tensors}) == 1 and len({len(shape) for shape in shapes}) == 1
    if not alike or not all(t.is_meta and (t.is_contiguous() or t.ndim < 4) for t in tensors):
        return None
    size = sum(shape.pop(dim) for shape in shapes)
    if any(shape != shapes[0] for shape in shapes):
        return None
    shapes[0].insert(dim % (len(shapes[0]) + 1), size)
    return _empty(shapes[0], tensors[0])


def _reshape(x: Tensor, *shape: Any) -> Tensor | None:
    sizes = list(shape[0]) if shape and isinstance(shape[0], (tuple, list)) else [*shape]
    try:
        return x.view(sizes)
    except RuntimeError:  # a copy, or an error
        known = prod(size for size in sizes if size != -1)
    if sizes.count(-1) > 1 or known == 0 or x.numel() % known:
        return None
    full = [x.numel() // known if size == -1 else size for size in sizes]
    return _empty(full, x) if prod(full) == x.numel() else None


def _contiguous(x: Tensor, **options: Any) -> Tensor | None:
    return None if options else x if x.is_contiguous() else _empty(x.shape, x)


def _mean(x: Tensor, dim: Any = None, keepdim: bool = False, **options: Any) -> Tensor | None:
    if dim is None or options or not x.is_floating_point():
        return None
    dims = dim if isinstance(dim, (tuple, list)) else (dim,)
    if not dims or not all(-x.ndim <= d < x.ndim for d in dims):
        return None
    gone = {d % x.ndim for d in dims}
    return _empty([1 if d in gone else n for d, n in enumerate(x.shape) if keepdim or d not in gone], x)


def _attention(q: Tensor, k: Tensor, v: Tensor, attn_mask: Any = None, *_: Any, **__: Any) -> Tensor | None:
    fits = q.ndim == k.ndim == v.ndim == 4 and q.shape[:2] == k.shape[:2] == v.shape[:2] and q.shape[-1] == k.shape[-1]
    if attn_mask is not None:  # it is added to (N, heads, L, S)
        pairs = zip(attn_mask.shape[::-1], (*q.shape[:-1], k.shape[-2])[::-1], strict=False)
        fits = fits and attn_mask.ndim <= 4 and all(size in (1, whole) for size, whole in pairs)
    return _empty((*q.shape[:-1], v.shape[-1]), q) if fits and k.shape[-2] == v.shape[-2] else None


def _interpolate(
    x: Tensor, size: Any = None, scale_factor: Any = None, mode: str = "nearest", *given: Any, **options: Any
) -> Tensor | None:
    count = x.ndim - 2
    wanted = scale_factor if size is None else size
    parts = list(wanted) if isinstance(wanted, (tuple, list)) else [wanted] * count
    dims = {"linear": 1, "bilinear": 2, "bicubic": 2, "trilinear": 3}.get(mode, count if mode.startswith("nearest") else 0)
    fits = count in (1, 2, 3) and dims == count == len(parts) and x.is_floating_point() and x.is_contiguous()
    if not fits or (size is None) == (scale_factor is None) or not all(isinstance(part, (int, float)) for part in parts):
        return None
    sizes = [int(part if size is not None else n * part) for n, part in zip(x.shape[2:], parts, strict=True)]
    return _empty((*x.shape[:2], *sizes), x) if min(sizes) > 0 else None


def _recurrent(x: Tensor, state: Any, weights: Any, bias: Any, *given: Any) -> tuple[Tensor, ...] | None:
    """(output, last hidden state, and of an LSTM its last cell state) of a batch; a packed sequence is torch's own."""
    states = state if isinstance(state, (tuple, list)) else (state,)
    if len(given) != 5 or x.ndim != 3 or not isinstance(weights, (tuple, list)):
        return None
    _, _, _, both, batch_first = given
    rows, columns = (x.shape[1], x.shape[0]) if batch_first else x.shape[:2]
    output = _empty((rows, columns, states[0].shape[-1] * (2 if both else 1)), x)
    return (output.transpose(0, 1) if batch_first else output, *(_empty(s.shape, s) for s in states))


# by the names of torch's functions; None as a result: the rule does not fit, torch's own kernel answers (or complains)
RULES: dict[str, Rule] = {
    "linear": _linear,
    "matmul": _matmul,
    "conv1d": _conv,
    "conv2d": _conv,
    "conv3d": _conv,
    "layer_norm": _layer_norm,
    "batch_norm": _batch_norm,
    "group_norm": _group_norm,
    "cat": _cat,
    "reshape": _reshape,
    "contiguous": _contiguous,
    "mean": _mean,
    "scaled_dot_product_attention": _attention,
    "interpolate": _interpolate,
    **dict.fromkeys(("lstm", "gru", "rnn_tanh", "rnn_relu"), _recurrent),
    **dict.fromkeys(POINTWISE, _pointwise),
    **dict.fromkeys(ARITHMETIC, _arithmetic),
}


class Shortcuts(TorchFunctionMode):
    """While active, the calls of IN_PLACE and RULES on meta tensors cost next to nothing; all others are torch's."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Answer by rule, or hand the call on."""
        kwargs = kwargs or {}
        name = getattr(func, "__name__", "")
        if name in IN_PLACE:
            target = args[0] if args else kwargs.get("tensor")  # nn.init hands it over by keyword
            if isinstance(target, Tensor) and target.is_meta:
                torch.autograd.graph.increment_version(target)  # it counts as changed
                return target
        rule = RULES.get(name)
        if rule is not None and args and _is_meta(args[0]):
            result = rule(*args, **kwargs)
            if result is not None:
                return result
        return func(*args, **kwargs)


def _is_meta(first: Any) -> bool:
    one = first[0] if isinstance(first, (tuple, list)) and first else first
    return isinstance(one, Tensor) and one.is_meta
