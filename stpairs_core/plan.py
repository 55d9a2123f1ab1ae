"""Pair plans: (seed, step) -> which boxes make the pairs of that step, and what is changed. Algorithm 1 of the paper.

Pair `step * B + row` has sixteen words of its own, `rng.words(seed, pair, rng.PAIR, 16)`, read as eight 64-bit draws
(the low word first). Draw 0 chooses the videos, 1 the event (A, B or C of `boxes`) of a positive pair, 2 to 4 the
starts in t, y and x; in draw 5 the low word decides on F1 and the high word on F2; the low and high words of draw 6
and the low word of draw 7 are F1's offset, exponent and scale. One draw yields several choices through `rng.split`.
"""

import operator
from collections.abc import Hashable, Sequence
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stpairs_core import boxes, rng
from stpairs_core.errors import InvalidSpec, NoPairs
from stpairs_core.jit import kernel
from stpairs_core.spec import MiningSpec, PairPlan

_CHUNK = 256
"""Pairs whose words are made together: enough for SIMD, and their 16 KiB stay in the first cache."""

# Columns of the table of usable videos, in which each group is a run of rows; a row is one cache line.
_VIDEO, _STARTS_T, _STARTS_Y, _STARTS_X, _BELOW_A, _BELOW_B, _GROUP_FIRST, _GROUP_SIZE = range(8)
# Columns of the alias table of positives: two rows of the table of videos, and below what the first is taken.
_ROW, _ALIAS, _KEEP = range(3)
# What the kernel needs of the spec and the seed.
_SEED, _PAIRS, _POSITIVES, _FRAMES, _HEIGHT, _WIDTH, _REACH, _RECOLOR, _FLIP, _CHANGE_POSITIVES = range(10)

_LOW = np.uint64(0xFFFFFFFF)
_HALF = np.uint64(32)
_ONE = np.uint64(1)
_TWO = np.uint64(2)
_UNUSED_BITS = np.uint64(9)


