"""How often a negative pair is none: two videos of one class, though of different names. Section 2 of the paper."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stpairs_core.errors import InvalidSpec
from stpairs_core.groups import Groups, numbered


@dataclass(frozen=True, slots=True)
class FalseNegatives:
    """What labels say of the negative pairs that a miner draws, exactly: no pair is drawn to find it out."""

    rate: float
    """Chance that the two videos of a negative pair have the same label, given that both have one."""
    labelled: float
    """Chance that both videos of a negative pair have a label; `rate` says nothing of the others."""
    bound: float
    """The paper's bound on `rate`: `negative_collision_bound` of the labels."""


def negative_collision_bound(counts: ArrayLike) -> float:
    """min(1, m (max n_k / Σ n_k)²): a bound on the chance that two videos are of one class, for classes of n_k videos.

    Paper, section 2. True as printed, where both videos are drawn from all, p = Σ (n_k / Σ n_k)², with equality for
    classes of one size; so also for two different videos, and for two of different groups. But max n_k / Σ n_k bounds
    all three, and is never the larger one; the paper's p_max -> 0 follows from it, and not from m times its square.
    Classes of no videos are none.

    >>> negative_collision_bound([100] * 50)
    0.02
    >>> negative_collision_bound([90, 5, 5])
    1.0
    """
    sizes = np.asarray(counts)
    if sizes.ndim != 1 or sizes.dtype.kind not in "iu" or sizes.min(initial=0) < 0 or not sizes.any():
        raise InvalidSpec(f"counts must be the sizes of some classes, whole numbers and not all 0; not {counts!r}")
    known: list[int] = sizes[sizes > 0].tolist()
    return min(1.0, len(known) * max(known) ** 2 / sum(known) ** 2)


def false_negatives(labels: Sequence[Hashable], groups: Groups = None, unused: ArrayLike = ()) -> FalseNegatives:
    """What is to be expected of a `PairMiner`'s negative pairs, in closed form.

    The miner draws the first video from all that hold a volume, and the second from those of other groups. `labels`
    has one for each video, "" or None where there is none; `groups` are the miner's; `unused` are the videos that it
    never takes, its `.too_small`. An `InvalidSpec` where no negative pair has two labels.

    >>> false_negatives(["run", "run", "jump", "jump"]).rate
    0.3333333333333333
    >>> false_negatives(["run", "run", "jump", "jump"], groups=["a", "b", "a", "b"]).rate
    0.5
    """
    group = numbered(groups, len(labels))
    usable = np.setdiff1d(np.arange(len(labels)), _numbers_of("unused", unused, len(labels)))
    names: dict[Hashable, int] = {}
    known = [-1 if name in (None, "") else names.setdefault(name, len(names)) for name in labels]
    label = np.array(known, np.int64)[usable]
    weight, in_group = _weights(group[usable])
    if not (label >= 0).any() or not (both := _chance(weight, in_group, np.minimum(label, 0) + 1)) > 0:
        raise InvalidSpec(
            f"no negative pair has two labels: {(label >= 0).sum()} of {len(label)} usable videos have one"
        )
    same = _chance(weight, in_group, label + 1)
    return FalseNegatives(same / both, both, negative_collision_bound(np.bincount(label[label >= 0])))


def _numbers_of(name: str, videos: ArrayLike, count: int) -> NDArray[np.int64]:
    numbers = np.asarray(videos)
    if numbers.size == 0:
        return np.empty(0, np.int64)
    if numbers.dtype.kind not in "iu" or numbers.min() < 0 or numbers.max() >= count:
        raise InvalidSpec(f"{name} must be numbers of videos, from 0 to {count - 1}, not {videos!r}")
    return numbers.astype(np.int64)


def _weights(group: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """(n,): the chance of each ordered pair that a video is the first of; and (n,): groups numbered from 0."""
    _, number, sizes = np.unique(group, return_inverse=True, return_counts=True)
    others = len(group) - sizes[number]
    if not others.all() or not len(group):
        raise InvalidSpec(f"negative pairs need videos of two groups: {len(group)} usable videos are of {len(sizes)}")
    return 1 / (len(group) * others), number


def _chance(weight: NDArray[np.float64], group: NDArray[np.int64], kind: NDArray[np.int64]) -> float:
    """The chance that both videos of a negative pair are of one kind; kind 0 is none."""
    of_kind = np.bincount(kind)
    cell = group * len(of_kind) + kind
    _, place, in_cell = np.unique(cell, return_inverse=True, return_counts=True)
    partners = of_kind[kind] - in_cell[place]  # of the same kind, in other groups
    return float((weight * partners)[kind > 0].sum())
