"""The hinge and the penalty, value and gradient, against NumPy in float64."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from stpairs_core.errors import InvalidSpec
from stpairs_core.spec import LearningSpec, PairPlan, VolumeShape
from stpairs_torch.objective import balanced_coefficients, balanced_hinge, dense_labels, frobenius_norm, penalty

Floats = NDArray[np.float64]


def naive_hinge(scores: Floats, labels: NDArray[np.int8]) -> tuple[float, Floats]:
    """The sum of Eqn. 2 and its slope by each score, one pair at a time."""
    positives, negatives = int((labels == 1).sum()), int((labels == -1).sum())
    total, slopes = 0.0, np.zeros(scores.shape)
    for where in np.ndindex(scores.shape):
        weight = 1 / positives if labels[where] == 1 else 1 / negatives
        margin = 1 - float(scores[where]) * int(labels[where])
        if margin > 0:
            total += weight * margin
            slopes[where] = -weight * int(labels[where])
    return total, slopes


def plan_of(videos: list[tuple[int, int]]) -> PairPlan:
    video = np.array(videos, np.int32)
    count = len(video)
    return PairPlan(
        video=video,
        origin=np.zeros((count, 2, 3), np.int32),
        flip=np.zeros((count, 2), np.bool_),
        recolor=np.zeros((count, 2), np.bool_),
        color=np.zeros((count, 2, 3), np.float32),
        label=np.where(video[:, 0] == video[:, 1], 1, -1).astype(np.int8),
        shape=VolumeShape(16, 16, 16),
    )


@settings(deadline=None)  # the first call loads parts of torch
@given(st.data(), st.sampled_from([(10,), (7,), (4, 4), (2, 3)]))
def test_the_hinge_and_its_gradient_are_those_of_the_paper(data: st.DataObject, shape: tuple[int, ...]) -> None:
    count = int(np.prod(shape))
    labels = np.array(data.draw(st.lists(st.sampled_from([-1, 1]), min_size=count, max_size=count)), np.int8)
    assume(len(set(labels.tolist())) == 2)
    # Quarters keep clear of the kink at 1, where the slope is anybody's choice.
    quarters = st.integers(-40, 40).map(lambda n: (n + 0.5) / 4)
    scores = np.array(data.draw(st.lists(quarters, min_size=count, max_size=count)))
    labels, scores = labels.reshape(shape), scores.reshape(shape)

    given_scores = torch.tensor(scores, requires_grad=True)
    coefficients = torch.from_numpy(balanced_coefficients(labels))
    loss = balanced_hinge(given_scores, torch.from_numpy(labels), coefficients)
    torch.autograd.backward(loss)
    value, slopes = naive_hinge(scores, labels)
    assert loss.item() == pytest.approx(value, rel=1e-6)
    assert given_scores.grad is not None
    np.testing.assert_allclose(given_scores.grad.numpy(), slopes, rtol=1e-6)


def test_both_classes_weigh_one_in_all_whatever_their_share() -> None:
    labels = np.array([1, 1, 1, -1, -1, -1, -1, -1, -1, -1], np.int8)
    coefficients = balanced_coefficients(labels)
    assert coefficients[labels > 0].sum() == pytest.approx(1)
    assert coefficients[labels < 0].sum() == pytest.approx(1)
    assert coefficients.dtype == np.float32


@pytest.mark.parametrize(("label", "counts"), [(1, "4 positive and 0 negative"), (-1, "0 positive and 4 negative")])
def test_a_step_without_both_classes_is_refused_with_the_numbers(label: int, counts: str) -> None:
    with pytest.raises(InvalidSpec, match=counts):
        balanced_coefficients(np.full(4, label, np.int8))


def test_off_the_diagonal_only_different_videos_count() -> None:
    labels = dense_labels(plan_of([(4, 4), (7, 4), (7, 9)]))
    # Row: first member. Column: second member, of videos 4, 4, 9.
    assert labels.tolist() == [[1, 0, -1], [-1, -1, -1], [-1, -1, -1]]


def test_no_negative_lies_within_a_group() -> None:
    plan = plan_of([(0, 0), (1, 1), (2, 3)])
    grouped = replace(plan, group=np.array([[5, 5], [5, 5], [6, 5]], np.int32))
    assert dense_labels(grouped).tolist() == [[1, 0, 0], [0, 1, 0], [-1, -1, -1]]


def test_what_counts_for_nothing_has_no_weight() -> None:
    assert balanced_coefficients(np.array([[1, 0], [-1, -1]], np.int8)).tolist() == [[1.0, 0.0], [0.5, 0.5]]


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=8))
def test_the_diagonal_of_the_dense_labels_is_the_plan(videos: list[tuple[int, int]]) -> None:
    plan = plan_of(videos)
    np.testing.assert_array_equal(np.diag(dense_labels(plan)), plan.label)


def test_the_norm_takes_all_tensors_as_one() -> None:
    rng = np.random.default_rng(0)
    arrays = [rng.normal(size=shape) for shape in ((3, 4), (5,), (2, 2, 2))]
    tensors = [torch.tensor(array, requires_grad=True) for array in arrays]
    norm = frobenius_norm(tensors)
    torch.autograd.backward(norm)
    expected = np.sqrt(sum((array**2).sum() for array in arrays))
    assert norm.item() == pytest.approx(expected)
    for array, tensor in zip(arrays, tensors, strict=True):
        assert tensor.grad is not None
        np.testing.assert_allclose(tensor.grad.numpy(), array / expected)


def test_the_gradient_of_the_norm_is_zero_at_zero_and_for_a_zero_tensor_among_others() -> None:
    for filled in (0.0, 2.0):
        zero, other = torch.zeros(3, requires_grad=True), torch.full((2,), filled, requires_grad=True)
        torch.autograd.backward(frobenius_norm([zero, other]))
        assert zero.grad is not None
        assert zero.grad.tolist() == [0, 0, 0]
        assert other.grad is not None
        assert bool(torch.isfinite(other.grad).all())


def test_the_penalty_is_the_norm_as_printed_or_its_square() -> None:
    weights = [torch.tensor([3.0]), torch.tensor([[4.0]])]
    assert penalty(weights, LearningSpec()).item() == pytest.approx(0.0005 * 5)
    assert penalty(weights, LearningSpec(penalty="squared", penalty_weight=0.1)).item() == pytest.approx(0.1 * 25)
