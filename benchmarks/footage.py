"""Videos to measure on: sizes for plans, and decoded frames in memory for pixels."""

import itertools
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmarks.scale import Scale
from stpairs_core import ArraySource

SHORTEST, LONGEST, MEAN = 29, 1776, 186
"""Frames of UCF101's videos."""
SPREAD = 0.5
"""Of the logarithm of their number."""
MIXED = ((128, 171), (128, 228), (228, 128), (240, 320), (360, 640))
"""Pictures of a collection that nobody scaled: 4:3, 16:9, upright, and two in which volumes fit side by side."""
WORST = 33
"""Frames: of 33, two volumes of 16 are disjoint in 6 of 324 draws."""


def ucf101_sizes(videos: int, picture: tuple[int, int]) -> NDArray[np.int32]:
    """(N, 3): videos as long as UCF101's, all of one picture size."""
    sizes = np.empty((videos, 3), np.int32)
    sizes[:, 0] = _lengths(np.random.default_rng(0), videos)
    sizes[:, 1:] = picture
    return sizes


def mixed_sizes(videos: int) -> NDArray[np.int32]:
    """(N, 3): videos as long as UCF101's, of five picture sizes."""
    sizes = ucf101_sizes(videos, (0, 0))
    sizes[:, 1:] = np.array(MIXED)[np.random.default_rng(1).integers(0, len(MIXED), videos)]
    return sizes


def short_sizes(videos: int, scale: Scale) -> NDArray[np.int32]:
    """(N, 3): the worst case for drawing anew: two volumes and one frame long, disjoint in time only."""
    return np.tile(np.array([2 * scale.volume.frames + 1, *scale.picture], np.int32), (videos, 1))


class Footage(NamedTuple):
    """Decoded frames."""

    source: ArraySource
    """As videos as long as UCF101's."""
    memory: NDArray[np.uint8]
    """All their bytes, one after the other."""


def footage(scale: Scale, noise: bool = False) -> Footage:
    """Videos that slide over smooth, many-coloured pictures with a little sensor noise; or noise alone.

    What a pixel costs can depend on its neighbours' colours (tables, caches): so not zeros, and noise as the worst.
    """
    draws = np.random.default_rng(2)
    height, width = scale.picture
    count = max(scale.memory // (height * width * 3), 3 * SHORTEST)
    frames = np.empty((count, height, width, 3), np.uint8)
    cuts = _cuts(draws, count)
    for first, last in itertools.pairwise(cuts):
        if noise:
            frames[first:last] = draws.integers(0, 256, frames[first:last].shape, np.uint8)
        else:
            _slide(draws, frames[first:last])
    videos = [frames[first:last] for first, last in itertools.pairwise(cuts)]
    return Footage(ArraySource(videos), frames.reshape(-1))


def _lengths(draws: np.random.Generator, videos: int) -> NDArray[np.int64]:
    lengths = draws.lognormal(np.log(MEAN) - SPREAD**2 / 2, SPREAD, videos)
    return np.clip(lengths, SHORTEST, LONGEST).astype(np.int64)


def _cuts(draws: np.random.Generator, count: int) -> list[int]:
    """Where the videos begin in `count` frames, and where the last ends; it takes what is left over."""
    cuts = [0, *np.cumsum(_lengths(draws, count // MEAN + 2)).tolist()]
    inside = [cut for cut in cuts if cut <= count - SHORTEST]
    if len(inside) < 3:  # few frames: three videos of them all the same
        inside = [0, count // 3, 2 * count // 3]
    return [*inside, count]


def _slide(draws: np.random.Generator, frames: NDArray[np.uint8]) -> None:
    _, height, width, _ = frames.shape
    picture = _smooth(draws, height, width)
    grain = draws.integers(-4, 5, (8, height, width, 3)).astype(np.int16)
    for number, frame in enumerate(frames):
        moved = np.roll(picture, (number // 2, number), axis=(0, 1))
        np.clip(moved + grain[number % 8], 0, 255, out=frame, casting="unsafe")


def _smooth(draws: np.random.Generator, height: int, width: int) -> NDArray[np.int16]:
    """(H, W, 3): random colours at 6x8 places, and straight lines between them."""
    coarse = draws.integers(0, 256, (6, 8, 3)).astype(np.float64)
    rows, columns = np.linspace(0, 5, height), np.linspace(0, 7, width)
    tall = np.stack([[np.interp(rows, range(6), coarse[:, x, c]) for x in range(8)] for c in range(3)])
    wide = np.stack([[np.interp(columns, range(8), tall[c, :, y]) for y in range(height)] for c in range(3)])
    return np.ascontiguousarray(wide.transpose(1, 2, 0)).astype(np.int16)
