"""The rows of a plan as small codes, one for each field; and the exact chances of the codes."""

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from plan_laws.configurations import Configuration
from plan_laws.exact import Component, Table, components, mixed, starts
from stpairs_core.spec import PairPlan

Codes = NDArray[np.uint8]

FIELDS = ("first video", "second video", "event",
          "t of the first", "y of the first", "x of the first", "t of the second", "y of the second", "x of the second",
          "F1", "F2", "offset", "exponent", "scale")  # fmt: skip
SLOTS = 16
"""Codes of one field, at most."""
_VIDEOS, _EVENT, _COORDINATES, _F1, _F2, _COLORS = slice(0, 2), 2, slice(3, 9), 9, 10, slice(11, 14)
_BINS = 8
_LOWEST, _HIGHEST = np.array((-0.1, 0.5, 0.7)), np.array((0.1, 2.0, 2.0))


@dataclass(frozen=True, slots=True, eq=False)
class Population:
    """The positive or the negative rows of a configuration, and the exact chances of what they hold."""

    configuration: Configuration
    label: int
    places: NDArray[np.int64]
    """(3,): the most starts of any video, on each axis."""
    parts: list[Component]
    bins: tuple[NDArray[np.int64], ...]
    """For each axis, the code of each start."""

    @property
    def name(self) -> str:
        return f"{self.configuration.name}, {'positive' if self.label == 1 else 'negative'}"

    @property
    def chances(self) -> tuple[float, float]:
        """Of F1 and F2."""
        spec = self.configuration.spec
        changed = self.label == -1 or spec.augment == "both"
        return (spec.recolor_probability, spec.flip_probability) if changed else (0.0, 0.0)


