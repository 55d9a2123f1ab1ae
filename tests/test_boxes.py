from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stpairs_core import boxes
from stpairs_core.errors import InvalidSpec
from stpairs_core.spec import VolumeShape
from stpairs_core.testing import naive_plan
from stpairs_core.testing.strategies import extents, volume_shapes

EXAMPLES = settings(deadline=None)  # the first call compiles
bands = st.integers(2, 12).flatmap(
    lambda n: st.integers(1, n - 1).flatmap(lambda low: st.tuples(st.just(n), st.just(low), st.integers(low, n - 1)))
)
triples = st.tuples(*[st.integers(-6, 6)] * 3)


def numbers(pair: Any) -> tuple[int, int]:
    return int(pair[0]), int(pair[1])


@EXAMPLES
@given(bands)
def test_a_band_is_enumerated_once_each(band: tuple[int, int, int]) -> None:
    n, low, high = band
    rows, width = high - low + 1, 2 * n - low - high
    arguments = [np.uint64(number) for number in band]
    found = [
        numbers(boxes.in_band(np.uint64(row), np.uint64(place), *arguments))
        for row, place in product(range(rows), range(width))
    ]
    expected = {(a, b) for a, b in product(range(n), range(n)) if low <= abs(a - b) <= high}
    assert len(found) == len(expected) == boxes.band_count(n, low, high)
    assert set(found) == expected
    assert found == list(naive_plan.band(n, low, high))


@EXAMPLES
@given(st.integers(1, 12), st.integers(0, 12))
def test_the_overlapping_are_enumerated_once_each(n: int, high: int) -> None:
    high = min(high, n - 1)
    expected = {(a, b) for a, b in product(range(n), range(n)) if abs(a - b) <= high}
    found = [
        numbers(boxes.overlapping(np.uint64(rank), np.uint64(n), np.uint64(high))) for rank in range(len(expected))
    ]
    assert len(expected) == n + boxes.band_count(n, 1, high)
    assert set(found) == expected


@EXAMPLES
@given(st.data(), volume_shapes)
def test_events_count_what_is_there(data: st.DataObject, shape: VolumeShape) -> None:
    extent = tuple(data.draw(extents(shape, most=1))[0].tolist())
    boundary = data.draw(st.none() | st.integers(shape.frames, shape.frames + 8))
    size = (shape.frames, shape.height, shape.width)
    a, b, c, meeting = boxes.events(extent, shape, boundary)
    pairs = naive_plan.disjoint_pairs(extent, size, boundary)
    apart = [[abs(p - q) >= s for p, q, s in zip(*pair, size, strict=True)].index(True) for pair in pairs]
    assert (a, b, c) == tuple(apart.count(axis) for axis in range(3))
    assert (a, b, c, meeting) == naive_plan.counts(extent, size, boundary)


def test_events_are_exact_for_huge_videos() -> None:
    shape = VolumeShape(16, 112, 112)
    extent = (2**31 - 1, 2**31 - 1, 2**31 - 1)
    starts = [length - size + 1 for length, size in zip(extent, (16, 112, 112), strict=True)]
    assert sum(boxes.events(extent, shape)) == (starts[0] * starts[1] * starts[2]) ** 2


@EXAMPLES
@given(triples, triples, volume_shapes)
def test_disjoint_volumes_share_no_voxel(a: Any, b: Any, shape: VolumeShape) -> None:
    size = (shape.frames, shape.height, shape.width)
    voxels = [set(product(*(range(p, p + s) for p, s in zip(origin, size, strict=True)))) for origin in (a, b)]
    assert bool(boxes.disjoint(a, b, shape)) is not bool(voxels[0] & voxels[1])
    assert naive_plan.meet(a, b, size) is bool(voxels[0] & voxels[1])


def test_disjoint_takes_many_at_once() -> None:
    origins = np.array([[[0, 0, 0], [2, 0, 0]], [[0, 0, 0], [1, 1, 0]], [[5, 0, 0], [5, 2, 0]]], np.int32)
    assert [*np.asarray(boxes.disjoint(origins[:, 0], origins[:, 1], VolumeShape(2, 2, 1)))] == [True, False, True]


def test_disjoint_does_not_wrap_around() -> None:
    close = boxes.disjoint(np.array([0, 0, 0], np.uint8), np.array([1, 0, 0], np.uint8), VolumeShape(2, 2, 2))
    assert close is False
    assert boxes.disjoint(np.array([-(2**31), 0, 0], np.int32), np.array([2**31 - 1, 0, 0], np.int32), VolumeShape())


def test_fits_on_every_axis() -> None:
    sizes = [(16, 112, 112), (15, 112, 112), (16, 111, 112), (16, 112, 111), (100, 500, 500)]
    assert boxes.fits(sizes, VolumeShape()).tolist() == [True, False, False, False, True]
    assert boxes.starts((16, 113, 100), VolumeShape()).tolist() == [1, 2, -11]


@pytest.mark.parametrize("origin", [(0, 0), (0.0, 0.0, 0.0), 3, "abc"])
def test_malformed_origins_are_refused(origin: Any) -> None:
    with pytest.raises(InvalidSpec, match="whole numbers"):
        boxes.disjoint((0, 0, 0), origin, VolumeShape())
