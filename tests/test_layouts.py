"""What the dims of a tensor mean, from shapes alone: maps, tokens with a prefix, vectors, and what is none of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

pytest.importorskip("torch")

from codegen.traced import Layout  # noqa: E402
from codegen.worker.layouts import Sample, Shape, channels, infer, of_width, one_sequence  # noqa: E402

ShapeAt = Callable[[int, int, int], Shape]  # (batch, rows, columns) -> shape
Runs = Sequence[tuple[int, int, int]]

RUNS: Runs = ((2, 224, 224), (2, 96, 64), (3, 96, 64))
LONG: Runs = ((2, 96, 64), (3, 96, 64), (2, 160, 96))
ROWS_ONLY: Runs = ((2, 64, 64), (3, 128, 64))
ONE_SIZE: Runs = ((2, 224, 224), (3, 224, 224))


def inferred(shape: ShapeAt, runs: Runs = RUNS) -> Layout:
    return infer([Sample(batch, (rows, columns), shape(batch, rows, columns)) for batch, rows, columns in runs])


def tokens(prefix: int, stride: int = 16) -> ShapeAt:
    return lambda n, h, w: (n, (h // stride) * (w // stride) + prefix, 192)


@pytest.mark.parametrize("runs", [RUNS, LONG, ROWS_ONLY, ONE_SIZE])
@pytest.mark.parametrize(
    ("shape", "kind"),
    [
        pytest.param(lambda n, h, w: (n, 64, h // 4, w // 4), "NCHW", id="map"),
        pytest.param(lambda n, h, w: (n, h // 4, w // 4, 64), "NHWC", id="channels last"),
        pytest.param(lambda n, h, w: (n, 64, 1, 1), "NCHW", id="pooled map"),
        pytest.param(lambda n, h, w: (n, 1, 1, 64), "NHWC", id="pooled channels last"),
        pytest.param(lambda n, h, w: (n, 64), "NC", id="vector"),
        pytest.param(lambda n, h, w: (n,), "", id="one number a sample"),
        pytest.param(lambda n, h, w: (n, 64, 1, 1, 1), "NCDHW", id="pooled clip"),
        pytest.param(lambda n, h, w: (h * w, n, 64), "", id="batch second"),
        pytest.param(lambda n, h, w: (n * h * w // 64, 64, 96), "NLC", id="windows in the batch"),
        pytest.param(lambda n, h, w: (n, 64) if n == 2 else (n, 64, 1), "", id="ranks differ"),
    ],
)
def test_the_kind(shape: ShapeAt, kind: str, runs: Runs) -> None:
    assert inferred(shape, runs).kind == kind


@pytest.mark.parametrize(
    ("shape", "kind"),
    [
        pytest.param(lambda n, h, w: (n, 448, h // 64, w // 64), "NCHW", id="of which only the rows move"),
        pytest.param(lambda n, h, w: (n, h // 64, w // 64, 448), "NHWC", id="channels last"),
        pytest.param(lambda n, h, w: (n, 448, -(-h // 64), -(-w // 64)), "NCHW", id="rounded up"),
        pytest.param(lambda n, h, w: (n, 4, h // 64 * (w // 64), 16), "NXXC", id="heads of as many tokens"),
    ],
)
def test_a_map_of_a_few_pixels(shape: ShapeAt, kind: str) -> None:
    assert inferred(shape, LONG).kind == kind


@pytest.mark.parametrize("runs", [RUNS, LONG])
@pytest.mark.parametrize(
    "shape",
    [
        pytest.param(lambda n, h, w: (n, h * w), id="flattened"),
    ],
)
def test_what_moves_otherwise_than_an_image_is_no_map(shape: ShapeAt, runs: Runs) -> None:
    assert inferred(shape, runs) == Layout("")


@pytest.mark.parametrize("runs", [RUNS, LONG])
@pytest.mark.parametrize(
    ("shape", "kind"),
    [
        pytest.param(lambda n, h, w: (n, 3, h * w // 256, 64), "NXXC", id="heads of queries"),
        pytest.param(lambda n, h, w: (n, h * w // 256, 3, 64), "NXXC", id="heads after the tokens"),
        pytest.param(lambda n, h, w: (n, 3, h * w // 256, h * w // 256), "NCXX", id="attention weights"),
        pytest.param(lambda n, h, w: (n * h * w // 64, 3, 49, 49), "NCXX", id="attention weights in windows"),
    ],
)
def test_positions_that_are_no_rows_and_columns(shape: ShapeAt, kind: str, runs: Runs) -> None:
    assert inferred(shape, runs).kind == kind


@pytest.mark.parametrize("runs", [RUNS, LONG])
@pytest.mark.parametrize(
    ("shape", "kind"),
    [
        pytest.param(lambda n, h, w: (2 * n, 32, h // 4, w // 4), "NCHW", id="maps"),
        pytest.param(lambda n, h, w: (2 * n, h // 4, w // 4, 32), "NHWC", id="maps, channels last"),
        pytest.param(lambda n, h, w: (2 * n, h * w // 256, 32), "NLC", id="tokens"),
    ],
)
def test_pairs_of_images_in_one_batch(shape: ShapeAt, kind: str, runs: Runs) -> None:
    found = inferred(shape, runs)
    assert found.kind == kind and (found.grid is not None) == (kind == "NLC")


def test_a_tensor_of_another_rank_has_the_width_first_or_last() -> None:
    tokens, logits = (2, 196, 384), (2, 10)
    assert of_width((2, 14, 14, 384), 2, tokens) and not of_width((2, 14, 14, 192), 2, tokens)
    assert not of_width((2, 512, 1, 1), 1, logits) and not of_width((2, 512), 1, logits) and of_width((4, 10), 1, logits)


@pytest.mark.parametrize("runs", [RUNS, LONG, ROWS_ONLY])
def test_channels_before_the_tokens(runs: Runs) -> None:
    assert inferred(lambda n, h, w: (n, 64, h * w // 256), runs) == Layout("NCL")


@pytest.mark.parametrize("runs", [RUNS, LONG, ROWS_ONLY])
def test_clips_and_volumes(runs: Runs) -> None:
    assert inferred(lambda n, h, w: (n, 64, 8, h // 16, w // 16), runs).kind == "NCDHW"
    assert inferred(lambda n, h, w: (n, 8, h // 16, w // 16, 64), runs).kind == "NDHWC"
    assert inferred(lambda n, h, w: (n, h, w, 3, 2), runs).kind == ""
    assert inferred(lambda n, h, w: (n, 6, 64, 9, 9), runs).kind == ""


def test_clips_of_one_size_are_told_by_their_equal_dims() -> None:
    assert inferred(lambda n, h, w: (n, 96, 8, 56, 56), ONE_SIZE).kind == "NCDHW"
    assert inferred(lambda n, h, w: (n, 8, 56, 56, 96), ONE_SIZE).kind == "NDHWC"
    assert inferred(lambda n, h, w: (n, 8, 7, 6, 5), ONE_SIZE).kind == ""


@pytest.mark.parametrize("prefix", [0, 1, 2, 5])
@pytest.mark.parametrize(
    ("runs", "stride", "grid"),
    [(RUNS, 16, (14, 14)), (LONG, 16, (6, 4)), (LONG, 8, (12, 8)), (RUNS, 32, (7, 7)), (ROWS_ONLY, 4, (16, 16))],
)
def test_tokens_have_a_prefix_and_a_grid(prefix: int, runs: Runs, stride: int, grid: tuple[int, int]) -> None:
    assert inferred(tokens(prefix, stride), runs) == Layout("NLC", prefix, grid)


def test_the_grid_is_that_of_the_first_run() -> None:
    assert inferred(tokens(1), tuple(reversed(RUNS))).grid == (6, 4)


def test_tokens_that_follow_no_grid_have_none() -> None:
    assert inferred(lambda n, h, w: (n, 100, 64)) == Layout("NLC", 0, None)
    assert infer([Sample(2, None, (2, 16, 64)), Sample(3, None, (3, 16, 64))]) == Layout("NLC", 0, None)


def test_tokens_of_all_frames_are_one_sequence_and_those_of_each_frame_are_not() -> None:
    assert one_sequence([Sample(2, (64, 64), (2, 64, 32)), Sample(3, (64, 64), (3, 64, 32))])  # 4 frames of 4 x 4 tokens
    assert not one_sequence([Sample(2, (64, 64), (8, 16, 32)), Sample(3, (64, 64), (12, 16, 32))])


def test_maps_of_one_size_are_told_by_their_equal_dims() -> None:
    assert inferred(lambda n, h, w: (n, 56, 56, 56), ONE_SIZE).kind == "NCHW"
    assert inferred(lambda n, h, w: (n, 7, 8, 9), ONE_SIZE) == Layout("")


def test_nothing_seen_tells_nothing() -> None:
    assert infer([]) == Layout("")


@pytest.mark.parametrize(
    ("kind", "shape", "width"),
    [
        ("NCHW", (2, 64, 7, 5), 64),
        ("NHWC", (2, 7, 5, 64), 64),
        ("NLC", (2, 35, 64), 64),
        ("NC", (2, 64), 64),
        ("NHWC", (2, 64), None),
        ("", (2, 64, 7, 7), None),
    ],
)
def test_channels(kind: str, shape: Shape, width: int | None) -> None:
    assert channels(Layout(kind), shape) == width


def test_an_expression_for_the_input_keeps_its_own_batch() -> None:
    runs = [Sample(None, None, (2, 8, 16, 16)), Sample(None, None, (2, 8, 16, 16))]
    assert infer(runs) == Layout("NCHW")