@final
class PairMiner:
    """Plans for videos of known sizes; each row is a pure function of (seed, pair index, extents, spec, groups).

    `extents` is (N, 3): frames, height and width. `groups`, one for each video, keeps the two videos of a negative
    pair in different groups (of UCF101's clips, each of g01 to g25 shares one source); a video of group None or -1 is
    a group by itself. Too few videos for the pairs asked for are a `NoPairs`.

    >>> miner = PairMiner([(60, 128, 171)] * 5, MiningSpec(), seed=0)
    >>> miner.plan(step=0)
    PairPlan(10 pairs, 3 positive, volumes of 16x112x112)
    """

    def __init__(
        self,
        extents: ArrayLike,
        spec: MiningSpec,
        seed: int,
        groups: Sequence[Hashable] | NDArray[Any] | None = None,
    ) -> None:
        sizes = _checked_extents(extents)
        fitting = boxes.fits(sizes, spec.volume)
        rows, first, size = _by_group(np.flatnonzero(fitting), len(sizes), groups)
        self._group = None if groups is None else np.full(len(sizes), -1, np.int32)
        if self._group is not None:
            self._group[rows] = first  # the first row of a group is its number
        thresholds, chances = _events(sizes[rows], spec)
        videos = np.empty((len(rows), 8), np.uint64)
        videos[:, _VIDEO] = rows
        videos[:, _STARTS_T : _STARTS_X + 1] = boxes.starts(sizes[rows], spec.volume)
        videos[:, _BELOW_A : _BELOW_B + 1] = thresholds
        videos[:, _GROUP_FIRST], videos[:, _GROUP_SIZE] = first, size

        self.spec = spec
        """Which pairs are drawn, as given."""
        self.seed = rng.checked_seed(seed)
        """The key of every draw."""
        self.positives = _rounded(spec.positive_ratio, spec.pairs)
        """N_p, positive pairs in a step; they come first."""
        self.negatives = max(0, spec.pairs - (2 if spec.literal_algorithm1 else 1) * self.positives)
        """Negative pairs in a step."""
        self.too_small = np.flatnonzero(~fitting)
        """Videos that hold no volume, and are never used."""
        self.negatives_only = np.sort(rows[np.array([chance == 0 for chance in chances], bool)])
        """Videos that hold volumes but no two disjoint ones, and give no positive pair."""
        self._videos = videos
        self._choices = _alias_table(chances, weighted=spec.redraw == "video")
        self._settings = _settings(self.seed, self.positives, spec)
        self._check_enough(sizes)

    def plan(self, step: int, rows: slice = slice(None)) -> PairPlan:
        """The pairs of one step, or only those rows; a slice agrees byte for byte with the whole.

        Steps count from 0, and pair indices stay below 2**64 (else `InvalidSpec`).
        """
        pairs = self._indices(step, rows)
        video = np.empty((len(pairs), 2), np.int32)
        origin = np.empty((len(pairs), 2, 3), np.int32)
        changed = np.zeros((2, len(pairs), 2), np.bool_)
        color = np.empty((len(pairs), 2, 3), np.float32)
        color[:] = (0.0, 1.0, 1.0)
        _fill_plan(self._settings, self._videos, self._choices, pairs, video, origin, changed, color)
        positive = pairs % np.uint64(self.spec.pairs) < np.uint64(self.positives)
        label = np.where(positive, np.int8(1), np.int8(-1))
        recolor, flip = changed
        group = None if self._group is None else self._group[video]
        return PairPlan(video, origin, flip, recolor, color, label, self.spec.volume, self.spec.channels, group)

    def pair(self, index: int) -> PairPlan:
        """One row, the pair of that index: row `index % B` of step `index // B`; none if it is not drawn."""
        step, row = divmod(operator.index(index), self.spec.pairs)
        return self.plan(step, slice(row, row + 1))

    def _indices(self, step: int, rows: slice) -> NDArray[np.uint64]:
        first = operator.index(step) * self.spec.pairs
        if not 0 <= first <= 2**64 - self.spec.pairs:
            raise InvalidSpec(f"a step must lie between 0 and {2**64 // self.spec.pairs - 1}, not {step}")
        chosen = range(self.positives + self.negatives)[rows]
        return np.arange(chosen.start, chosen.stop, chosen.step).astype(np.uint64) + np.uint64(first)

    def _check_enough(self, sizes: NDArray[np.int64]) -> None:
        shape = self.spec.volume
        exist = _largest(sizes)
        if self.positives and not len(self._choices):
            near = "" if self.spec.boundary is None else f" within {self.spec.boundary} frames"
            raise NoPairs(f"no video holds two disjoint volumes of {shape}{near}: {exist}; ask for smaller volumes")
        usable = len(self._videos)
        if self.negatives and usable < 2:
            raise NoPairs(
                f"negative pairs need two videos that hold a volume of {shape}, not {usable}: {exist}; add videos"
            )
        if self.negatives and self._videos[0, _GROUP_SIZE] == usable:
            raise NoPairs(
                f"negative pairs need videos of two groups: all {usable} that hold {shape} are of one; add another"
            )


def _checked_extents(extents: ArrayLike) -> NDArray[np.int64]:
    array = np.asarray(extents)
    if array.size == 0:
        return np.empty((0, 3), np.int64)
    if array.ndim != 2 or array.shape[1] != 3 or array.dtype.kind not in "iu":
        raise InvalidSpec(f"extents must be whole numbers of shape (N, 3), not {array.dtype} of shape {array.shape}")
    if array.min() < 0 or array.max() >= 2**31 or len(array) >= 2**31:
        raise InvalidSpec(f"extents must lie between 0 and 2**31 - 1, not {array.min()} to {array.max()}")
    return array.astype(np.int64)


def _largest(sizes: NDArray[np.int64]) -> str:
    """How many videos there are, and the sizes of the longest, of that with the largest picture and of the biggest."""
    if not len(sizes):
        return "there are no videos"
    frames, area = sizes[:, 0], sizes[:, 1] * sizes[:, 2]
    # Ties go to the one that is larger in the other sense; voxels as floats, for their number may pass 2**63.
    orders = (np.lexsort((area, frames)), np.lexsort((frames, area)), np.argsort(frames * area.astype(np.float64)))
    extents = dict.fromkeys("x".join(map(str, sizes[order[-1]].tolist())) for order in orders)
    count = "the only video is" if len(sizes) == 1 else f"the largest of the {len(sizes)} videos are"
    return f"{count} {', '.join(extents)} (frames x height x width)"


def _rounded(ratio: float, pairs: int) -> int:
    """round(pB), half away from zero, of p as it is written: 0.29 of 50 pairs is 14.5, although not in binary."""
    return int((Decimal(str(float(ratio))) * pairs).to_integral_value(ROUND_HALF_UP))


