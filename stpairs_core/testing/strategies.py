"""Hypothesis strategies for the values that the core passes on: volumes, videos, mining specs, miners and plans.

All favour the edges where code breaks: one frame, one pixel, odd sizes, grey, black, saturated, read-only memory.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from hypothesis import assume
from hypothesis import strategies as st
from numpy.typing import NDArray

from stpairs_core.errors import NoPairs
from stpairs_core.plan import PairMiner
from stpairs_core.spec import MiningSpec, PairPlan, VolumeShape

seeds = st.integers(0, 2**64 - 1)
"""Every seed there is."""

volume_shapes = st.builds(VolumeShape, st.integers(1, 4), st.integers(1, 4), st.integers(1, 4))
"""Small volumes."""


edge_shapes = st.one_of(
    st.sampled_from(
        [VolumeShape(*size) for size in ((1, 1, 1), (1, 5, 4), (3, 1, 1), (2, 1, 7), (2, 7, 1), (3, 5, 7))]
    ),
    volume_shapes,
)
"""Small volumes, every other one at an edge: one frame, one pixel, one row, one column, odd on every axis."""

CONTENTS = ("any", "black", "white", "one grey", "greys", "saturated", "one colour", "still")
"""What a volume shows; "still": one frame repeated."""
LAYOUTS = ("C", "Fortran", "negative strides", "gaps", "read-only")
"""How a volume lies in memory."""


def contents(size: tuple[int, int, int], kinds: Sequence[str] = CONTENTS) -> st.SearchStrategy[NDArray[np.uint8]]:
    """uint8 (T, H, W, 3) of that size, C-contiguous: any bytes, or one of the edges of colour."""
    return st.one_of(*(_content(kind, size) for kind in kinds))


def _content(kind: str, size: tuple[int, int, int]) -> st.SearchStrategy[NDArray[np.uint8]]:
    frames, height, width = size
    if kind == "black" or kind == "white":
        return st.builds(np.full, st.just((*size, 3)), st.just(255 * (kind == "white")), st.just(np.uint8))
    shape = {
        "any": (*size, 3),
        "one grey": (1, 1, 1, 1),
        "greys": (*size, 1),
        "saturated": (*size, 3),
        "one colour": (1, 1, 1, 3),
        "still": (min(frames, 1), height, width, 3),
    }[kind]
    count = math.prod(shape)
    numbers = st.binary(min_size=count, max_size=count).map(lambda b: np.frombuffer(b, np.uint8).reshape(shape))
    if kind == "saturated":
        numbers = numbers.map(lambda array: array % 2 * np.uint8(255))
    return numbers.map(lambda array: np.broadcast_to(array, (*size, 3)).copy())


def laid_out(volume: NDArray[np.uint8], layout: str) -> NDArray[np.uint8]:
    """An equal array of any dimensions in another memory layout, one of `LAYOUTS`."""
    backwards = (slice(None, None, -1),) * volume.ndim
    made: dict[str, Callable[[], NDArray[np.uint8]]] = {
        "C": lambda: volume.copy(order="C"),
        "Fortran": lambda: np.asfortranarray(volume),
        "negative strides": lambda: volume[backwards].copy()[backwards],
        "gaps": lambda: np.repeat(volume, 2, axis=-2)[..., ::2, :],
        "read-only": lambda: np.frombuffer(volume.tobytes(), np.uint8).reshape(volume.shape),
    }
    return made[layout]()


@st.composite
def volumes(
    draw: st.DrawFn,
    shapes: st.SearchStrategy[VolumeShape] = edge_shapes,
    kinds: Sequence[str] = CONTENTS,
    layouts: Sequence[str] = LAYOUTS,
) -> NDArray[np.uint8]:
    """One volume, uint8 (T, H, W, 3): of any size, colour and memory layout, the edges of each often."""
    shape = draw(shapes)
    volume = draw(contents((shape.frames, shape.height, shape.width), kinds))
    return laid_out(volume, draw(st.sampled_from(layouts)))


@st.composite
def videos(draw: st.DrawFn, sizes: NDArray[np.int32]) -> list[NDArray[np.uint8]]:
    """One video, uint8 (frames, height, width, 3), for each row of extents (N, 3), in any colour and layout."""
    extents = [(frames, height, width) for frames, height, width in sizes.tolist()]
    return [laid_out(draw(contents(extent)), draw(st.sampled_from(LAYOUTS))) for extent in extents]


@st.composite
def mining_specs(draw: st.DrawFn, shapes: st.SearchStrategy[VolumeShape] = volume_shapes) -> MiningSpec:
    """Every option of a MiningSpec, for small volumes and few pairs."""
    shape = draw(shapes)
    stride = draw(st.sampled_from((1, 1, 2, 3)))
    span = (shape.frames - 1) * stride + 1
    share = st.one_of(st.sampled_from((0.0, 0.3, 0.5, 1.0)), st.floats(0.0, 1.0))
    return MiningSpec(
        volume=shape,
        pairs=draw(st.integers(1, 20)),
        positive_ratio=draw(share),
        augment=draw(st.sampled_from(("both", "negatives"))),
        recolor_probability=draw(share),
        flip_probability=draw(share),
        channels=draw(st.sampled_from(("h", "sv", "hsv"))),
        redraw=draw(st.sampled_from(("volumes", "video"))),
        boundary=draw(st.none() | st.integers(span, span + 8)),
        literal_algorithm1=draw(st.booleans()),
        temporal_stride=stride,
    )


@st.composite
def extents(draw: st.DrawFn, shape: VolumeShape, most: int = 6) -> NDArray[np.int32]:
    """(N, 3): sizes of up to `most` small videos, some of them too small for the volume."""
    sizes = (shape.frames, shape.height, shape.width)
    one = st.tuples(*(st.integers(max(size - 1, 0), size + 6) for size in sizes))
    return np.array(draw(st.lists(one, min_size=1, max_size=most)), np.int32)


def groups_of(videos: int) -> st.SearchStrategy[list[Any] | None]:
    """No groups, or one for each video: names, numbers, and none."""
    one = st.sampled_from((None, -1, 0, 1, "g01", "g02"))
    return st.none() | st.lists(one, min_size=videos, max_size=videos)


@st.composite
def miners(draw: st.DrawFn) -> tuple[PairMiner, NDArray[np.int32], list[Any] | None]:
    """A miner that can mine, the extents of its videos and their groups."""
    spec = draw(mining_specs())
    sizes = draw(extents(spec.span))
    groups = draw(groups_of(len(sizes)))
    try:
        return PairMiner(sizes, spec, draw(seeds), groups), sizes, groups
    except NoPairs:
        assume(False)
        raise


@st.composite
def plans(draw: st.DrawFn) -> tuple[PairPlan, NDArray[np.int32]]:
    """A plan and the extents of the videos that it is for."""
    miner, sizes, _ = draw(miners())
    return miner.plan(draw(st.integers(0, 1000))), sizes
