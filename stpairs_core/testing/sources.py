"""What every source of videos must do, each promise a check of its own; `suites.SourceTests` runs them.

A check takes the source and the truth: the frames of each of its videos, (T, H, W, 3) `uint8`. Where a promise is
broken it raises a `Broken`, whose `calls` show the failure on a fresh source without the truth.
"""

import re

import numpy as np

from stpairs_core.errors import StpairsError
from stpairs_core.materialize import materialize
from stpairs_core.plan import PairMiner
from stpairs_core.protocols import VideoSource
from stpairs_core.spec import MiningSpec, VolumeShape
from stpairs_core.testing import naive
from stpairs_core.testing.reads import Asked, Frames, places, random_reads, read_all, videos_of, wrapped
from stpairs_core.testing.reproducing import Broken, refusal, showing


def frames_tell(frames: Frames) -> None:
    """The truth itself: frames in which each fault of a source would show."""
    assert len(frames) >= 2, f"give frames of at least two videos, not {len(frames)}"
    for number, video in enumerate(frames):
        text = f"the frames given for video {number}"
        assert video.dtype == np.uint8, f"{text} are {video.dtype}, not uint8"
        assert video.ndim == 4, f"{text} have the shape {video.shape}, not (T, H, W, 3)"
        assert video.shape[-1] == 3, f"{text} have the shape {video.shape}, not (T, H, W, 3)"
        assert len(video) >= 2, f"{text} are fewer than two"
        assert (video[1:] != video[:-1]).any(axis=(1, 2, 3)).all(), f"{text} have two equal neighbours"
        assert (video[..., 0] != video[..., 2]).any(), f"{text} have red equal to blue everywhere"
    assert any(video.shape[1] != video.shape[2] for video in frames), "give a video that is not square"
    assert not np.array_equal(frames[0][:2], frames[1][:2]), "give videos that differ"


def length(source: VideoSource, frames: Frames) -> None:
    """`len` is how many videos there are."""
    wanted = len(frames)
    with showing(f"assert len(source) == {wanted}, len(source)\n"):
        assert len(source) == wanted, f"the source has {len(source)} videos, not {wanted}"


def extents(source: VideoSource, frames: Frames) -> None:
    """`extents` are frames, height and width of each video, int32 (N, 3)."""
    wanted = [list(video.shape[:3]) for video in frames]
    calls = f"assert str(source.extents.dtype) == 'int32', source.extents.dtype\nwanted = {wanted}\n"
    calls += "assert source.extents.tolist() == wanted, source.extents.tolist()\n"
    with showing(calls):
        found = source.extents
        assert found.dtype == np.int32, f"extents are {found.dtype}, not int32"
        assert found.shape == (len(frames), 3), f"extents have the shape {found.shape}, not {(len(frames), 3)}"
        for number, (one, right) in enumerate(zip(found.tolist(), wanted, strict=True)):
            swapped = ": height and width are swapped" if one == [right[0], right[2], right[1]] else ""
            assert one == right, f"the extents of video {number} are {one}, not {right}{swapped}"


def extents_are_safe(source: VideoSource, frames: Frames) -> None:
    """Whoever writes into `extents` does not change the source."""
    calls = "given = source.extents\nkept = given.tolist()\nif given.flags.writeable:\n    given += 1\n"
    with showing(calls + "assert source.extents.tolist() == kept, source.extents.tolist()\n"):
        given = source.extents
        kept = given.copy()
        if given.flags.writeable:
            given += 1
            found = source.extents.copy()
            given -= 1
            assert np.array_equal(found, kept), "writing into extents changes the source: make them read-only"


def one_by_one(source: VideoSource, frames: Frames) -> None:
    """Frame k is frame k, read one after another."""
    read_all(source, frames, [(video, k, 1) for video, k in places(frames)])


def backwards(source: VideoSource, frames: Frames) -> None:
    """Frame k is frame k, read from the last to the first."""
    read_all(source, frames, [(video, k, 1) for video, k in reversed([*places(frames)])])


def at_random(source: VideoSource, frames: Frames) -> None:
    """Frames are the same in any order of reading, and in runs of any length."""
    read_all(source, frames, random_reads(frames, 60))


