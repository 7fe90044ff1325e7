"""What the dims of a tensor mean, found from its shapes at several batch and image sizes. Never looks at code."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from codegen.traced import Layout

Shape = tuple[int, ...]
STRIDES = (1, 2, 4, 7, 8, 14, 16, 28, 32, 64)


@dataclass(frozen=True)
class Sample:
    """The shape of one tensor in a run at this batch and image size (rows, columns)."""

    batch: int | None  # None where the input is an expression of the user's, whose batch is its own
    image: tuple[int, int] | None
    shape: Shape


def one_sequence(samples: Sequence[Sample]) -> bool:
    """Whether a sample's tokens are one sequence, not one for each of its frames."""
    return all(s.shape[0] == s.batch for s in samples)


def channels(layout: Layout, shape: Shape) -> int | None:
    """The width of a tensor in this layout."""
    dim = layout.channel_dim
    return shape[dim] if dim is not None and dim < len(shape) else None


def of_width(shape: Shape, dim: int, usual: Shape) -> bool:
    """Whether a tensor has the channels of the usual one, whose channel dim is `dim`: of another rank, first or last."""
    channels = usual[dim]
    return shape[dim] == channels if len(shape) == len(usual) else channels in (shape[1:2] + shape[-1:])


def same_order(layout: Layout, one: Shape, other: Shape) -> bool:
    """Whether two maps have their channels in the same place, as far as their rows and columns show it; others as many dims."""
    if layout.kind not in ("NCHW", "NHWC"):
        return len(one) == len(other)
    here, there = (slice(2, 4), slice(1, 3)) if layout.kind == "NCHW" else (slice(1, 3), slice(2, 4))
    return len(one) == len(other) == 4 and (one[here] == other[here] or one[here] != other[there])


def infer(samples: Sequence[Sample]) -> Layout:
    """The layout of a tensor from its shapes; `Layout("")` where they do not tell.

    The dim that follows the batch is N, dims that follow the image's rows and columns are H and W, a dim that follows
    their product is L, and a dim that never moves is C.
    """
    if not samples:
        return Layout("")
    first = samples[0].shape
    rank = len(first)
    if any(len(s.shape) != rank for s in samples):
        return Layout("")
    if any(s.batch is not None and s.shape[:1] != (s.batch,) for s in samples):
        return _windows(samples)
    moving = tuple(d for d in range(1, rank) if len({s.shape[d] for s in samples}) > 1)
    if rank == 2 and not moving:
        return Layout("NC")
    if rank == 3 and 2 not in moving:
        prefix, grid = tokens(samples)
        return Layout("NLC", prefix, grid)
    if rank == 3 and moving == (2,):
        return Layout("NCL")
    if rank == 4:
        kind = _map_kind(first, moving, _image_moves(samples))
        if kind and all(_like_image(s, kind) for s in samples):
            return Layout(kind)
        return Layout(kind) if (kind := _rounded(samples, moving)) else _positions(samples, moving)
    if rank == 5:
        return Layout(_volume_kind(first, moving, _image_moves(samples)))
    return Layout("")


def _volume_kind(shape: Shape, moving: tuple[int, ...], image: tuple[int, ...]) -> str:
    """A clip or a volume, whose rows and columns follow the image; a pooled one is all ones but for its channels."""
    if moving:
        kinds = {tuple(d + 3 for d in image): "NCDHW", tuple(d + 2 for d in image): "NDHWC"}
        return kinds.get(moving, "")
    if shape[2:] == (1, 1, 1) or shape[1:4] == (1, 1, 1):
        return "NCDHW" if shape[2:] == (1, 1, 1) else "NDHWC"
    # one image size: equal dims are its rows and columns
    return "" if image else "NCDHW" if shape[3] == shape[4] else "NDHWC" if shape[2] == shape[3] else ""


def _positions(samples: Sequence[Sample], moving: tuple[int, ...]) -> Layout:
    """Four dims, two of them positions that are no rows and columns: heads and tokens, windows and tokens, tokens twice.

    The channels are a dim that never moves: the last one, or the first one where the two behind it are alike.
    """
    if not moving and len({s.image for s in samples}) == 1:
        return Layout("")  # one size shows nothing
    alike = all(s.shape[2] == s.shape[3] for s in samples)
    if 3 not in moving and not (alike and 1 not in moving):
        return Layout("NXXC")
    return Layout("NCXX" if 1 not in moving else "")


