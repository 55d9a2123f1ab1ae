"""Hypothesis strategies for the values that the core passes on: sizes of videos, mining specs, miners and plans."""

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
