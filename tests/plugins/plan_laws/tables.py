"""Counts of codes, and what they say: how likely counts at least as far from their chances are."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special

from plan_laws.exact import Table
from plan_laws.fields import FIELDS, SLOTS, Codes
from stpairs_core.jit import kernel

Counts = NDArray[np.int64]
_TOO_FEW = 20.0
_BLOCK = 8192  # rows of two fields that stay in the first cache


@kernel
def _cross(x: Any, y: Any, shift: Any, within: Any, out: Any) -> None:
    start, stop = max(0, -shift), x.shape[1] - max(0, shift)
    for first in range(start, stop, _BLOCK):
        for i in range(x.shape[0]):
            for j in range(i + 1 if within else 0, y.shape[0]):
                for row in range(first, min(first + _BLOCK, stop)):
                    out[i, j, x[i, row], y[j, row + shift]] += 1


def cross(x: Codes, y: Codes, shift: int = 0, within: bool = False) -> Counts:
    """(fields of x, of y, SLOTS, SLOTS): how often a code of x stands `shift` rows before one of y; or only i < j."""
    out = np.zeros((len(x), len(y), SLOTS, SLOTS), np.int64)
    _cross(x, y, shift, within, out)
    return out


def chi_square(counts: Counts, chances: Table, classes: int = 1) -> float:
    """The p-value of counts; 0 where something impossible was found, NaN where there was no choice.

    `classes` is how many totals were fixed beforehand. From 30 degrees of freedom on, counts that are too even count as
    much as counts that are too uneven. Cells where fewer than twenty are expected are taken together.
    """
    expected = counts.sum() / chances.sum() * chances.ravel()
    found = counts.ravel()
    if found[expected == 0].any():
        return 0.0
    large = expected >= _TOO_FEW
    rest = expected[~large].sum()
    cells = int(large.sum())
    statistic = float(((found[large] - expected[large]) ** 2 / expected[large]).sum())
    if rest >= _TOO_FEW:
        cells += 1
        statistic += (found[~large].sum() - rest) ** 2 / rest
    return tail(statistic, cells - classes)


def tail(statistic: float, freedom: int) -> float:
    """The p-value of a sum of `freedom` squares: of both tails from 30 on, else of the upper one."""
    if freedom < 1:
        return np.nan
    above, below = special.chdtrc(freedom, statistic), special.chdtr(freedom, statistic)
    return float(2 * min(above, below)) if freedom >= 30 else float(above)


def kolmogorov_smirnov(counts: Counts) -> float:
    """The p-value of counts in many equal cells, against the uniform law."""
    total, cells = counts.sum(), len(counts)
    if not total:
        return np.nan
    distance = np.abs(counts.cumsum() / total - np.arange(1, cells + 1) / cells).max()
    return float(special.kolmogorov(np.sqrt(total) * distance))


def each_two(counts: Counts, chances: Table, within: bool = False) -> dict[str, float]:
    """The p-value of each table of `cross`."""
    return {
        f"{FIELDS[i]} x {FIELDS[j]}": chi_square(counts[i, j], chances[i, j])
        for i in range(len(FIELDS))
        for j in range(i + 1 if within else 0, len(FIELDS))
    }
