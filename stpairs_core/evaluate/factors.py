"""A table of what features know: each known factor of the videos, read from each kind of features."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from numpy.typing import ArrayLike, NDArray

from stpairs_core.evaluate.probe import chance, linear_probe


@dataclass(frozen=True, slots=True)
class FactorRow:
    """How well one factor can be read."""

    factor: str
    """Its name."""
    chance: float
    """Accuracy of always saying the commonest value."""
    accuracy: Mapping[str, float]
    """Of a linear probe, for each kind of features."""


def factor_table(
    features: Mapping[str, NDArray[Any]], factors: Mapping[str, Sequence[str]], train: ArrayLike, test: ArrayLike
) -> list[FactorRow]:
    """One row for each factor: a linear probe on each kind of features, learned on `train` and asked on `test`.

    `features` maps a name, such as "learned", to (N, width); `factors` a name to N values, such as colour names;
    `train` and `test` are row numbers or masks.
    """
    rows = []
    for factor, values in factors.items():
        accuracy = {name: linear_probe(vectors, values, train, test) for name, vectors in features.items()}
        rows.append(FactorRow(factor, chance(values, train, test), accuracy))
    return rows
