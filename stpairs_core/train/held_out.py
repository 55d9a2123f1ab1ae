"""The videos kept out of training, and the pairs that are measured on them."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stpairs_core import boxes, rng
from stpairs_core.errors import InvalidSpec
from stpairs_core.groups import Groups, numbered
from stpairs_core.materialize import materialize
from stpairs_core.plan import PairMiner
from stpairs_core.protocols import Learner, VideoSource
from stpairs_core.spec import MiningSpec, PairPlan, TrainSpec
from stpairs_core.train.metrics import accuracy, auc
from stpairs_core.train.stopping import Stop, never

PAIRS = 200
"""Pairs of a measurement: at an AUC of 0.8 its standard error is 0.03."""


@dataclass(frozen=True, slots=True, eq=False)
class Split:
    """Which videos are learned from and which are kept out; together they are all."""

    train: NDArray[np.int64]
    """Videos to learn from, in ascending order."""
    held_out: NDArray[np.int64]
    """Videos to measure on, in ascending order; empty when none could be spared."""
    note: str | None = None
    """Why nothing is held out though a share was asked for."""


def split_videos(extents: NDArray[np.int32], spec: TrainSpec, groups: Groups = None) -> Split:
    """A share of the videos that hold a volume for measuring, the rest for learning; no group on both sides.

    A pure function of the seed, the sizes and the groups. At least two groups (without groups, videos) are held out,
    each of which can yield a positive pair, and together negative ones; nothing, when the rest could not train then.
    """
    everything, nothing = np.arange(len(extents)), np.empty(0, np.int64)
    if spec.held_out == 0:
        return Split(everything, nothing)
    volume = spec.mining.span
    fits = boxes.fits(extents, volume)
    group = numbered(groups, len(extents))
    count = int(group.max(initial=-1)) + 1
    hold = np.bincount(group, fits, count)  # (groups,): videos that hold a volume
    pair = np.bincount(group, _hold_two(extents, spec.mining), count)  # (groups,): videos that hold two disjoint ones
    taken = _taken(rng.permutation(spec.seed, 0, rng.HELD_OUT, count), hold, pair, spec.held_out)
    if not taken:
        units = "videos" if groups is None else "groups of videos"
        note = f"nothing is held out, so no AUC is measured: too few {units} hold two disjoint volumes of {volume}"
        return Split(everything, nothing, note)
    held = np.isin(group, taken)
    return Split(np.flatnonzero(~held), np.flatnonzero(held))


def _taken(order: NDArray[np.int64], hold: NDArray[Any], pair: NDArray[Any], share: float) -> list[int]:
    """The groups to hold out, in that order, until their videos are the share asked for."""
    target = max(2, int(share * hold.sum() + 0.5))
    left_pair, left_groups, held = pair.sum(), np.count_nonzero(hold), 0
    taken: list[int] = []
    for number in order.tolist():
        # What is left must yield a positive pair, and a negative one, which takes two groups.
        if pair[number] and left_pair > pair[number] and left_groups > 2:
            taken.append(number)
            left_pair, left_groups, held = left_pair - pair[number], left_groups - 1, held + hold[number]
        if len(taken) >= 2 and held >= target:
            break
    return taken if len(taken) >= 2 else []


def _hold_two(extents: NDArray[np.int32], mining: MiningSpec) -> NDArray[np.bool_]:
    """(N,): whether a video holds two disjoint volumes."""
    kinds, kind = np.unique(extents, axis=0, return_inverse=True)
    apart = [sum(boxes.events(tuple(extent), mining.span, mining.boundary)[:3]) > 0 for extent in kinds.tolist()]
    return np.array(apart, bool)[kind.reshape(-1)]


class Mined:
    """The plans of some of a source's videos, with the numbers that those videos have in the whole source.

    `InvalidSpec` unless each step has pairs of both classes: neither the hinge of Eqn. 2 nor an AUC is defined else.
    """

    def __init__(
        self, source: VideoSource, videos: NDArray[np.int64], spec: MiningSpec, seed: int, groups: Groups
    ) -> None:
        chosen = None if groups is None else [groups[video] for video in videos]
        self._videos = videos.astype(np.int32)
        self._miner = PairMiner(source.extents[videos], spec, seed, chosen)
        self.too_small = videos[self._miner.too_small]
        """Those of the videos that hold no volume, and are never used."""
        positives, negatives = self._miner.positives, self._miner.negatives
        if not positives or not negatives:
            made = f"{positives} positive and {negatives} negative pairs"
            raise InvalidSpec(
                f"learning needs both classes in every step, but positive_ratio={spec.positive_ratio} of "
                f"pairs={spec.pairs} makes {made}; change positive_ratio or pairs"
            )

    def plan(self, step: int, rows: slice = slice(None)) -> PairPlan:
        """The pairs of a step, or some rows of them."""
        plan = self._miner.plan(step, rows)
        return replace(plan, video=self._videos[plan.video])


@dataclass(frozen=True, slots=True)
class Measured:
    """How well a learner tells pairs of held-out videos apart."""

    auc: float
    """Chance that a positive pair scores above a negative one."""
    accuracy: float
    """Share of pairs whose score has the right sign."""


class HeldOutPairs:
    """Always the same pairs of the held-out videos, half of them positive, changed as in training."""

    def __init__(self, source: VideoSource, split: Split, spec: TrainSpec, groups: Groups = None) -> None:
        self._source = source
        self._rows = spec.mining.pairs  # at a time: memory stays that of a training step
        mining = replace(spec.mining, pairs=PAIRS, positive_ratio=0.5, literal_algorithm1=False)
        # A seed of their own: under the training seed these pairs would take the boxes and colours of step 0.
        low, high = rng.words(spec.seed, 1, rng.HELD_OUT, 2).tolist()
        self._mined = Mined(source, split.held_out, mining, low | high << 32, groups)

    def measure(self, learner: Learner, stop: Stop = never) -> Measured | None:
        """AUC and accuracy of the learner's scores; None when it was asked to stop before all were made."""
        plan = self._mined.plan(0)
        scores = np.empty(len(plan), np.float32)
        for first in range(0, len(plan), self._rows):
            if stop():
                return None
            rows = slice(first, min(first + self._rows, len(plan)))
            scores[rows] = learner.score(materialize(self._mined.plan(0, rows), self._source))
        return Measured(auc(scores, plan.label), accuracy(scores, plan.label))
