"""`SourceTests` on our own sources, and on sources with one fault each: the test that names the fault finds it."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stpairs_core.protocols import VideoSource
from stpairs_core.testing import SourceTests
from stpairs_core.testing.reads import Frames
from stpairs_core.videos import ArraySource, Videos, open_videos, store
from stpairs_core.videos.ffmpeg import decode, encode
from wrong_plugins import sources
from wrong_plugins.running import fails_here, failure, run_alone, script_of
from wrong_plugins.sources import FRAMES, Files


class TestFiles(SourceTests):
    """The right one of those with faults."""

    pickled_within = 600

    @pytest.fixture
    def source(self) -> Files:
        return Files()

    @pytest.fixture
    def frames(self) -> Frames:
        return FRAMES


class TestArraySource(SourceTests):
    """Arrays of any layout, read-only ones among them."""

    contiguous = False

    @pytest.fixture
    def frames(self) -> Frames:
        random = np.random.default_rng(0)
        videos = [random.integers(0, 256, (*size, 3), dtype=np.uint8) for size in ((9, 4, 5), (3, 8, 2), (20, 6, 6))]
        videos[0].flags.writeable = False
        return [videos[0], np.asfortranarray(videos[1]), videos[2][::-1, ::-1, ::-1]]

    @pytest.fixture
    def source(self, frames: Frames) -> ArraySource:
        return ArraySource(frames)


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Noise, so that no two frames are alike even when coded."""
    folder = tmp_path_factory.mktemp("clips")
    for number, size in enumerate(((12, 32, 48), (9, 48, 32), (10, 32, 32))):
        noise = np.random.default_rng(number).integers(0, 256, (*size, 3), np.uint8)
        encode(folder / f"{number}.mp4", noise, 25.0)
    return folder


class TestVideos(SourceTests):
    """Encoded clips in the frame store."""

    pickled_within = 2000

    @pytest.fixture
    def source(self, clips: Path) -> Videos:
        store.frames.cache_clear()
        return open_videos(clips, short_side=24, cache=clips / "cache")

    @pytest.fixture
    def frames(self, clips: Path, source: Videos) -> Frames:
        return [np.stack(list(decode(clips / path, 24))) for path in source.paths]


FAULTS = [
    (sources.OneShort, "length", "has 2 videos, not 3"),
    (sources.WidthFirst, "extents", r"video 0 are \[9, 5, 6\], not \[9, 6, 5\]: height and width are swapped"),
    (sources.WideExtents, "extents", "extents are int64, not int32"),
    (sources.LentExtents, "extents_are_safe", "writing into extents changes the source"),
    (sources.OffByOne, "one_by_one", r"read\(0, 0, 1\) gave .*: these are the frames from 1 on"),
    (sources.BlueFirst, "one_by_one", "red and blue are swapped"),
    (sources.BlueFirst, "mines", "a mined pixel"),
    (sources.FloatFrames, "one_by_one", "gave float32"),
    (sources.ChannelsFirst, "one_by_one", r"gave uint8 \(1, 3, 6, 5\), not uint8 \(1, 6, 5, 3\)"),
    (sources.ForwardOnly, "backwards", r"read\(2, 10, 1\) gave .*: these are the frames from 11 on"),
    (sources.CachedByCount, "at_random", "these are the frames from"),
    (sources.NoEmptyRead, "none_and_all", "ValueError: need at least one array to stack"),
    (sources.NotContiguous, "contiguous", "not C-contiguous"),
    (sources.FromTheEnd, "missing_videos", r"read\(-1, 0, 1\) is taken, not refused"),
    (sources.Clamps, "missing_frames", r"read\(0, -1, 2\) is taken, not refused"),
    (sources.SaysNothing, "missing_frames", "refused without naming -1: out of range"),
    (sources.OtherError, "missing_frames", "refused by a AssertionError"),
    (sources.WritableView, "cannot_be_spoilt", "give a copy, or read-only"),
    (sources.OneBuffer, "stays", "changed with later reads"),
    (sources.OneMemoryForEachSize, "stays", "changed with later reads"),
    (sources.Noisy, "deterministic", "different answers"),
    (sources.OpenFiles, "threads", "among threads, read"),
    (sources.Unpicklable, "pickles", "pickle"),
    (sources.FatPickle, "pickles", "bytes, more than 600"),
    (sources.HandleInPickle, "spawned", "a process by spawn failed: OSError"),
    (sources.LockedFiles, "forked", "fork, "),
    (sources.Leaks, "keeps_no_files_open", "200 reads left 200 more files open"),
]