def population(configuration: Configuration, label: int) -> Population:
    places = starts(configuration).max(axis=0)
    bins = tuple(np.arange(n) * min(n, _BINS) // n for n in places.tolist())
    return Population(configuration, label, places, components(configuration, label), bins)


def rows_of(whose: Population) -> slice:
    """Which rows of a step belong to a population: the first round(pB) are positive."""
    spec = whose.configuration.spec
    positive = int(spec.positive_ratio * spec.pairs + 0.5)
    last = spec.pairs - positive if spec.literal_algorithm1 else spec.pairs
    return slice(0, positive) if whose.label == 1 else slice(positive, last)


def possible(plan: PairPlan, whose: Population) -> bool:
    """Whether rows are as many as they should be, hold values in their ranges, and leave the first members alone."""
    rows, free = rows_of(whose), starts(whose.configuration)
    if len(plan) != rows.stop - rows.start or not (plan.label == whose.label).all():
        return False
    if plan.video.min() < 0 or plan.video.max() >= len(free) or plan.origin.min() < 0:
        return False
    if (plan.shape, plan.stride) != (whose.configuration.spec.volume, whose.configuration.spec.temporal_stride):
        return False
    still = not plan.flip[:, 0].any() and not plan.recolor[:, 0].any()
    return bool(still and (plan.origin < free.astype(np.int32)[plan.video]).all()) and _colors_possible(plan)


def _colors_possible(plan: PairPlan) -> bool:
    changed, neutral = plan.recolor[:, 1], np.array((0.0, 1.0, 1.0), np.float32)
    drawn = plan.color[:, 1][changed]
    if not ((plan.color[:, 0] == neutral).all() and (plan.color[:, 1][~changed] == neutral).all()):
        return False
    return not len(drawn) or bool((drawn.min(0) >= _LOWEST).all() and (drawn.max(0) <= _HIGHEST).all())


def event_of(plan: PairPlan, size: tuple[int, int, int]) -> NDArray[np.uint8]:
    """Apart on which axis first; 3 for volumes that meet."""
    apart = np.abs(plan.origin[:, 0] - plan.origin[:, 1]) >= size
    return np.where(apart.any(axis=1), apart.argmax(axis=1), 3).astype(np.uint8)


def fractions(plan: PairPlan) -> NDArray[np.float64]:
    """(n, 3): where offset, exponent and scale of the second member lie in their ranges, from 0 to below 1."""
    scaled = (plan.color[:, 1].astype(np.float64) - _LOWEST) * (1 / (_HIGHEST - _LOWEST))
    return np.asarray(np.minimum(scaled, np.nextafter(1.0, 0.0)))


def codes(plan: PairPlan, whose: Population) -> Codes:
    """(fields, n): each row's code in each field."""
    out = np.zeros((len(FIELDS), len(plan)), np.uint8)
    out[_VIDEOS] = plan.video.T
    if whose.label == 1:
        out[_EVENT] = event_of(plan, whose.configuration.size)
    for side in (0, 1):
        for axis in range(3):
            out[3 + 3 * side + axis] = whose.bins[axis].astype(np.uint8)[plan.origin[:, side, axis]]
    out[_F1], out[_F2] = plan.recolor[:, 1], plan.flip[:, 1]
    out[_COLORS] = np.where(plan.recolor[:, 1], 1 + (fractions(plan) * _BINS).T.astype(np.uint8), 0)
    return out


@cache
def margins(whose: Population) -> Table:
    """(fields, SLOTS): the chance of each code."""
    by_part = np.stack([_given(part, whose.bins) for part in whose.parts])
    return _change_margins(mixed(whose.parts, list(by_part)), whose)


@cache
def joints(whose: Population) -> Table:
    """(fields, fields, SLOTS, SLOTS): the chance of each two codes in one row."""
    by_part = np.stack([_given(part, whose.bins) for part in whose.parts])
    weights = np.array([part.weight for part in whose.parts])
    out: Table = np.einsum("k,kia,kjb->ijab", weights, by_part, by_part, optimize=True)
    for axis in range(3):
        tables = [_binned(part.axes[axis], whose.bins[axis]) for part in whose.parts]
        out[3 + axis, 6 + axis] = mixed(whose.parts, tables)
    each = _change_margins(mixed(whose.parts, list(by_part)), whose)
    for i in range(len(FIELDS)):
        for j in range(max(i + 1, _F1), len(FIELDS)):
            linked = i in (9, 11, 12, 13) and j != _F2
            out[i, j] = _with_f1(whose.chances[0], i, j) if linked else np.outer(each[i], each[j])
    return out


def _binned(table: Table, bins: NDArray[np.int64]) -> Table:
    which = [np.eye(SLOTS)[bins[:n]] for n in table.shape]
    return np.asarray(which[0].T @ table @ which[1])


def _given(part: Component, bins: tuple[NDArray[np.int64], ...]) -> Table:
    """(fields, SLOTS): the chances of the codes of videos, event and coordinates in one component."""
    out = np.zeros((len(FIELDS), SLOTS))
    for field, code in zip((0, 1, 2), (*part.videos, part.event), strict=True):
        out[field, code] = 1.0
    for axis, table in enumerate(part.axes):
        binned = _binned(table, bins[axis])
        out[3 + axis], out[6 + axis] = binned.sum(axis=1), binned.sum(axis=0)
    return out


def _change_margins(known: Table, whose: Population) -> Table:
    f1, f2 = whose.chances
    out = known.copy()
    out[_F1, :2], out[_F2, :2] = (1 - f1, f1), (1 - f2, f2)
    out[_COLORS, 0], out[_COLORS, 1 : 1 + _BINS] = 1 - f1, f1 / _BINS
    return out


def _with_f1(chance: float, i: int, j: int) -> Table:
    """F1 and the colours: independent of each other where there is F1, and neutral where there is none."""
    out = np.zeros((SLOTS, SLOTS))
    some = [np.eye(SLOTS)[1] if field == _F1 else np.r_[0.0, np.full(_BINS, 1 / _BINS), np.zeros(SLOTS - 1 - _BINS)]
            for field in (i, j)]  # fmt: skip
    out[0, 0] = 1 - chance
    return np.asarray(out + chance * np.outer(*some))
