"""What is minimised: the class-balanced hinge with a penalty on the weights, Eqn. 2 of the paper."""

from collections.abc import Iterable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from stpairs_core.errors import InvalidSpec
from stpairs_core.spec import LearningSpec, PairPlan


def balanced_coefficients(labels: NDArray[np.int8]) -> NDArray[np.float32]:
    """C_i of Eqn. 2, shaped as `labels`: 1/N_p where the label is +1, 1/N_n where it is -1, and 0 where it is 0.

    Labels without both classes have no such coefficients: `InvalidSpec`.
    """
    positives, negatives = int((labels > 0).sum()), int((labels < 0).sum())
    if not positives or not negatives:
        raise InvalidSpec(
            f"the hinge needs both classes in every step, but this one has {positives} positive and {negatives} "
            f"negative pairs; change positive_ratio or pairs"
        )
    return np.select([labels > 0, labels < 0], [1 / positives, 1 / negatives]).astype(np.float32)


def balanced_hinge(scores: Tensor, labels: Tensor, coefficients: Tensor) -> Tensor:
    """Σ C_i max(0, 1 - t_i y_i) as a scalar, over tensors of any one shape."""
    return (coefficients * torch.relu(1 - scores * labels)).sum()


def dense_labels(plan: PairPlan) -> NDArray[np.int8]:
    """(B, B): the label of first member i with second member j; its diagonal is the plan's own labels.

    Off the diagonal, -1 where the two come from different videos, and from different groups where there are any; 0,
    which counts for nothing, elsewhere: two volumes of one video there may meet, which Algorithm 1 forbids.
    """
    group = plan.video if plan.group is None else plan.group
    labels = np.where(group[:, 0, None] == group[None, :, 1], 0, -1).astype(np.int8)
    np.fill_diagonal(labels, plan.label)
    return labels


def frobenius_norm(tensors: Iterable[Tensor]) -> Tensor:
    """‖W‖_F of all tensors taken as one, as a scalar; its gradient at W = 0 is 0."""
    # A plain sqrt(sum of squares) has the gradient 0/0 at 0; vector_norm takes the subgradient 0 there.
    norms = torch.stack([torch.linalg.vector_norm(tensor) for tensor in tensors])
    total: Tensor = torch.linalg.vector_norm(norms)
    return total


def penalty(weights: Iterable[Tensor], spec: LearningSpec) -> Tensor:
    """λ‖W‖_F as printed, or λ‖W‖_F² with `penalty="squared"`.

    W is "all the weights of the network": every trainable parameter, biases and normalisation included.
    """
    norm = frobenius_norm(weights)
    return (norm.square() if spec.penalty == "squared" else norm) * spec.penalty_weight
