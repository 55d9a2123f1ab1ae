"""The tiny backend: its gradients are right, it keeps the promises of a learner, and the check of them bites."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from stpairs_core.errors import InvalidSpec, MissingPart
from stpairs_core.spec import LearnerSpec, LearningSpec, PairPlan
from stpairs_core.testing.learners import check_learner, example_batch
from stpairs_numpy import NumpyBackend, backend
from stpairs_numpy.learner import INPUTS, NumpyLearner
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


def test_it_keeps_the_promises_of_a_learner() -> None:
    check_learner(backend, LEARNER)


class Faulty(NumpyBackend):
    """The backend with one fault planted in each learner."""

    def __init__(self, plant: Callable[[NumpyLearner, LearnerSpec], None]) -> None:
        self._plant = plant

    def learner(self, spec: LearnerSpec, device: str) -> NumpyLearner:
        learner = super().learner(spec, device)
        self._plant(learner, spec)
        return learner


def forgets_the_moments(learner: Any, spec: LearnerSpec) -> None:
    restore = learner.restore
    learner.restore = lambda state: restore({k: v for k, v in state.items() if k.startswith("model.")})


def forgets_the_step_in_its_state(learner: Any, spec: LearnerSpec) -> None:
    state = learner.state
    learner.state = lambda: {**state(), "step": np.array(0)}


def ignores_the_seed(learner: Any, spec: LearnerSpec) -> None:
    learner._weights["weight"] = np.full_like(learner._weights["weight"], 0.1)


def draws_its_weights_anew(learner: Any, spec: LearnerSpec) -> None:
    learner._weights["weight"] = np.random.default_rng().normal(size=learner._weights["weight"].shape)


def hands_out_its_own_arrays(learner: Any, spec: LearnerSpec) -> None:
    shared = {**learner.state()}
    state, step = learner.state, learner.step

    def following(plan: PairPlan, volumes: NDArray[np.uint8]) -> float:
        loss = step(plan, volumes)
        shared.update(state())
        return float(loss)

    learner.state, learner.step = lambda: shared, following


def learns_nothing(learner: Any, spec: LearnerSpec) -> None:
    learner._descend = lambda gradients: None


def returns_no_number(learner: Any, spec: LearnerSpec) -> None:
    learner.step = lambda plan, volumes: float("nan")


def scores_in_double(learner: Any, spec: LearnerSpec) -> None:
    score = learner.score
    learner.score = lambda volumes: score(volumes).astype(np.float64)


def scores_relative_to_the_batch(learner: Any, spec: LearnerSpec) -> None:
    score = learner.score
    learner.score = lambda volumes: score(volumes) - score(volumes).mean()


def scoring_moves_the_dropout(learner: Any, spec: LearnerSpec) -> None:
    score = learner.score

    def counted(volumes: NDArray[np.uint8]) -> NDArray[np.float32]:
        learner._step += 1
        scores: NDArray[np.float32] = score(volumes)
        return scores

    learner.score = counted


def changes_its_input(learner: Any, spec: LearnerSpec) -> None:
    step = learner.step

    def inverting(plan: PairPlan, volumes: NDArray[np.uint8]) -> float:
        volumes[...] = 255 - volumes
        return float(step(plan, volumes))

    learner.step = inverting


def gives_an_encoder_that_follows(learner: Any, spec: LearnerSpec) -> None:
    encoder = learner.encoder

    class Following:
        shape, width = encoder().shape, encoder().width

        def __call__(self, volumes: NDArray[np.uint8]) -> NDArray[np.float32]:
            features: NDArray[np.float32] = encoder()(volumes)
            return features

    learner.encoder = Following


def gives_features_of_another_width(learner: Any, spec: LearnerSpec) -> None:
    encoder = learner.encoder

    def wider() -> Any:
        given = encoder()
        given.width += 1
        return given

    learner.encoder = wider


def names_no_weights(learner: Any, spec: LearnerSpec) -> None:
    state = learner.state
    learner.state = lambda: {f"net.{name}": array for name, array in state().items()}


def restores_in_half(learner: Any, spec: LearnerSpec) -> None:
    restore = learner.restore

    def rounded(state: Mapping[str, NDArray[Any]]) -> None:
        restore({k: v.astype(np.float16).astype(v.dtype) for k, v in state.items()})

    learner.restore = rounded


FAULTS = [
    (forgets_the_moments, "given back differs"),
    (forgets_the_step_in_its_state, "next step differs|next losses|weights given back"),
    (ignores_the_seed, "another seed begins in the same state"),
    (draws_its_weights_anew, "one seed begin in different states"),
    (hands_out_its_own_arrays, "handed out changed|changed no weight"),
    (learns_nothing, "changed no weight"),
    (returns_no_number, "loss of step 0 is nan"),
    (scores_in_double, "not float32"),
    (scores_relative_to_the_batch, "depends on the other pairs"),
    (scoring_moves_the_dropout, "scoring changed the state"),
    (changes_its_input, "changed the volumes"),
    (gives_an_encoder_that_follows, "follows the steps"),
    (gives_features_of_another_width, "features have the shape"),
    (names_no_weights, "no key of the state starts with 'model.'"),
    (restores_in_half, "given back differs"),
]


@pytest.mark.parametrize(("plant", "words"), FAULTS, ids=[plant.__name__ for plant, _ in FAULTS])
def test_the_check_finds_each_planted_fault(plant: Callable[[Any, LearnerSpec], None], words: str) -> None:
    with pytest.raises(AssertionError, match=words):
        check_learner(Faulty(plant), LEARNER)