def _windows(samples: Sequence[Sample]) -> Layout:
    """(N * windows, L, C): each sample is cut into windows of tokens or pieces of a map, whose number may follow the image.

    Where the number never moves and the rest follows the image, they are whole images: two of a pair, `torch.cat([a, b])`.
    """
    rank = len(samples[0].shape)
    if any(not s.batch or s.shape[0] % s.batch for s in samples):
        return Layout("")
    windows = {(s.image, s.shape[0] // (s.batch or 1)) for s in samples}
    if len(windows) != len({s.image for s in samples}) or len({s.batch for s in samples}) == 1:
        return Layout("")
    moving = tuple(d for d in range(1, rank) if len({s.shape[d] for s in samples}) > 1)
    stacked = len({number for _, number in windows}) == 1 and bool(moving)
    if rank == 3:
        return Layout("NLC", *tokens(samples) if stacked and moving == (1,) else ()) if 2 not in moving else Layout("")
    kind = _map_kind(samples[0].shape, moving, _image_moves(samples)) if stacked and rank == 4 else ""
    if kind and all(_like_image(s, kind) for s in samples):
        return Layout(kind)
    return _positions(samples, moving) if rank == 4 else Layout("")


def _image_moves(samples: Sequence[Sample]) -> tuple[int, ...]:
    """(0, 1) where the runs differ in rows and columns, (0,) where in rows only."""
    images = [s.image for s in samples if s.image is not None]
    return tuple(d for d in (0, 1) if len({image[d] for image in images}) > 1)


def _like_image(sample: Sample, kind: str) -> bool:
    """Whether a map is taller than wide where the image is: an attention matrix (N, heads, L, L) is not."""
    if sample.image is None or kind not in ("NCHW", "NHWC"):
        return True
    rows, columns = sample.shape[2:4] if kind == "NCHW" else sample.shape[1:3]
    if sample.image[0] == sample.image[1] or rows * columns <= 16:
        return True
    return (rows > columns) == (sample.image[0] > sample.image[1]) and rows != columns


def _map_kind(shape: Shape, moving: tuple[int, ...], image: tuple[int, ...]) -> str:
    if moving:
        # (N, heads, L, d) moves in one dim where the image moves in two: no map
        kinds = {tuple(d + 2 for d in image): "NCHW", tuple(d + 1 for d in image): "NHWC"}
        return kinds.get(moving, "")
    # nothing moved (one image size, or a pooled map): equal dims are space; a 1 x 1 map can be told by its ones
    if shape[2] == shape[3]:
        return "NCHW"
    return "NHWC" if shape[1] == shape[2] else ""


def _rounded(samples: Sequence[Sample], moving: tuple[int, ...]) -> str:
    """The kind of a map so small that only its rows (or its columns) move where the image moves in both: at stride 64 an
    image of 96 x 64 gives 1 x 1, one of 160 x 96 gives 2 x 1. "" for other tensors.
    """
    if len(moving) != 1 or _image_moves(samples) != (0, 1):
        return ""
    for kind, space in (("NCHW", (2, 3)), ("NHWC", (1, 2))):
        if moving[0] in space and any(all(_at_stride(s, space, stride) for s in samples) for stride in range(1, 257)):
            return kind
    return ""


def _at_stride(sample: Sample, space: tuple[int, int], stride: int) -> bool:
    """Whether two dims are the image's rows and columns at a stride, rounded up or down."""
    sides = zip(sample.image or (), space, strict=True)
    return all(sample.shape[dim] in (side // stride, -(-side // stride)) for side, dim in sides)


def tokens(samples: Sequence[Sample]) -> tuple[int, tuple[int, int] | None]:
    """(prefix, grid) of L = rows/s * columns/s + prefix, the same stride s and prefix in every run."""
    sized = [s for s in samples if s.image is not None]
    if not sized or not all(s.image for s in sized):
        return 0, None
    fits: list[tuple[int, tuple[int, int]]] = []
    for stride in STRIDES:
        prefixes = set()
        for sample in sized:
            rows, columns = sample.image or (0, 0)
            prefixes.add(sample.shape[1] - (rows // stride) * (columns // stride))
        if len(prefixes) == 1 and 0 <= (prefix := prefixes.pop()) <= 64:
            rows, columns = sized[0].image or (0, 0)
            if rows // stride and columns // stride:
                fits.append((prefix, (rows // stride, columns // stride)))
    return min(fits) if fits else (0, None)
