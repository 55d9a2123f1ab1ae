"""A table of what features know: each known factor of the videos, read from each kind of features."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
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
    tested: int
    """Videos that it was read of."""


def factor_table(
    features: Mapping[str, NDArray[Any]], factors: Mapping[str, Sequence[str]], train: ArrayLike, test: ArrayLike
) -> list[FactorRow]:
    """One row for each factor: a linear probe on each kind of features, learned on `train` and asked on `test`.

    `features` maps a name, such as "learned", to (N, width); `factors` a name to N values, such as colour names;
    `train` and `test` are row numbers or masks.
    """
    asked = np.asarray(test)
    tested = int(asked.sum()) if asked.dtype == bool else len(asked)
    rows = []
    for factor, values in factors.items():
        accuracy = {name: linear_probe(vectors, values, train, test) for name, vectors in features.items()}
        rows.append(FactorRow(factor, chance(values, train, test), accuracy, tested))
    return rows


def as_markdown(rows: Sequence[FactorRow]) -> str:
    """The table as Markdown, each accuracy with its standard error.

    >>> print(as_markdown([FactorRow("action", 0.25, {"learned": 0.5}, 100)]))
    | factor | chance | learned |
    |---|---|---|
    | action | 0.250 | 0.500 ± 0.050 |
    """
    names = list(rows[0].accuracy) if rows else []
    lines = [["factor", "chance", *names], ["---"] * (2 + len(names))]
    for row in rows:
        shares = [_with_error(row.accuracy[name], row.tested) for name in names]
        lines.append([row.factor, f"{row.chance:.3f}", *shares])
    head, rule, *body = lines
    joined = [f"| {' | '.join(head)} |", f"|{'|'.join(rule)}|", *(f"| {' | '.join(cells)} |" for cells in body)]
    return "\n".join(joined)


def _with_error(share: float, count: int) -> str:
    return f"{share:.3f} ± {(share * (1 - share) / count) ** 0.5:.3f}"
