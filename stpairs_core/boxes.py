"""Boxes in time, height and width: which fit, which meet, and all pairs of disjoint ones, by number.

Two volumes are disjoint when they are apart on one axis at least. That is one of three events, no two of which
happen together, so that counting and drawing split over the axes:

    A: apart in t, anywhere in y and x
    B: overlapping in t, apart in y, anywhere in x
    C: overlapping in t and y, apart in x

On an axis with n starts (n = length - size + 1) every case is a band, the ordered pairs of starts (a, b) with
lo <= |a - b| <= hi. For 1 <= lo <= hi < n they are (hi - lo + 1) * (2n - lo - hi) in number: the n - d pairs of
distance d = lo + i, a < b, fill up a row with the pairs of distance lo + hi - d, a > b.

    n = 5, lo = 2, hi = 4          row 0: 02 13 24 | 40       (d = 2, then 4 mirrored)
                                   row 1: 03 14 | 30 41       (d = 3, then 3 mirrored)
                                   row 2: 04 | 20 31 42       (d = 4, then 2 mirrored)

Apart is the band from the size to n - 1. Overlapping is n pairs of equal starts and the band from 1 to size - 1.
"""

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stpairs_core.errors import InvalidSpec
from stpairs_core.jit import kernel
from stpairs_core.spec import VolumeShape


def starts(extents: ArrayLike, shape: VolumeShape) -> NDArray[np.int64]:
    """(..., 3): on how many places a volume can begin on each axis of videos of `extents` (..., 3); 0 or less is none.

    Extents are frames, height and width.
    """
    return _triples("extents", extents) - _size(shape) + 1


def fits(extents: ArrayLike, shape: VolumeShape) -> NDArray[np.bool_]:
    """(...,): whether a volume fits into videos of `extents` (..., 3): frames, height and width."""
    return np.asarray((starts(extents, shape) > 0).all(axis=-1))


def disjoint(origin_a: ArrayLike, origin_b: ArrayLike, shape: VolumeShape) -> bool | NDArray[np.bool_]:
    """Whether two volumes with first voxels (t, y, x) share no voxel, `S1 ∩ S2 = ∅` of Alg. 1.

    For origins of shape (..., 3), an array (...,) of answers.

    >>> disjoint((0, 0, 0), (15, 0, 112), VolumeShape(16, 112, 112))
    True
    """
    distance = np.abs(_triples("origin_a", origin_a) - _triples("origin_b", origin_b))
    apart = (distance >= _size(shape)).any(axis=-1)
    return apart if isinstance(apart, np.ndarray) else bool(apart)


def events(extent: tuple[int, int, int], shape: VolumeShape, boundary: int | None = None) -> tuple[int, int, int, int]:
    """How many ordered pairs of volumes are apart in t, only in y, only in x (events A, B, C), and meet.

    With a boundary, of those that lie within that many frames, end to end. Exact, as Python's whole numbers.

    >>> events((4, 2, 1), VolumeShape(2, 1, 1))
    (8, 14, 0, 14)
    """
    # One tuple of counts an axis: apart, overlapping.
    reaches = (None if boundary is None else boundary - shape.frames, None, None)
    sizes = (shape.frames, shape.height, shape.width)
    t, y, x = (_counts(e - s + 1, s, r) for e, s, r in zip(extent, sizes, reaches, strict=True))
    return t[0] * sum(y) * sum(x), t[1] * y[0] * sum(x), t[1] * y[1] * x[0], t[1] * y[1] * x[1]


def band_count(n: int, low: int, high: int) -> int:
    """How many ordered pairs of n starts are `low` (1 or more) to `high` apart."""
    high = min(high, n - 1)
    return (high - low + 1) * (2 * n - low - high) if low <= high else 0


@kernel
def in_band(row: Any, place: Any, n: Any, low: Any, high: Any) -> Any:
    """The ordered pair of starts at one place of a band's table: `high - low + 1` rows of `2n - low - high` places."""
    ahead = n - low - row
    # Two choices rather than two returns: a branch that nothing foretells would cost more than both.
    first = place if place < ahead else place - ahead + high - row
    second = place + low + row if place < ahead else place - ahead
    return first, second


@kernel
def overlapping(rank: Any, n: Any, high: Any) -> Any:
    """The ordered pair of starts of that rank among those at most `high` apart: the equal ones first."""
    if rank < n:
        return rank, rank
    width = np.uint64(2) * n - np.uint64(1) - high
    row = (rank - n) // width
    return in_band(row, rank - n - row * width, n, np.uint64(1), high)


# A million videos share a few thousand lengths.
@lru_cache(maxsize=1 << 16)
def _counts(n: int, size: int, reach: int | None) -> tuple[int, int]:
    """Ordered pairs of n starts that are apart and that overlap, none of them further than `reach`."""
    if n < 1:
        return 0, 0
    furthest = n - 1 if reach is None else reach
    return band_count(n, size, furthest), n + band_count(n, 1, min(size - 1, furthest))


def _size(shape: VolumeShape) -> NDArray[np.int64]:
    return np.array((shape.frames, shape.height, shape.width), np.int64)


def _triples(name: str, values: ArrayLike) -> NDArray[np.int64]:
    array = np.asarray(values)
    if array.dtype.kind not in "iu" or array.ndim < 1 or array.shape[-1] != 3:
        raise InvalidSpec(f"{name} must be whole numbers of shape (..., 3), not {array.dtype} of shape {array.shape}")
    return array.astype(np.int64)
