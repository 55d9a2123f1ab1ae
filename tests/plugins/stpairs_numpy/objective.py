"""Eqn. 2 for a linear encoder and a comparing head, with its gradient by hand.

d = (x1 - x2) W                        difference of the two features
s = offset - sum_k (m d)_k²            score; m is the dropout mask
L = sum_i C_i max(0, 1 - y_i s_i) + λ ‖(W, offset)‖_F
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stpairs_core.errors import InvalidSpec
from stpairs_core.spec import LearningSpec

Floats = NDArray[np.float64]
Weights = Mapping[str, Floats]


def scores(weights: Weights, difference: Floats, mask: Floats | float = 1.0) -> Floats:
    """(B, inputs) -> (B,): the closer the features, the higher."""
    features = mask * (difference @ weights["weight"])  # (B, F)
    return np.asarray(weights["offset"] - (features**2).sum(axis=1))


def loss_and_gradients(
    weights: Weights, difference: Floats, label: NDArray[Any], mask: Floats | float, learning: LearningSpec
) -> tuple[float, dict[str, Floats]]:
    """The loss, and its gradient for each weight."""
    balance = _balance(label)
    margin = 1.0 - label * scores(weights, difference, mask)  # (B,)
    hinge = float((balance * np.maximum(margin, 0.0)).sum())
    slope = np.where(margin > 0, -balance * label, 0.0)  # (B,), dL/ds
    features = mask * (difference @ weights["weight"])  # (B, F)
    gradients = {
        "weight": difference.T @ (-2.0 * slope[:, None] * features * mask),  # (inputs, F)
        "offset": np.asarray(slope.sum()),
    }
    penalty, factor = _penalty(weights, learning)
    return hinge + penalty, {name: gradients[name] + factor * weights[name] for name in weights}


def _penalty(weights: Weights, learning: LearningSpec) -> tuple[float, float]:
    """λ‖W‖ or λ‖W‖², and what to multiply the weights with to get its gradient, 0 at W = 0."""
    squared = sum(float((array**2).sum()) for array in weights.values())
    if learning.penalty == "squared":
        return learning.penalty_weight * squared, 2.0 * learning.penalty_weight
    norm = squared**0.5
    return learning.penalty_weight * norm, learning.penalty_weight / norm if norm else 0.0


def _balance(label: NDArray[Any]) -> Floats:
    """(B,): C_i, one over the number of pairs of that class."""
    positives, negatives = int((label > 0).sum()), int((label < 0).sum())
    if not positives or not negatives:
        raise InvalidSpec(f"the hinge needs both classes; here are {positives} positive and {negatives} negative pairs")
    return np.where(label > 0, 1.0 / positives, 1.0 / negatives)
