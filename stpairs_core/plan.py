"""Pair plans: (seed, step) -> which boxes make the pairs of a step, and what is changed. Algorithm 1 of the paper."""

import hashlib
import operator
from dataclasses import replace
from decimal import ROUND_HALF_UP, Decimal
from typing import NamedTuple, final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stpairs_core import boxes, draws, rng
from stpairs_core.errors import InvalidSpec, NoPairs
from stpairs_core.groups import Groups, numbered
from stpairs_core.spec import MiningSpec, PairPlan, VolumeShape

UInt32s = NDArray[np.uint32]
UInt64s = NDArray[np.uint64]


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
        groups: Groups = None,
    ) -> None:
        sizes = _checked_extents(extents)
        kinds, kind = _distinct(sizes)
        fitting = boxes.fits(kinds, spec.span)[kind]
        rows, group = _by_group(np.flatnonzero(fitting), len(sizes), groups)
        kind = kind[rows]
        chances = _chances(kinds, spec)
        apart = np.array([chance.apart > 0 for chance in chances], np.bool_)[kind]
        videos = np.stack([rows, kind], axis=1).astype(np.uint32)
        choices, keep = _choices(np.flatnonzero(apart), videos, chances, weighted=spec.redraw == "video")

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
        self.negatives_only = np.sort(rows[~apart])
        """Videos that hold volumes but no two disjoint ones, and give no positive pair."""
        self._tables = (_kind_table(kinds, chances, spec.span), videos, group, choices, keep)
        self._settings = _settings(self.seed, spec)
        self._group = None
        if groups is not None:
            self._group = np.full(len(sizes), -1, np.int32)
            self._group[rows] = group[:, 0]  # the first row of a group is its number
        self._check_enough(sizes)

    def plan(self, step: int, rows: slice = slice(None)) -> PairPlan:
        """The pairs of one step, or only those rows; a slice agrees byte for byte with the whole.

        Steps count from 0, and pair indices stay below 2**64 (else `InvalidSpec`).
        """
        chosen = range(self.positives + self.negatives)[rows]
        if chosen.step != 1:  # those between are drawn too, and left out
            low, high = (min(chosen), max(chosen) + 1) if chosen else (0, 0)
            return _taken(self.plan(step, slice(low, high)), np.array(chosen, np.intp) - low)
        count, positives = len(chosen), min(max(self.positives - chosen.start, 0), len(chosen))
        video = np.empty((count, 2), np.int32)
        origin = np.empty((count, 2, 3), np.int32)
        flip = np.empty((count, 2), np.bool_)
        recolor = np.empty((count, 2), np.bool_)
        color = np.empty((count, 2, 3), np.float32)
        first = np.uint64(self._first(step) + (chosen.start if count else 0))
        draws.fill(self._settings, self._tables, first, positives, (video, origin, flip, recolor, color))
        label = np.full(count, -1, np.int8)
        label[:positives] = 1
        group = None if self._group is None else self._group[video]
        spec = self.spec
        return PairPlan(
            video, origin, flip, recolor, color, label, spec.volume, spec.channels, group, spec.temporal_stride
        )

    def pair(self, index: int) -> PairPlan:
        """One row, the pair of that index: row `index % B` of step `index // B`; none if it is not drawn."""
        most = 2**64 // self.spec.pairs * self.spec.pairs - 1
        if not 0 <= operator.index(index) <= most:
            raise InvalidSpec(f"the index of a pair must lie between 0 and {most}, not {index}")
        step, row = divmod(operator.index(index), self.spec.pairs)
        return self.plan(step, slice(row, row + 1))

    @property
    def videos_sha256(self) -> str:
        """SHA-256 of all that plans depend on besides the spec and the seed: the sizes and groups of the videos."""
        digest = hashlib.sha256()
        for table in self._tables:
            digest.update(f"{table.dtype} {table.shape} ".encode() + table.tobytes())
        return digest.hexdigest()

    def _first(self, step: int) -> int:
        """The index of a step's first pair."""
        first = operator.index(step) * self.spec.pairs
        if not 0 <= first <= 2**64 - self.spec.pairs:
            raise InvalidSpec(f"a step must lie between 0 and {2**64 // self.spec.pairs - 1}, not {step}")
        return first

    def _check_enough(self, sizes: NDArray[np.int64]) -> None:
        shape, (_, videos, group, choices, _) = self.spec.span, self._tables
        exist = _largest(sizes)
        if self.positives and not len(choices):
            near = "" if self.spec.boundary is None else f" within {self.spec.boundary} frames"
            raise NoPairs(f"no video holds two disjoint volumes of {shape}{near}: {exist}; ask for smaller volumes")
        usable = len(videos)
        if self.negatives and usable < 2:
            raise NoPairs(
                f"negative pairs need two videos that hold a volume of {shape}, not {usable}: {exist}; add videos"
            )
        if self.negatives and len(group) and group[0, 1] == usable:
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
    return np.asarray(array, np.int64)


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


