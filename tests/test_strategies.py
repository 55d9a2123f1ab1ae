"""The strategies reach the edges that they promise, often enough for a test of a hundred examples."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from stpairs_core.materialize import materialize
from stpairs_core.spec import MiningSpec, PairPlan
from stpairs_core.testing import naive
from stpairs_core.testing.strategies import LAYOUTS, extents, laid_out, mining_specs, plans, videos, volumes
from stpairs_core.videos import ArraySource

Volume = NDArray[np.uint8]


def drawn(strategy: st.SearchStrategy[Any], examples: int = 200) -> list[Any]:
    """The examples of one ordinary run."""
    found: list[Any] = []

    @settings(
        max_examples=examples,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def collect(value: Any) -> None:
        found.append(value)

    collect()
    return found


VOLUMES: dict[str, Callable[[Volume], object]] = {
    "one frame": lambda v: len(v) == 1,
    "one pixel": lambda v: v.shape[1:3] == (1, 1),
    "one voxel": lambda v: v.size == 3,
    "one row": lambda v: v.shape[1] == 1 < v.shape[2],
    "one column": lambda v: v.shape[2] == 1 < v.shape[1],
    "odd": lambda v: all(size % 2 and size > 1 for size in v.shape[:3]),
    "even": lambda v: not any(size % 2 for size in v.shape[:3]),
    "black": lambda v: not v.any(),
    "white": lambda v: (v == 255).all(),
    "greys": lambda v: v.size > 3 and (v == v[..., :1]).all() and np.ptp(v) > 0,
    "saturated": lambda v: v.size > 3 and set(v.flat) == {0, 255} and (v != v[..., :1]).any(),
    "still": lambda v: len(v) > 1 and (v == v[:1]).all() and np.ptp(v[0]) > 0,
    "any colours": lambda v: len(set(v.flat)) > 10,
    "read-only": lambda v: not v.flags.writeable,
    "Fortran order": lambda v: v.size > 30 and v.flags.f_contiguous and not v.flags.c_contiguous,
    "negative strides": lambda v: all(stride < 0 for stride in v.strides),
    "gaps": lambda v: v.size > 30 and v.strides[2] == 6,
    "contiguous": lambda v: v.flags.c_contiguous and v.flags.writeable,
}


@pytest.fixture(scope="module")
def many() -> list[Volume]:
    return drawn(volumes())


@pytest.mark.parametrize("edge", VOLUMES)
def test_volumes_reach_every_edge(many: list[Volume], edge: str) -> None:
    assert all(v.dtype == np.uint8 and v.ndim == 4 and v.shape[-1] == 3 for v in many)
    assert sum(bool(VOLUMES[edge](v)) for v in many) >= 2


@pytest.mark.parametrize("layout", LAYOUTS)
def test_another_layout_is_an_equal_array(layout: str) -> None:
    volume = np.arange(2 * 3 * 4 * 3, dtype=np.uint8).reshape(2, 3, 4, 3)
    assert np.array_equal(laid_out(volume, layout), volume)
    assert not np.shares_memory(laid_out(volume, layout), volume)


def test_mining_specs_reach_their_edges() -> None:
    specs: list[MiningSpec] = drawn(mining_specs())
    for field in ("positive_ratio", "recolor_probability", "flip_probability"):
        assert {0.0, 1.0} <= {getattr(spec, field) for spec in specs}
    assert {"h", "sv", "hsv"} == {spec.channels for spec in specs}
    assert any(spec.pairs == 1 for spec in specs)
    assert any(spec.boundary == spec.volume.frames for spec in specs)
    assert any(spec.volume.height == spec.volume.width == 1 for spec in specs)


def test_plans_reach_their_edges() -> None:
    made: list[tuple[PairPlan, NDArray[np.int32]]] = drawn(plans(), 60)
    for label in (1, -1):
        assert any(len(plan) and (plan.label == label).all() for plan, _ in made)
    assert any(plan.flip.any() and plan.recolor.any() for plan, _ in made)
    assert any(not plan.flip.any() and not plan.recolor.any() for plan, _ in made)
    assert any((sizes < [plan.shape.frames, plan.shape.height, plan.shape.width]).any() for plan, sizes in made)


@settings(max_examples=15, deadline=None)
@given(plans().flatmap(lambda made: st.tuples(st.just(made[0]), videos(made[1]))))
def test_videos_fit_their_plans(made: tuple[PairPlan, list[Volume]]) -> None:
    plan, sources = made
    found = materialize(plan, ArraySource(sources)).astype(int)
    assert np.abs(found - naive.materialize(plan, sources)).max(initial=0) <= 1


@settings(max_examples=15, deadline=None)
@given(st.data())
def test_videos_have_the_sizes_asked_for(data: st.DataObject) -> None:
    sizes = data.draw(mining_specs().flatmap(lambda spec: extents(spec.volume)))
    assert [video.shape[:3] for video in data.draw(videos(sizes))] == [tuple(size) for size in sizes.tolist()]
