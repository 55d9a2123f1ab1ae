"""The tiny backend with one fault planted in it, or in each of its learners."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stpairs_core.errors import InvalidSpec, StpairsError
from stpairs_core.materialize import transform
from stpairs_core.spec import LearnerSpec, PairPlan
from stpairs_numpy import NumpyBackend
from stpairs_numpy.learner import NumpyLearner

Volumes = NDArray[np.uint8]
Plant = Callable[[Any, LearnerSpec], None]


class Faulty(NumpyBackend):
    """The backend with one fault planted in each learner."""

    def __init__(self, plant: Plant) -> None:
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

    def following(plan: PairPlan, volumes: Volumes) -> float:
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

    def counted(volumes: Volumes) -> NDArray[np.float32]:
        learner._step += 1
        scores: NDArray[np.float32] = score(volumes)
        return scores

    learner.score = counted


def changes_its_input(learner: Any, spec: LearnerSpec) -> None:
    step = learner.step

    def inverting(plan: PairPlan, volumes: Volumes) -> float:
        volumes[...] = 255 - volumes
        return float(step(plan, volumes))

    learner.step = inverting


def gives_an_encoder_that_follows(learner: Any, spec: LearnerSpec) -> None:
    encoder = learner.encoder

    class Following:
        shape, width = encoder().shape, encoder().width

        def __call__(self, volumes: Volumes) -> NDArray[np.float32]:
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


def changes_by(recolors: bool, flips: bool, says: bool, in_place: bool = False) -> Plant:
    """Says that `step` applies F1 and F2, or not, and does otherwise."""

    def plant(learner: Any, spec: LearnerSpec) -> None:
        step = learner.step

        def changing(plan: PairPlan, volumes: Volumes) -> float:
            changed = volumes if in_place else volumes.copy()
            nothing = np.zeros_like(plan.flip)
            recolor, flip = (plan.recolor if recolors else nothing), (plan.flip if flips else nothing)
            transform(replace(plan, recolor=recolor, flip=flip), changed)
            return float(step(plan, changed))

        learner.step, learner.recolors = changing, says

    return plant


def takes_any_volumes(learner: Any, spec: LearnerSpec) -> None:
    step, volume = learner.step, spec.volume

    def cutting(plan: PairPlan, volumes: Volumes) -> float:
        cut = volumes[:, :, : volume.frames, : volume.height, : volume.width]
        return float(step(plan, cut))

    learner.step = cutting


def a_refused_step_counts(learner: Any, spec: LearnerSpec) -> None:
    step = learner.step

    def counting(plan: PairPlan, volumes: Volumes) -> float:
        learner._step += 1
        try:
            return float(step(plan, volumes))
        finally:
            learner._step -= volumes.shape[2] == spec.volume.frames

    learner.step = counting


def restores_what_it_finds(learner: Any, spec: LearnerSpec) -> None:
    restore, state = learner.restore, learner.state
    learner.restore = lambda given: restore({**state(), **given})


def says_only_that_it_does_not_fit(learner: Any, spec: LearnerSpec) -> None:
    restore = learner.restore

    def short(state: Mapping[str, NDArray[Any]]) -> None:
        try:
            restore(state)
        except (KeyError, ValueError):
            raise StpairsError("the state does not fit") from None

    learner.restore = short


class TwoWords(NumpyBackend):
    name = "my numpy"


class NoDevices(NumpyBackend):
    def devices(self) -> Mapping[str, str]:
        return {}


class SaysCuda(NumpyBackend):
    def devices(self) -> Mapping[str, str]:
        return {"cpu": "NumPy", "cuda": "surely"}


class QuietCpu(NumpyBackend):
    """Runs on the CPU where CUDA was asked for."""

    def learner(self, spec: LearnerSpec, device: str) -> NumpyLearner:
        return super().learner(spec, "cpu" if device == "cuda" else device)


class AnyWord(NumpyBackend):
    def learner(self, spec: LearnerSpec, device: str) -> NumpyLearner:
        return super().learner(spec, device if device in ("auto", "cpu", "cuda") else "cpu")


class OtherError(NumpyBackend):
    def learner(self, spec: LearnerSpec, device: str) -> NumpyLearner:
        if device not in ("auto", "cpu", "cuda"):
            raise KeyError(device)
        return super().learner(spec, device)


class IgnoresPenalty(NumpyBackend):
    def learner(self, spec: LearnerSpec, device: str) -> NumpyLearner:
        return super().learner(replace(spec, learning=replace(spec.learning, penalty="norm")), device)


class RefusesWithoutWords(NumpyBackend):
    def learner(self, spec: LearnerSpec, device: str) -> NumpyLearner:
        try:
            return super().learner(spec, device)
        except InvalidSpec as error:
            raise InvalidSpec("not supported" if "head=" in str(error) else str(error)) from None
