"""Reads of a source held against the truth: the frames of each of its videos, (T, H, W, 3) `uint8`."""

import pprint
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stpairs_core import rng
from stpairs_core.protocols import VideoSource
from stpairs_core.testing.reproducing import Broken, showing

Frames = Sequence[NDArray[np.uint8]]
Asked = tuple[int, int, int]
"""video, first, count."""

VIDEOS = 8
"""Videos that are looked at, at most."""
LONGEST = 40
"""Frames of each that are looked at one by one, at most."""


def read_all(source: VideoSource, frames: Frames, asked: Sequence[Asked]) -> None:
    """Nothing, or a `Broken`: these reads, one after another, give the frames of the truth."""
    for number, one in enumerate(asked):
        calls = f"for asked in {wrapped(asked[:number])}:\n    source.read(*asked)\n" if number else ""
        calls += f"found = source.read{one}\n"
        with showing(calls):
            found = source.read(*one)
        compare(found, frames, one, calls)


def compare(found: Any, frames: Frames, asked: Asked, calls: str) -> None:
    """Nothing, or a `Broken`: what was read is the truth, and what `calls` name `found` shows that it is not."""
    video, first, count = asked
    wanted = frames[video][first : first + count]
    kind = (str(getattr(found, "dtype", type(found).__name__)), getattr(found, "shape", ()))
    if kind != ("uint8", wanted.shape):
        calls += f"assert (str(found.dtype), found.shape) == ('uint8', {wanted.shape}), (found.dtype, found.shape)\n"
        raise Broken(f"read{asked} gave {kind[0]} {kind[1]}, not uint8 {wanted.shape}", calls)
    for t, y, x in np.argwhere((found != wanted).any(axis=-1)).tolist():
        pixel, right = found[t, y, x].tolist(), wanted[t, y, x].tolist()
        calls += f"assert found[{t}, {y}, {x}].tolist() == {right}, found[{t}, {y}, {x}].tolist()\n"
        guess = _guess(found, frames[video], wanted)
        raise Broken(f"read{asked} gave {pixel} at (t, y, x) = {(t, y, x)}, not {right}{guess}", calls)


def random_reads(frames: Frames, count: int) -> list[Asked]:
    """(video, first, count) of reads that exist, always the same."""
    asked = []
    for number in range(count):
        video = int(rng.below(0, number, rng.TESTS, min(len(frames), VIDEOS), 1)[0])
        total = len(frames[video])
        first, length = rng.below(1, number, rng.TESTS, [total, min(total, LONGEST)]).tolist()
        asked.append((video, first, min(1 + length, total - first)))
    return asked


def videos_of(frames: Frames) -> Iterator[tuple[int, NDArray[np.uint8]]]:
    """The number and the frames of each video that is looked at."""
    return ((video, frames[video]) for video in range(min(len(frames), VIDEOS)))


def places(frames: Frames) -> Iterator[tuple[int, int]]:
    """(video, k) of each frame that is looked at by itself."""
    return ((video, k) for video, truth in videos_of(frames) for k in range(min(len(truth), LONGEST)))


def wrapped(asked: Sequence[Asked]) -> str:
    """The reads as lines of Python."""
    return pprint.pformat(list(asked), width=110, compact=True)


def _guess(found: NDArray[np.uint8], video: NDArray[np.uint8], wanted: NDArray[np.uint8]) -> str:
    """What they look like, if that can be told."""
    if np.array_equal(found, wanted[..., ::-1]):
        return ": red and blue are swapped"
    for first in range(len(video) - len(found) + 1):
        if np.array_equal(found, video[first : first + len(found)]):
            return f": these are the frames from {first} on"
    return ""