@pytest.fixture
def _tidy() -> Iterator[None]:
    with sources.closing_leaked():
        yield


@pytest.mark.usefixtures("_tidy")
@pytest.mark.parametrize(("fault", "test", "words"), FAULTS, ids=[f"{c.__name__}-{t}" for c, t, _ in FAULTS])
def test_each_planted_fault_is_found(fault: type[Files], test: str, words: str, tmp_path: Path) -> None:
    """By the test that names it, with a script that fails too, and that passes once the fault is gone."""
    suite = TestFiles()
    suite.factory = f"wrong_plugins.sources:{fault.__name__}"  # type: ignore[misc]
    error = failure(suite, f"test_{test}", fault(), FRAMES)
    assert re.search(words, str(error))
    script = script_of(error)
    mended = script.replace(fault.__name__, "Files")
    if test in ("spawned", "forked"):
        assert run_alone(script, tmp_path).returncode == 1
        assert run_alone(mended, tmp_path).returncode == 0
    else:
        assert fails_here(script)
        assert not fails_here(mended)


@pytest.mark.parametrize(
    ("frames", "words"),
    [
        (FRAMES[:1], "at least two videos"),
        ([FRAMES[0], FRAMES[0]], "videos that differ"),
        ([FRAMES[0], FRAMES[1].astype(float)], "video 1 are float64"),
        ([FRAMES[0], FRAMES[1][0]], "video 1 have the shape"),
        ([FRAMES[0], FRAMES[1][:1]], "fewer than two"),
        ([FRAMES[0], np.repeat(FRAMES[1], 2, axis=0)], "two equal neighbours"),
        ([FRAMES[0], FRAMES[1][..., [0, 1, 0]]], "red equal to blue"),
        ([FRAMES[2], FRAMES[2][::-1]], "not square"),
    ],
)
def test_frames_that_tell_nothing_are_refused(frames: Any, words: str) -> None:
    with pytest.raises(AssertionError, match=words):
        TestFiles().test_frames_tell(frames)


def test_a_failed_assert_shows_its_values() -> None:
    error = failure(TestFiles(), "test_length", sources.OneShort(), FRAMES)
    assert str(error).startswith("the source has 2 videos, not 3\nassert 2 == 3")


def test_without_a_factory_the_script_says_what_to_make() -> None:
    script = script_of(failure(TestFiles(), "test_at_random", sources.CachedByCount(), FRAMES))
    assert "# There is no factory: make `source` here as your fixture does" in script
    source: VideoSource = sources.CachedByCount()
    with pytest.raises(AssertionError):
        exec(script, {"source": source})


def test_the_script_of_a_failure_is_short_and_runs_alone(tmp_path: Path) -> None:
    suite = TestFiles()
    suite.factory = "wrong_plugins.sources:BlueFirst"  # type: ignore[misc]
    script = script_of(failure(suite, "test_one_by_one", sources.BlueFirst(), FRAMES))
    right = FRAMES[0][0, 0, 0].tolist()
    assert script.splitlines() == [
        "# The failure by itself, as a Python script:",
        "from wrong_plugins.sources import BlueFirst",
        "",
        "source = BlueFirst()",
        "",
        "found = source.read(0, 0, 1)",
        f"assert found[0, 0, 0].tolist() == {right}, found[0, 0, 0].tolist()",
    ]
    done = run_alone(script, tmp_path)
    assert done.returncode == 1
    assert done.stderr.endswith(f"AssertionError: {right[::-1]}\n")