def _settings(seed: int, positives: int, spec: MiningSpec) -> NDArray[np.uint64]:
    shape = spec.volume
    reach = 2**31 if spec.boundary is None else min(spec.boundary - shape.frames, 2**31)
    changes = [round(chance * 2**32) for chance in (spec.recolor_probability, spec.flip_probability)]
    numbers = [seed, spec.pairs, positives, shape.frames, shape.height, shape.width, reach, *changes]
    return np.array([*numbers, spec.augment == "both"], np.uint64)


def _by_group(
    usable: NDArray[np.int64], videos: int, groups: Sequence[Hashable] | NDArray[Any] | None
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """The usable videos, group after group as they first appear; and the first row and size of each one's group."""
    if groups is None:
        return usable, np.arange(len(usable)), np.ones(len(usable), np.int64)
    if len(groups) != videos:
        raise InvalidSpec(f"groups must name a group for each of the {videos} videos, not {len(groups)}")
    members: dict[Hashable, list[int]] = {}
    for video in usable.tolist():
        alone = groups[video] is None or groups[video] == -1
        members.setdefault((alone, video if alone else groups[video]), []).append(video)
    sizes = np.array([len(group) for group in members.values()], np.int64)
    rows = np.array([video for group in members.values() for video in group], np.int64)
    return rows, np.repeat(np.cumsum(sizes) - sizes, sizes), np.repeat(sizes, sizes)


def _events(sizes: NDArray[np.int64], spec: MiningSpec) -> tuple[NDArray[np.uint64], list[int]]:
    """(n, 2): the chances of event A and of A or B, times 2**63; and that two volumes are disjoint, times 2**64.

    The first given that they are disjoint; all given that they lie within the boundary.
    """
    extents = [(frames, height, width) for frames, height, width in sizes.tolist()]
    known = {extent: _chances(*boxes.events(extent, spec.volume, spec.boundary)) for extent in set(extents)}
    thresholds = [known[extent][:2] for extent in extents]
    return np.array(thresholds, np.uint64).reshape(-1, 2), [known[extent][2] for extent in extents]


def _chances(a: int, b: int, c: int, meeting: int) -> tuple[int, int, int]:
    apart = a + b + c
    if not apart:
        return 0, 0, 0
    return (a << 63) // apart, ((a + b) << 63) // apart, (apart << 64) // (apart + meeting)


def _alias_table(chances: list[int], weighted: bool) -> NDArray[np.uint64]:
    """(P, 3): for the rows with a chance, Vose's alias table of the chances or of equal ones, exact to 2**-64."""
    rows = [row for row, chance in enumerate(chances) if chance]
    table = np.array([(row, row, 0) for row in rows], np.uint64).reshape(-1, 3)
    full = sum(chances)
    left = [chances[row] * len(rows) for row in rows]
    light = [place for place in range(len(rows)) if weighted and left[place] < full]
    heavy = [place for place in range(len(rows)) if weighted and left[place] > full]
    while light:
        place, giver = light.pop(), heavy[-1]
        table[place, _ALIAS], table[place, _KEEP] = rows[giver], (left[place] << 64) // full
        left[giver] -= full - left[place]
        if left[giver] <= full:
            heavy.pop()
        if left[giver] < full:
            light.append(giver)
    return table


@kernel
def _fill_draws(seed: Any, pairs: Any, draws: Any) -> None:
    """(8, n): the draws of each pair. Nothing else in the loop, so that it becomes SIMD code."""
    for index in range(4):
        for i in range(len(pairs)):
            a, b, c, d = rng.block(seed, pairs[i], np.uint64(rng.PAIR), np.uint64(index))
            draws[2 * index, i] = a | (b << _HALF)
            draws[2 * index + 1, i] = c | (d << _HALF)


@kernel
def _apart(draw: Any, n: Any, low: Any, reach: Any) -> Any:
    """Two starts that are `low` to `reach` apart, by a draw."""
    high = min(reach, n - _ONE)
    row, rest = rng.split(draw, high - low + _ONE)
    return boxes.in_band(row, rng.split(rest, _TWO * n - low - high)[0], n, low, high)


@kernel
def _overlapping(draw: Any, n: Any, size: Any, reach: Any) -> Any:
    """Two starts that are less than `size` and at most `reach` apart, by a draw."""
    high = min(min(size - _ONE, reach), n - _ONE)
    count = n + high * (_TWO * n - _ONE - high)
    return boxes.overlapping(rng.split(draw, count)[0], n, high)


@kernel
def _anywhere(draw: Any, n: Any, m: Any) -> Any:
    """A start out of n and another out of m, by one draw."""
    first, rest = rng.split(draw, n)
    return first, rng.split(rest, m)[0]


@kernel
def _place_positive(
    settings: Any, choices: Any, videos: Any, draws: Any, i: Any, row: Any, video: Any, origin: Any
) -> None:
    """Two disjoint volumes of one video: t, then y, then x is apart; those before overlap, those after are free."""
    place, rest = rng.split(draws[0, i], np.uint64(len(choices)))
    own = choices[place, _ROW] == choices[place, _ALIAS] or rest < choices[place, _KEEP]
    found = choices[place, _ROW if own else _ALIAS]
    video[row, 0] = video[row, 1] = videos[found, _VIDEO]
    event = draws[1, i] >> _ONE
    apart = 0 if event < videos[found, _BELOW_A] else (1 if event < videos[found, _BELOW_B] else 2)
    for axis in range(3):
        n, size = videos[found, _STARTS_T + axis], settings[_FRAMES + axis]
        reach = settings[_REACH] if axis == 0 else n
        if axis < apart:
            origin[row, 0, axis], origin[row, 1, axis] = _overlapping(draws[2 + axis, i], n, size, reach)
        elif axis == apart:
            origin[row, 0, axis], origin[row, 1, axis] = _apart(draws[2 + axis, i], n, size, reach)
        else:
            origin[row, 0, axis], origin[row, 1, axis] = _anywhere(draws[2 + axis, i], n, n)


@kernel
def _place_negative(videos: Any, draws: Any, i: Any, row: Any, video: Any, origin: Any) -> None:
    """A volume of any video and one of any video of another group."""
    usable = np.uint64(len(videos))
    first, rest = rng.split(draws[0, i], usable)
    second = rng.split(rest, usable - videos[first, _GROUP_SIZE])[0]
    if second >= videos[first, _GROUP_FIRST]:
        second += videos[first, _GROUP_SIZE]
    video[row, 0], video[row, 1] = videos[first, _VIDEO], videos[second, _VIDEO]
    for axis in range(3):
        starts = _anywhere(draws[2 + axis, i], videos[first, _STARTS_T + axis], videos[second, _STARTS_T + axis])
        origin[row, 0, axis], origin[row, 1, axis] = starts


@kernel
def _fraction(word: Any) -> Any:
    """The middle of one of 2**23 equal parts of (0, 1): as float32, an affine image of it stays inside its bounds."""
    return (np.float64(word >> _UNUSED_BITS) + 0.5) * 2.0**-23


@kernel
def _change_second(settings: Any, draws: Any, i: Any, row: Any, changed: Any, color: Any) -> None:
    """F1 and F2 of the second member; the colour stays neutral where F1 is not applied."""
    changed[1, row, 1] = (draws[5, i] >> _HALF) < settings[_FLIP]
    if draws[5, i] & _LOW < settings[_RECOLOR]:
        changed[0, row, 1] = True
        color[row, 1, 0] = -0.1 + 0.2 * _fraction(draws[6, i] & _LOW)
        color[row, 1, 1] = 0.5 + 1.5 * _fraction(draws[6, i] >> _HALF)
        color[row, 1, 2] = 0.7 + 1.3 * _fraction(draws[7, i] & _LOW)


@kernel
def _fill_plan(
    settings: Any, videos: Any, choices: Any, pairs: Any, video: Any, origin: Any, changed: Any, color: Any
) -> None:
    draws = np.empty((8, _CHUNK), np.uint64)
    for first in range(0, len(pairs), _CHUNK):
        _fill_draws(settings[_SEED], pairs[first : first + _CHUNK], draws)
        for row in range(first, min(first + _CHUNK, len(pairs))):
            i = row - first
            positive = pairs[row] % settings[_PAIRS] < settings[_POSITIVES]
            if positive:
                _place_positive(settings, choices, videos, draws, i, row, video, origin)
            else:
                _place_negative(videos, draws, i, row, video, origin)
            if settings[_CHANGE_POSITIVES] or not positive:
                _change_second(settings, draws, i, row, changed, color)
