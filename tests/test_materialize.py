"""From plan to pixels against the naive way. The check takes the implementation, so that planted bugs meet it too."""

import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from stpairs_core.color import flip, recolor
from stpairs_core.errors import BadVideos, InvalidSpec
from stpairs_core.jit import compiled
from stpairs_core.materialize import cut, materialize, transform
from stpairs_core.protocols import VideoSource
from stpairs_core.spec import PairPlan, VolumeShape
from stpairs_core.testing import naive
from stpairs_core.videos.arrays import ArraySource

Bytes = NDArray[np.uint8]
Materialize = Callable[[PairPlan, VideoSource], Bytes]

SHAPE = VolumeShape(3, 5, 7)
EXAMPLES = settings(deadline=None, max_examples=40 if compiled() else 3)


def some_videos(seed: int = 0) -> list[Bytes]:
    random = np.random.default_rng(seed)
    sizes = random.integers((5, 5, 7), (9, 12, 15), (4, 3))
    return [random.integers(0, 256, (*size, 3), dtype=np.uint8) for size in sizes]


def some_plan(
    videos: list[Bytes], seed: int = 0, pairs: int = 6, shape: VolumeShape = SHAPE, stride: int = 1
) -> PairPlan:
    """A plan with boxes anywhere that they fit and changes on either member, drawn without the miner."""
    random = np.random.default_rng(seed)
    video = random.integers(0, len(videos), (pairs, 2), dtype=np.int32)
    room = np.array([v.shape[:3] for v in videos])[video] - np.array(
        [(shape.frames - 1) * stride + 1, shape.height, shape.width]
    )
    return PairPlan(
        video=video,
        origin=random.integers(0, room + 1).astype(np.int32),
        flip=random.random((pairs, 2)) < 0.5,
        recolor=random.random((pairs, 2)) < 0.5,
        color=random.uniform((-0.1, 0.5, 0.7), (0.1, 2, 2), (pairs, 2, 3)).astype(np.float32),
        label=random.choice(np.array([-1, 1], np.int8), pairs),
        shape=shape,
        channels=("h", "sv", "hsv")[seed % 3],
        stride=stride,
    )


def check_materialize(implementation: Materialize, plan: PairPlan, videos: list[Bytes]) -> None:
    """Within a level of the oracle where recoloured, equal to it elsewhere."""
    result, truth = implementation(plan, ArraySource(videos)), naive.materialize(plan, videos)
    assert result.dtype == np.uint8
    assert result.shape == truth.shape == (len(plan), 2, 3, 5, 7, 3)
    np.testing.assert_array_equal(result[~plan.recolor], truth[~plan.recolor])
    np.testing.assert_allclose(result.astype(int), truth, atol=1, rtol=0)


@EXAMPLES
@given(seed=st.integers(0, 2**32 - 1), pairs=st.integers(0, 6), stride=st.sampled_from((1, 2)))
def test_a_plan_is_obeyed(seed: int, pairs: int, stride: int) -> None:
    videos = some_videos(seed)
    plan = some_plan(videos, seed, pairs, stride=stride)
    check_materialize(materialize, plan, videos)
    plain = replace(plan, flip=np.zeros_like(plan.flip), recolor=np.zeros_like(plan.recolor))
    np.testing.assert_array_equal(cut(plan, ArraySource(videos)), naive.materialize(plain, videos))


@EXAMPLES
@given(seed=st.integers(0, 2**32 - 1))
def test_to_cut_and_transform_is_to_materialize(seed: int) -> None:
    videos = some_videos(seed)
    plan = some_plan(videos, seed)
    volumes = cut(plan, ArraySource(videos))
    transform(plan, volumes)
    np.testing.assert_array_equal(volumes, materialize(plan, ArraySource(videos)))


def test_the_two_changes_commute() -> None:
    volume = some_videos()[0]
    np.testing.assert_array_equal(flip(recolor(volume, 0.07, 0.6, 1.4)), recolor(flip(volume), 0.07, 0.6, 1.4))


def _flips_the_first_frame_only(plan: PairPlan, source: VideoSource) -> Bytes:
    result, unflipped = materialize(plan, source), materialize(replace(plan, flip=np.zeros_like(plan.flip)), source)
    result[:, :, 1:] = unflipped[:, :, 1:]
    return result