def none_and_all(source: VideoSource, frames: Frames) -> None:
    """A read of no frames, at any place up to the end, and one of all frames."""
    for video, truth in videos_of(frames):
        total = len(truth)
        read_all(source, frames, [(video, 0, 0), (video, total // 2, 0), (video, total, 0), (video, 0, total)])


def contiguous(source: VideoSource, frames: Frames) -> None:
    """What is read lies in memory as decoders give it: C-contiguous."""
    for video, truth in videos_of(frames):
        for asked in ((video, 0, len(truth)), (video, 1, 1)):
            with showing(f"assert source.read{asked}.flags.c_contiguous\n"):
                assert source.read(*asked).flags.c_contiguous, f"read{asked} is not C-contiguous"


def missing_videos(source: VideoSource, frames: Frames) -> None:
    """A video that does not exist is refused by its number."""
    for video in (-1, len(frames), len(frames) + 7):
        _refused(source, (video, 0, 1), {video})
    read_all(source, frames, [(0, 0, 1)])


def missing_frames(source: VideoSource, frames: Frames) -> None:
    """Frames that do not exist are refused by their numbers; never are there fewer, or others."""
    for video, truth in videos_of(frames):
        n = len(truth)
        for first, count in ((-1, 2), (-n, 1), (n + 9, 1), (n + 9, 0)):
            _refused(source, (video, first, count), {first})
        for first, count in ((0, n + 1), (n - 1, 2), (n, 1), (1, -1)):
            _refused(source, (video, first, count), {count, first + count})
        read_all(source, frames, [(video, 0, 1)])


def cannot_be_spoilt(source: VideoSource, frames: Frames) -> None:
    """Whoever writes into what was read does not change the source."""
    for video, truth in videos_of(frames):
        count = min(2, len(truth))
        calls = f"found = source.read({video}, 0, {count})\nkept = found.copy()\nif found.flags.writeable:\n"
        calls += f"    found[...] = 255 - found\nassert (source.read({video}, 0, {count}) == kept).all()\n"
        with showing(calls):
            found = source.read(video, 0, count)
            kept = found.copy()
            if found.flags.writeable:
                found[...] = 255 - found
                again = source.read(video, 0, count).copy()
                found[...] = 255 - found  # for whoever uses the source after this check
                assert np.array_equal(again, kept), (
                    f"writing into what read({video}, 0, {count}) gave changes the source: give a copy, or read-only"
                )


def stays(source: VideoSource, frames: Frames) -> None:
    """What was read stays as it is when more is read."""
    longest = max(range(len(frames)), key=lambda video: len(frames[video]))
    same_size = [(longest, first, 1) for first in (0, len(frames[longest]) - 1, 0)]  # into one memory, if it is reused
    asked = [*random_reads(frames, 12), *same_size]
    calls = f"asked = {wrapped(asked)}\nfound = [source.read(*one) for one in asked]\n"
    calls += "kept = [source.read(*one).copy() for one in asked]\n"
    calls += "assert all((one == other).all() for one, other in zip(found, kept))\n"
    with showing(calls):
        found = [(given, given.copy()) for given in (source.read(*one) for one in asked)]
        for one, (given, kept) in zip(asked, found, strict=True):
            assert np.array_equal(given, kept), (
                f"what read{one} gave changed with later reads: give each its own memory"
            )


def deterministic(source: VideoSource, frames: Frames) -> None:
    """The same read gives the same bytes every time."""
    for asked in random_reads(frames, 10):
        calls = f"first = source.read{asked}.tobytes()\n"
        calls += f"assert all(source.read{asked}.tobytes() == first for _ in range(9))\n"
        with showing(calls):
            found = {source.read(*asked).tobytes() for _ in range(10)}
            assert len(found) == 1, f"ten times read{asked} gave {len(found)} different answers"


def mines(source: VideoSource, frames: Frames) -> None:
    """Pairs mined from the source have the pixels of the truth, by the plain loops of `naive.materialize`."""
    least = np.array([video.shape[:3] for video in frames]).min(axis=0) // 2
    spec = MiningSpec(VolumeShape(*np.maximum(1, least).tolist()), pairs=8)
    calls = "from stpairs_core import MiningSpec, PairMiner, VolumeShape, materialize\n\n"
    calls += f"spec = MiningSpec({spec.volume!r}, pairs=8)\nplan = PairMiner(source.extents, spec, seed=1).plan(0)\n"
    calls += "pixels = materialize(plan, source)\n"
    with showing(calls):
        plan = PairMiner(source.extents, spec, seed=1).plan(0)
        found = materialize(plan, source).astype(int)
        wanted = naive.materialize(plan, frames)
    far = np.argwhere(np.abs(found - wanted).max(axis=-1) > plan.recolor[..., None, None, None])
    if len(far):  # F1 may differ by a level of colour, nothing else may
        place = tuple(far[0].tolist())
        right, level = wanted[place].tolist(), int(plan.recolor[place[:2]])
        calls += f"assert abs(pixels[{place}].astype(int) - {right}).max() <= {level}, pixels[{place}]\n"
        raise Broken(f"a mined pixel (pair, member, t, y, x) = {place} is {found[place].tolist()}, not {right}", calls)


def _refused(source: VideoSource, asked: Asked, numbers: set[int]) -> None:
    """Nothing, or a `Broken`: a read that cannot be is an error that names one of the numbers."""
    pattern = r"(?<!\d)(" + "|".join(re.escape(str(n)) for n in sorted(numbers)) + r")(?!\d)"
    calls = "import re\n\nfrom stpairs_core import StpairsError\n\ntry:\n"
    calls += f"    found = source.read{asked}\nexcept (StpairsError, IndexError, ValueError) as error:\n"
    calls += f"    assert re.search({pattern!r}, str(error)), error\nelse:\n    raise AssertionError(found.shape)\n"
    with showing(calls):
        text = refusal(lambda: source.read(*asked), f"read{asked}", StpairsError, IndexError, ValueError)
        named = " or ".join(map(str, sorted(numbers)))
        assert re.search(pattern, text), f"read{asked} is refused without naming {named}: {text}"
