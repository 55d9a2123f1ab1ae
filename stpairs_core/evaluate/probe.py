"""What features know: linear probes, and how many directions they use."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stpairs_core.errors import InvalidSpec, MissingPart

_STRENGTHS = tuple(10.0**power for power in range(-1, 6))
"""Ridge penalties to choose from by leaving one out of the training rows: few rows a feature up to many."""


def linear_probe(features: NDArray[Any], labels: Sequence[str], train: ArrayLike, test: ArrayLike) -> float:
    """The share of test rows whose label a ridge classifier reads from the features, learned on the train rows.

    `features` is (N, width), `labels` has N; `train` and `test` are row numbers or masks that share no row. Features
    are standardised by the train rows. Without scikit-learn a `MissingPart`.
    """
    values, names = _checked(features, labels)
    learned, asked = _rows(train, len(names), "train"), _rows(test, len(names), "test")
    if np.intersect1d(learned, asked).size:
        raise InvalidSpec("train and test rows of a probe must not overlap")
    if len(set(names[learned])) == 1:  # nothing to tell apart
        return float((names[asked] == names[learned[0]]).mean())
    classifier = _ridge()
    standard = _standardised(values, learned)
    classifier.fit(standard[learned], names[learned])
    return float((classifier.predict(standard[asked]) == names[asked]).mean())


def chance(labels: Sequence[str], train: ArrayLike, test: ArrayLike) -> float:
    """The share of test rows with the commonest label of the train rows: what one gets without looking.

    >>> chance(["wave", "wave", "zoom", "wave", "zoom"], train=[0, 1, 2], test=[3, 4])
    0.5
    """
    names = np.asarray(labels)
    known, counts = np.unique(names[_rows(train, len(names), "train")], return_counts=True)
    return float((names[_rows(test, len(names), "test")] == known[counts.argmax()]).mean())


def effective_rank(features: NDArray[Any]) -> float:
    """How many directions the features use: e to the entropy of the singular values about their mean (Roy, 2007).

    Between 1 and the smaller of rows - 1 and width; 0 when all rows are equal.

    >>> round(effective_rank(np.eye(4)), 6)
    3.0
    """
    values, _ = _checked(features, [""] * len(features))
    singular = np.linalg.svd(values - values.mean(axis=0), compute_uv=False)
    used = singular[singular > singular.max(initial=0.0) * 1e-12]
    if not len(used):
        return 0.0
    share = used / used.sum()
    return float(np.exp(-(share * np.log(share)).sum()))


def _checked(features: NDArray[Any], labels: Sequence[str]) -> tuple[NDArray[np.float64], NDArray[np.str_]]:
    values, names = np.asarray(features, np.float64), np.asarray(labels, np.str_)
    if values.ndim != 2 or names.ndim != 1 or len(values) != len(names) or not len(values):
        raise InvalidSpec(f"features {values.shape} must be (N, width) and have N labels, not {names.shape}")
    if not np.isfinite(values).all():
        raise InvalidSpec(f"{int((~np.isfinite(values)).sum())} numbers of the features are not finite")
    return values, names


def _rows(chosen: ArrayLike, count: int, what: str) -> NDArray[np.int64]:
    """Row numbers of a mask or of row numbers."""
    array = np.asarray(chosen)
    numbers = np.flatnonzero(array) if array.dtype == bool and array.shape == (count,) else array
    if numbers.ndim != 1 or numbers.dtype.kind not in "iu" or not len(numbers):
        raise InvalidSpec(f"the {what} rows must be row numbers, at least one, or a mask of {count}")
    if numbers.min() < 0 or numbers.max() >= count:
        raise InvalidSpec(f"the {what} rows must lie between 0 and {count - 1}")
    return numbers.astype(np.int64)


def _standardised(values: NDArray[np.float64], learned: NDArray[np.int64]) -> NDArray[np.float64]:
    spread = values[learned].std(axis=0)
    return np.asarray((values - values[learned].mean(axis=0)) / np.where(spread > 0, spread, 1.0))


def _ridge() -> Any:
    try:
        from sklearn.linear_model import RidgeClassifierCV
    except ModuleNotFoundError as error:
        hint = 'pip install "stpairs[eval]"'
        raise MissingPart(f"a probe needs the package 'scikit-learn', which is not installed: {hint}") from error
    return RidgeClassifierCV(alphas=_STRENGTHS)