BUGS: dict[str, Materialize] = {
    "flip of the first frame only": _flips_the_first_frame_only,
    "flip and colour of the other member": lambda plan, source: materialize(
        replace(plan, flip=plan.flip[:, ::-1], recolor=plan.recolor[:, ::-1]), source
    ),
    "no colour": lambda plan, source: materialize(replace(plan, recolor=np.zeros_like(plan.recolor)), source),
    "colour of the other member": lambda plan, source: materialize(replace(plan, color=plan.color[:, ::-1]), source),
    "box a frame early": lambda plan, source: materialize(
        replace(plan, origin=np.maximum(plan.origin - np.array([1, 0, 0], np.int32), 0)), source
    ),
    "box at the corner": lambda plan, source: materialize(replace(plan, origin=np.zeros_like(plan.origin)), source),
    "every frame of a strided volume": lambda plan, source: materialize(replace(plan, stride=1), source),
    "offset elsewhere": lambda plan, source: materialize(replace(plan, channels="h"), source),
}


@pytest.mark.parametrize("bug", BUGS)
def test_a_planted_bug_is_caught(bug: str) -> None:
    videos = some_videos(2)
    plan = some_plan(videos, 2, pairs=20, stride=2)
    check_materialize(materialize, plan, videos)
    with pytest.raises(AssertionError):
        check_materialize(BUGS[bug], plan, videos)


# ---- the room given, the source read


@pytest.mark.parametrize("make", [cut, materialize])
def test_the_room_given_is_filled_and_returned(make: Any) -> None:
    videos = some_videos()
    source = ArraySource(videos)
    out = np.full((6, 2, 3, 5, 7, 3), 99, np.uint8)
    for seed in (3, 4):
        plan = some_plan(videos, seed)
        assert make(plan, source, out) is out
        np.testing.assert_array_equal(out, make(plan, source))


@pytest.mark.parametrize(
    "out",
    [
        np.zeros((6, 2, 3, 5, 7, 3), np.int8),
        np.zeros((5, 2, 3, 5, 7, 3), np.uint8),
        np.zeros((6, 2, 3, 7, 5, 3), np.uint8),
        np.zeros((6, 2, 3, 5, 7, 3), np.uint8, order="F"),
        np.frombuffer(bytes(6 * 2 * 3 * 5 * 7 * 3), np.uint8).reshape(6, 2, 3, 5, 7, 3),
    ],
)
def test_room_of_another_kind_is_refused(out: Any) -> None:
    videos = some_videos()
    plan = some_plan(videos)
    for use in (lambda: cut(plan, ArraySource(videos), out), lambda: transform(plan, out)):
        with pytest.raises(InvalidSpec, match="volumes"):
            use()


class Recorded:
    """A source over read-only memory maps that writes down what is read."""

    def __init__(self, videos: list[Bytes], folder: Path) -> None:
        self.reads: list[tuple[int, int, int]] = []
        self._maps = []
        for number, video in enumerate(videos):
            video.tofile(folder / str(number))
            self._maps.append(np.memmap(folder / str(number), np.uint8, mode="r", shape=video.shape))

    def __len__(self) -> int:
        return len(self._maps)

    @property
    def extents(self) -> NDArray[np.int32]:
        return np.array([m.shape[:3] for m in self._maps], np.int32)

    def read(self, video: int, first: int, count: int) -> Bytes:
        self.reads.append((video, first, count))
        return self._maps[video][first : first + count]


def test_read_only_memory_maps_are_read_once_a_volume(tmp_path: Path) -> None:
    videos = some_videos()
    source = Recorded(videos, tmp_path)
    plan = some_plan(videos)
    np.testing.assert_array_equal(materialize(plan, source), materialize(plan, ArraySource(videos)))
    asked = zip(plan.video.reshape(-1).tolist(), plan.origin[..., 0].reshape(-1).tolist(), strict=True)
    assert source.reads == [(video, first, 3) for video, first in asked]


def test_threads_make_the_same_pixels() -> None:
    videos = some_videos()
    source = ArraySource(videos)
    plans = [some_plan(videos, seed) for seed in range(8 if compiled() else 2)]
    alone = [materialize(plan, source) for plan in plans]
    with ThreadPoolExecutor(4) as pool:
        for mine, theirs in zip(alone, pool.map(lambda plan: materialize(plan, source), plans), strict=True):
            np.testing.assert_array_equal(mine, theirs)


@pytest.mark.parametrize("threads", [2, 3, 40])
def test_any_number_of_threads_makes_the_same_pixels(threads: int) -> None:
    videos = some_videos()
    source = ArraySource(videos)
    plan = some_plan(videos, pairs=9)
    np.testing.assert_array_equal(materialize(plan, source, threads=threads), materialize(plan, source))


