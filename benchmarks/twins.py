"""The miner as others would write it, in vectorised NumPy and in plain Python; both draw again where volumes meet."""

import random
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stpairs_core import MiningSpec

OFFSET, EXPONENT, SCALE = (-0.1, 0.1), (0.5, 2.0), (0.7, 2.0)
"""The paper's ranges for F1."""


class Columns(NamedTuple):
    """The columns of a pair plan, shaped as they are there."""

    video: NDArray[np.int32]
    origin: NDArray[np.int32]
    flip: NDArray[np.bool_]
    recolor: NDArray[np.bool_]
    color: NDArray[np.float32]
    label: NDArray[np.int8]


class NumpyMiner:
    """Algorithm 1 in vectorised NumPy; `bits` is the generator to draw with."""

    def __init__(self, extents: NDArray[np.int32], spec: MiningSpec, bits: np.random.BitGenerator) -> None:
        self._size = np.array([spec.volume.frames, spec.volume.height, spec.volume.width])
        self._starts = (extents - self._size + 1).astype(np.float64)
        self._usable = np.flatnonzero((self._starts >= 1).all(axis=1)).astype(np.int32)
        roomy = (extents[self._usable] >= 2 * self._size).any(axis=1)  # holds two disjoint volumes
        self._positive = self._usable[roomy]
        self._spec = spec
        self._draws = np.random.Generator(bits)

    def plan(self) -> Columns:
        """The next pairs."""
        pairs = self._spec.pairs
        positives = round(self._spec.positive_ratio * pairs)
        video = np.empty((pairs, 2), np.int32)
        video[:positives] = self._positive[self._draws.integers(0, len(self._positive), positives), None]
        video[positives:] = self._two_videos(pairs - positives)
        origin = np.empty((pairs, 2, 3), np.int32)
        origin[positives:] = self._anywhere(video[positives:])
        self._apart(video[:positives], origin[:positives])
        label = np.full(pairs, -1, np.int8)
        label[:positives] = 1
        recolor = self._coin(self._spec.recolor_probability)
        return Columns(video, origin, self._coin(self._spec.flip_probability), recolor, self._colors(recolor), label)

    def _two_videos(self, count: int) -> NDArray[np.int32]:
        first = self._draws.integers(0, len(self._usable), count)
        second = self._draws.integers(0, len(self._usable) - 1, count)
        second += second >= first
        return np.stack([self._usable[first], self._usable[second]], axis=1)

    def _anywhere(self, video: NDArray[np.int32]) -> NDArray[np.int32]:
        starts: NDArray[np.float64] = self._draws.random((*video.shape, 3)) * self._starts[video]
        return starts.astype(np.int32)

    def _apart(self, video: NDArray[np.int32], origin: NDArray[np.int32]) -> None:
        left = np.arange(len(video))
        while len(left):
            drawn = self._anywhere(video[left])
            origin[left] = drawn
            left = left[(np.abs(drawn[:, 0] - drawn[:, 1]) < self._size).all(axis=1)]

    def _coin(self, chance: float) -> NDArray[np.bool_]:
        heads: NDArray[np.bool_] = np.zeros((self._spec.pairs, 2), np.bool_)
        heads[:, 1] = self._draws.random(self._spec.pairs, np.float32) < chance
        return heads

    def _colors(self, recolor: NDArray[np.bool_]) -> NDArray[np.float32]:
        color = np.empty((self._spec.pairs, 2, 3), np.float32)
        color[:] = (0.0, 1.0, 1.0)
        changed = np.flatnonzero(recolor[:, 1])
        for column, (low, high) in enumerate((OFFSET, EXPONENT, SCALE)):
            color[changed, 1, column] = low + (high - low) * self._draws.random(len(changed), np.float32)
        return color


class PythonPair(NamedTuple):
    """One row."""

    video: tuple[int, int]
    origin: tuple[tuple[int, ...], tuple[int, ...]]
    flip: bool
    recolor: bool
    color: tuple[float, ...]
    label: int


class PythonMiner:
    """Algorithm 1, a pair at a time, in plain Python."""

    def __init__(self, extents: NDArray[np.int32], spec: MiningSpec) -> None:
        self._size = (spec.volume.frames, spec.volume.height, spec.volume.width)
        starts = (extents - np.array(self._size) + 1).tolist()
        self._starts = {video: counts for video, counts in enumerate(starts) if min(counts) >= 1}
        self._usable = list(self._starts)
        roomy = (extents >= 2 * np.array(self._size)).max(axis=1).tolist()
        self._positive = [video for video in self._usable if roomy[video]]
        self._spec = spec
        self._draws = random.Random(0)

    def plan(self) -> list[PythonPair]:
        """The next pairs."""
        positives = round(self._spec.positive_ratio * self._spec.pairs)
        return [self._pair(number < positives) for number in range(self._spec.pairs)]

    def _pair(self, positive: bool) -> PythonPair:
        draws = self._draws
        if positive:
            first = second = draws.choice(self._positive)
            a, b = self._origin(first), self._origin(second)
            while all(abs(p - q) < size for p, q, size in zip(a, b, self._size, strict=True)):
                a, b = self._origin(first), self._origin(second)
        else:
            first = second = draws.choice(self._usable)
            while second == first:
                second = draws.choice(self._usable)
            a, b = self._origin(first), self._origin(second)
        flip = draws.random() < self._spec.flip_probability
        recolor = draws.random() < self._spec.recolor_probability
        color = tuple(draws.uniform(*bounds) for bounds in (OFFSET, EXPONENT, SCALE)) if recolor else (0.0, 1.0, 1.0)
        return PythonPair((first, second), (a, b), flip, recolor, color, 1 if positive else -1)

    def _origin(self, video: int) -> tuple[int, ...]:
        return tuple(int(self._draws.random() * count) for count in self._starts[video])
