"""The held-out share: no video, and no group, on both sides, and both sides of use."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from stpairs_core.errors import InvalidSpec
from stpairs_core.plan import PairMiner
from stpairs_core.protocols import Learner
from stpairs_core.spec import MiningSpec, TrainSpec, VolumeShape
from stpairs_core.train.held_out import HeldOutPairs, Mined, split_videos
from stpairs_numpy import backend
from stpairs_numpy.worlds import SPEC, colour_world

VOLUME = VolumeShape(4, 6, 6)
# Too short for a volume, long enough for one, for two; wide enough for two.
SIZES = st.sampled_from([(3, 9, 9), (4, 6, 6), (7, 9, 9), (8, 6, 6), (30, 9, 9), (4, 6, 12)])


def spec(share: float = 0.3, seed: int = 0) -> TrainSpec:
    return TrainSpec(mining=MiningSpec(VOLUME), held_out=share, seed=seed)


@st.composite
def worlds(draw: st.DrawFn) -> tuple[NDArray[np.int32], list[str | int | None] | None]:
    extents = draw(st.lists(SIZES, min_size=1, max_size=25))
    names = st.sampled_from(["a", "b", "c", "d", "e", None, -1])
    groups = draw(st.none() | st.lists(names, min_size=len(extents), max_size=len(extents)))
    return np.array(extents, np.int32), groups


@given(world=worlds(), share=st.floats(0.01, 0.9), seed=st.integers(0, 99))
@settings(deadline=None)
def test_both_sides_can_be_mined_and_share_no_group(world: Any, share: float, seed: int) -> None:
    extents, groups = world
    split = split_videos(extents, spec(share, seed), groups)
    assert sorted([*split.train, *split.held_out]) == list(range(len(extents)))
    if not len(split.held_out):
        assert split.note
        return
    assert split.note is None
    for side in (split.train, split.held_out):
        mining = MiningSpec(VOLUME, positive_ratio=0.5)
        PairMiner(extents[side], mining, 0, None if groups is None else [groups[video] for video in side])
    if groups is not None:
        inside, outside = ({groups[video] for video in side} - {None, -1} for side in (split.train, split.held_out))
        assert not inside & outside


@given(count=st.integers(4, 60), share=st.floats(0.01, 0.5), seed=st.integers(0, 99))
@settings(deadline=None)
def test_the_share_is_kept(count: int, share: float, seed: int) -> None:
    extents = np.full((count, 3), 20, np.int32)
    split = split_videos(extents, spec(share, seed))
    assert len(split.held_out) == max(2, int(share * count + 0.5))


def test_the_split_is_a_function_of_seed_and_sizes_alone() -> None:
    extents = np.full((40, 3), 20, np.int32)
    splits = [split_videos(extents, spec(seed=seed)).held_out.tolist() for seed in range(20)]
    assert splits == [
        split_videos(extents.copy(), replace(spec(seed=seed), steps=9)).held_out.tolist() for seed in range(20)
    ]
    assert len({tuple(split) for split in splits}) == 20
    often = np.bincount(np.concatenate(splits), minlength=40)
    assert often.min() >= 1
    assert often.max() <= 16


@pytest.mark.parametrize("count", [0, 1, 2, 3])
def test_too_few_videos_are_not_split(count: int) -> None:
    split = split_videos(np.full((count, 3), 20, np.int32), spec())
    assert split.train.tolist() == list(range(count))
    assert split.note is not None
    assert "too few videos hold two disjoint volumes of 4x6x6" in split.note


def test_one_group_is_not_split() -> None:
    split = split_videos(np.full((9, 3), 20, np.int32), spec(), ["one"] * 9)
    assert split.note is not None
    assert "too few groups" in split.note


@pytest.mark.parametrize("alone", [None, -1])
def test_videos_of_no_group_are_split_one_by_one(alone: int | None) -> None:
    extents = np.full((20, 3), 20, np.int32)
    split = split_videos(extents, spec(), [alone] * 20)
    assert split.held_out.tolist() == split_videos(extents, spec()).held_out.tolist()


def test_no_share_is_no_note() -> None:
    split = split_videos(np.full((9, 3), 20, np.int32), spec(0.0))
    assert (len(split.train), len(split.held_out), split.note) == (9, 0, None)


def test_groups_of_another_length_are_refused() -> None:
    with pytest.raises(InvalidSpec, match="each of the 9 videos, not 8"):
        split_videos(np.full((9, 3), 20, np.int32), spec(), ["one"] * 8)


def test_many_videos_are_split_quickly() -> None:
    extents = np.full((200_000, 3), 20, np.int32)
    assert len(split_videos(extents, spec(0.1)).held_out) == 20_000


def test_plans_name_the_videos_of_the_whole_source() -> None:
    videos = np.array([1, 4, 7, 20])
    mined = Mined(colour_world(), videos, SPEC.mining, 0, None)
    seen = set(np.concatenate([mined.plan(step).video.reshape(-1) for step in range(20)]).tolist())
    assert seen == set(videos.tolist())


class Spy:
    """Sees what a learner is asked to score."""

    def __init__(self, learner: Learner) -> None:
        self.learner, self.asked = learner, list[NDArray[np.uint8]]()

    def score(self, volumes: NDArray[np.uint8]) -> NDArray[np.float32]:
        self.asked.append(volumes.copy())
        return self.learner.score(volumes)


def test_the_held_out_pairs_are_the_same_each_time_and_come_in_small_batches() -> None:
    world = colour_world()
    pairs = HeldOutPairs(world, split_videos(world.extents, SPEC), SPEC)
    spy: Any = Spy(backend.learner(SPEC.learner, "cpu"))
    first, second = pairs.measure(spy), pairs.measure(spy)
    assert first is not None
    assert first == second
    assert 0 <= first.auc <= 1
    assert len(spy.asked) == 40
    assert all(len(volumes) == SPEC.mining.pairs for volumes in spy.asked)
    assert np.array_equal(np.concatenate(spy.asked[:20]), np.concatenate(spy.asked[20:]))


def test_measuring_can_be_cut_short() -> None:
    world = colour_world()
    pairs = HeldOutPairs(world, split_videos(world.extents, SPEC), SPEC)
    spy: Any = Spy(backend.learner(SPEC.learner, "cpu"))
    assert pairs.measure(spy, lambda: len(spy.asked) >= 3) is None
    assert len(spy.asked) == 3
