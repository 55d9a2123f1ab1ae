"""The tiny backend: its gradients are right, and it says what it cannot do. `test_testing_backends` has the rest."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stpairs_core.errors import InvalidSpec, MissingPart
from stpairs_core.spec import LearningSpec
from stpairs_core.testing.learners import example_batch
from stpairs_numpy import backend
from stpairs_numpy.learner import INPUTS
from stpairs_numpy.objective import loss_and_gradients
from stpairs_numpy.worlds import SPEC

LEARNER = SPEC.learner


@given(seed=st.integers(0, 10**6), penalty=st.sampled_from(["norm", "squared"]))
@settings(max_examples=30, deadline=None)
def test_the_gradients_are_those_of_finite_differences(seed: int, penalty: Any) -> None:
    generator = np.random.default_rng(seed)
    difference = generator.normal(size=(6, INPUTS))
    mask = (generator.random((6, 3)) < 0.7) / 0.7
    label = np.array([1, 1, -1, -1, -1, -1])
    weights = {"weight": 0.3 * generator.normal(size=(INPUTS, 3)), "offset": generator.normal(size=())}
    learning = LearningSpec(penalty=penalty, penalty_weight=0.1)
    _, gradients = loss_and_gradients(weights, difference, label, mask, learning)
    for name, array in weights.items():
        way = generator.normal(size=array.shape)
        low, high = (
            loss_and_gradients(weights | {name: array + step * way}, difference, label, mask, learning)[0]
            for step in (-1e-6, 1e-6)
        )
        assert (gradients[name] * way).sum() == pytest.approx((high - low) / 2e-6, rel=1e-4, abs=1e-6)


def test_the_penalty_has_no_gradient_at_zero() -> None:
    weights = {"weight": np.zeros((INPUTS, 2)), "offset": np.zeros(())}
    label, difference = np.array([1, -1]), np.ones((2, INPUTS))
    loss, gradients = loss_and_gradients(weights, difference, label, 1.0, LearningSpec())
    assert loss == 2.0
    assert not gradients["weight"].any()
    assert gradients["offset"] == 0.0


def test_the_hinge_needs_both_classes() -> None:
    plan, volumes = example_batch(LEARNER.volume, 0)
    one_sided = replace(plan, label=np.ones(len(plan), np.int8))
    with pytest.raises(InvalidSpec, match="4 positive and 0 negative"):
        backend.learner(LEARNER, "cpu").step(one_sided, volumes)


def test_it_says_what_it_cannot_do() -> None:
    with pytest.raises(MissingPart, match="no device 'cuda'"):
        backend.learner(LEARNER, "cuda")
    with pytest.raises(InvalidSpec, match="head=compare"):
        backend.learner(replace(LEARNER, network=replace(LEARNER.network, head="concat")), "cpu")