def test_what_goes_wrong_in_a_thread_is_raised() -> None:
    videos = some_videos()

    class Broken(ArraySource):
        def read(self, video: int, first: int, count: int) -> Bytes:
            raise BadVideos("broken")

    with pytest.raises(BadVideos, match="broken"):
        materialize(some_plan(videos), Broken(videos), threads=2)
    with pytest.raises(InvalidSpec, match="threads must be at least 1, not 0"):
        materialize(some_plan(videos), ArraySource(videos), threads=0)


SHOW = """
import hashlib
import numpy as np
from stpairs_core import ArraySource, MiningSpec, PairMiner, VolumeShape, materialize
codes = np.arange(3 * 20 * 20 * 37 * 3, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
videos = ArraySource(list((codes >> np.uint64(56)).astype(np.uint8).reshape(3, 20, 20, 37, 3)))
miner = PairMiner(videos.extents, MiningSpec(VolumeShape(4, 9, 21), pairs=50, recolor_probability=0.9), seed=7)
print(hashlib.sha256(materialize(miner.plan(0), videos).tobytes()).hexdigest())
"""


def test_a_processor_without_wide_registers_makes_the_same_bytes() -> None:
    shown = {
        subprocess.run(
            [sys.executable, "-c", SHOW], env={"PATH": "", **cpu}, capture_output=True, text=True, check=True
        ).stdout
        for cpu in ({}, {"NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": ""})
    }
    assert len(shown) == 1


# ---- plans and sources that cannot be obeyed


def changed(plan: PairPlan, column: str, row: int, member: int, value: Any) -> PairPlan:
    values = getattr(plan, column).copy()
    values[row, member] = value
    return replace(plan, **{column: values})


@pytest.mark.parametrize("video", [-1, 4])
def test_a_row_without_a_video_is_named(video: int) -> None:
    videos = some_videos()
    plan = changed(some_plan(videos), "video", 4, 1, video)
    with pytest.raises(InvalidSpec, match=f"row 4 of the plan asks for video {video}; there are 4"):
        cut(plan, ArraySource(videos))


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("side", ["before", "after"])
def test_a_box_that_leaves_its_video_is_named(axis: int, side: str) -> None:
    videos = some_videos()
    plan = some_plan(videos)
    size = videos[plan.video[2, 0]].shape
    last = [extent - length for extent, length in zip(size, (3, 5, 7), strict=False)]
    fits = changed(plan, "origin", 2, 0, last)
    assert cut(fits, ArraySource(videos)).shape == (6, 2, 3, 5, 7, 3)
    last[axis] = -1 if side == "before" else last[axis] + 1
    leaves = changed(plan, "origin", 2, 0, last)
    for make in (cut, materialize):
        with pytest.raises(InvalidSpec, match="row 2 of the plan asks for 3x5x7 voxels from"):
            make(leaves, ArraySource(videos))


def test_a_colour_that_cannot_be_obeyed_is_named_and_nothing_is_touched() -> None:
    videos = some_videos()
    plan = changed(changed(some_plan(videos), "color", 3, 1, (0.0, -1.0, 1.0)), "recolor", 3, 1, True)
    volumes = cut(plan, ArraySource(videos))
    before = volumes.copy()
    with pytest.raises(InvalidSpec, match="row 3 of the plan: F1 needs an exponent above 0"):
        transform(plan, volumes)
    np.testing.assert_array_equal(volumes, before)
    with pytest.raises(InvalidSpec, match="row 3"):
        materialize(plan, ArraySource(videos))
    transform(changed(plan, "recolor", 3, 1, False), volumes)  # what is not applied need not make sense


def test_a_plan_with_a_short_column_is_refused() -> None:
    videos = some_videos()
    plan = replace(some_plan(videos), flip=np.zeros((5, 2), bool))
    with pytest.raises(InvalidSpec, match="'flip'"):
        cut(plan, ArraySource(videos))


@pytest.mark.parametrize("lie", [lambda f: f[:-1], lambda f: f[:, :, 1:], lambda f: f.astype(float), lambda f: f[0]])
def test_a_source_that_breaks_its_promise_is_named(lie: Callable[[Bytes], Bytes]) -> None:
    videos = some_videos()

    class Liar(ArraySource):
        def read(self, video: int, first: int, count: int) -> Bytes:
            return lie(super().read(video, first, count))

    with pytest.raises(BadVideos, match="by its extents; its source gave"):
        cut(some_plan(videos), Liar(videos))
