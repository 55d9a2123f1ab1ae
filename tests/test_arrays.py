"""Videos in memory as a source: views, never copies, and clear refusals."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from stpairs_core.errors import InvalidSpec
from stpairs_core.protocols import VideoSource
from stpairs_core.videos.arrays import ArraySource


def some_videos() -> list[NDArray[np.uint8]]:
    random = np.random.default_rng(0)
    return [random.integers(0, 256, (*size, 3), dtype=np.uint8) for size in ((9, 4, 5), (3, 8, 2), (20, 1, 1))]


def test_it_knows_how_many_videos_and_how_large() -> None:
    source: VideoSource = ArraySource(some_videos())
    assert len(source) == 3
    assert source.extents.dtype == np.int32
    np.testing.assert_array_equal(source.extents, [(9, 4, 5), (3, 8, 2), (20, 1, 1)])
    assert ArraySource([]).extents.shape == (0, 3)


def test_it_copies_nothing_and_lets_nobody_write() -> None:
    videos = some_videos()
    source = ArraySource(videos)
    frames = source.read(0, 2, 3)
    assert np.shares_memory(frames, videos[0])
    with pytest.raises(ValueError, match="read-only"):
        frames[0] = 0
    with pytest.raises(ValueError, match="read-only"):
        source.extents[0] = 0
    videos[0][2] = 7  # the arrays stay their owner's
    assert (source.read(0, 2, 1) == 7).all()


def test_memory_maps_and_odd_layouts_are_taken_as_they_are(tmp_path: Path) -> None:
    values = some_videos()[0]
    values.tofile(tmp_path / "frames")
    mapped = np.memmap(tmp_path / "frames", np.uint8, mode="r", shape=values.shape)
    source = ArraySource([mapped, np.asfortranarray(values), values[::-1, ::-1, ::-1]])
    assert np.shares_memory(source.read(0, 0, 9), mapped)
    np.testing.assert_array_equal(source.read(0, 0, 9), values)
    np.testing.assert_array_equal(source.read(1, 0, 9), values)
    np.testing.assert_array_equal(source.read(2, 0, 9), values[::-1, ::-1, ::-1])


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (np.zeros((4, 5, 6, 3)), "video 1 is float64"),
        (np.zeros((4, 5, 6), np.uint8), "video 1 is uint8 (4, 5, 6)"),
        (np.zeros((3, 4, 5, 6), np.uint8), "video 1 is uint8 (3, 4, 5, 6)"),
        ([[[[1, 2, 3]]]], "video 1 is a list"),
    ],
)
def test_an_array_that_is_no_video_is_named(wrong: Any, message: str) -> None:
    with pytest.raises(InvalidSpec) as caught:
        ArraySource([some_videos()[0], wrong])
    assert message in str(caught.value)