def _settings(seed: int, spec: MiningSpec) -> UInt64s:
    """In the order of `draws.SEED` and so on."""
    span = spec.span
    reach = 2**31 if spec.boundary is None else min(spec.boundary - span.frames, 2**31)
    recolor, flip = (round(chance * 2**32) for chance in (spec.recolor_probability, spec.flip_probability))
    both = spec.augment == "both"
    return np.array([seed, span.frames, span.height, span.width, reach, recolor, flip, both], np.uint64)


def _by_group(usable: NDArray[np.int64], videos: int, groups: Groups) -> tuple[NDArray[np.int64], UInt32s]:
    """The usable videos, group after group as they first appear; and the first row and size of each one's group."""
    if groups is None:
        return usable, np.empty((0, 2), np.uint32)
    if len(groups) != videos:
        raise InvalidSpec(f"groups must name a group for each of the {videos} videos, not {len(groups)}")
    names = groups.tolist() if isinstance(groups, np.ndarray) else groups
    number = numbered([names[video] for video in usable.tolist()], len(usable))
    order = np.argsort(number, kind="stable")
    size = np.bincount(number)
    table = np.stack([np.cumsum(size) - size, size], axis=1)
    return usable[order], table[number[order]].astype(np.uint32)


def _distinct(sizes: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(K, 3): the different sizes; and (n,): which of them each one is. A million videos share a few thousand."""
    kind = np.zeros(len(sizes), np.int64)
    example = np.zeros(0, np.int64)
    for axis in range(3):
        values, place = np.unique(sizes[:, axis], return_inverse=True)
        _, example, kind = np.unique(kind * max(len(values), 1) + place, return_index=True, return_inverse=True)
    return sizes[example], kind


class _Chances(NamedTuple):
    """Of one kind of video, from its numbers of ordered pairs of volumes within the boundary."""

    in_a: int
    """That disjoint volumes are apart in t, times 2**63."""
    in_a_or_b: int
    """That they are apart in t or y, times 2**63."""
    apart: int
    """That two volumes are disjoint, times 2**64."""


def _chances(kinds: NDArray[np.int64], spec: MiningSpec) -> list[_Chances]:
    found = []
    for frames, height, width in kinds.tolist():
        a, b, c, meeting = boxes.events((frames, height, width), spec.span, spec.boundary)
        apart = a + b + c
        shares = ((a << 63) // apart, ((a + b) << 63) // apart) if apart else (0, 0)
        found.append(_Chances(*shares, (apart << 64) // max(apart + meeting, 1)))
    return found


def _kind_table(kinds: NDArray[np.int64], chances: list[_Chances], span: VolumeShape) -> UInt64s:
    """(K, 8), in the columns that `draws` reads."""
    table = np.zeros((len(kinds), 8), np.uint64)
    table[:, draws.STARTS_T : draws.STARTS_X + 1] = np.maximum(boxes.starts(kinds, span), 0)
    for row, chance in enumerate(chances):
        table[row, draws.BELOW_A], table[row, draws.BELOW_B] = chance.in_a, chance.in_a_or_b
    return table


def _choices(
    rows: NDArray[np.int64], videos: UInt32s, chances: list[_Chances], weighted: bool
) -> tuple[UInt32s, UInt64s]:
    """What positives are drawn from: number and kind of the videos in those rows, and below which draw each stays.

    Weighted by the chance that two volumes are disjoint it is Vose's alias table, exact to 2**-64, with number and kind
    of an alias in two columns more. With equal weights every video stays, and there are no thresholds.
    """
    own = videos[rows]
    if not weighted:
        return own, np.empty(0, np.uint64)
    weights = [chances[kind].apart for kind in own[:, 1].tolist()]
    alias, keep = np.arange(len(rows)), np.full(len(rows), 2**64 - 1, np.uint64)
    full = sum(weights)
    left = [weight * len(rows) for weight in weights]
    light = [place for place in range(len(rows)) if left[place] < full]
    heavy = [place for place in range(len(rows)) if left[place] > full]
    while light:
        place, giver = light.pop(), heavy[-1]
        alias[place], keep[place] = giver, (left[place] << 64) // full
        left[giver] -= full - left[place]
        if left[giver] <= full:
            heavy.pop()
        if left[giver] < full:
            light.append(giver)
    return np.concatenate([own, own[alias]], axis=1), keep


def _taken(plan: PairPlan, rows: NDArray[np.intp]) -> PairPlan:
    """Some rows of a plan."""
    columns = ("video", "origin", "flip", "recolor", "color", "label")
    group = None if plan.group is None else plan.group[rows]
    return replace(plan, group=group, **{name: getattr(plan, name)[rows] for name in columns})
