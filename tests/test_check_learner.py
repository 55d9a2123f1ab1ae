"""`check_learner` asks who applies F1 and F2, and sees that they are applied once."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from stpairs_core.errors import InvalidSpec
from stpairs_core.materialize import transform
from stpairs_core.spec import LearnerSpec, LearningSpec, NetworkSpec, PairPlan
from stpairs_core.testing import check_learner
from stpairs_numpy import NumpyBackend
from stpairs_numpy.learner import NumpyLearner
from stpairs_numpy.worlds import VOLUME

SPEC = LearnerSpec(VOLUME, NetworkSpec(head="compare", dropout=0.1), LearningSpec(learning_rate=0.03), seed=2)
Volumes = NDArray[np.uint8]


class Recoloring(NumpyBackend):
    """The tiny backend with learners that say who recolours, and that apply what is left to them."""

    def __init__(self, says: bool, recolors: bool, flips: bool, in_place: bool = False) -> None:
        self.does = (says, recolors, flips, in_place)

    def learner(self, spec: LearnerSpec, device: str) -> NumpyLearner:
        says, recolors, flips, in_place = self.does

        class Learner(NumpyLearner):
            def step(self, plan: PairPlan, volumes: Volumes) -> float:
                nothing = np.zeros_like(plan.flip)
                changed = volumes if in_place else volumes.copy()
                recolor, flip = (plan.recolor if recolors else nothing), (plan.flip if flips else nothing)
                transform(_with(plan, recolor=recolor, flip=flip), changed)
                return super().step(plan, changed)

        Learner.recolors = says
        return Learner(spec)


def _with(plan: PairPlan, **columns: Any) -> PairPlan:
    fields = {name: getattr(plan, name) for name in PairPlan.__dataclass_fields__}
    return PairPlan(**(fields | columns))


@pytest.mark.parametrize("recolors", [True, False])
def test_a_learner_that_does_as_it_says_passes(recolors: bool) -> None:
    check_learner(Recoloring(recolors, recolors, recolors), SPEC)


@pytest.mark.parametrize(
    ("backend", "words"),
    [
        (Recoloring(True, recolors=False, flips=False), "F1: the loss is"),
        (Recoloring(True, recolors=False, flips=True), "F1: the loss is"),
        (Recoloring(True, recolors=True, flips=False), "F2: the loss is"),
        (Recoloring(False, recolors=True, flips=False), "F1: the loss is"),
        (Recoloring(False, recolors=False, flips=True), "F2: the loss is"),
        (Recoloring(True, recolors=True, flips=True, in_place=True), "changed the volumes that it was given, for F1"),
    ],
    ids=["says so and does nothing", "flips only", "recolours only", "recolours twice", "flips twice", "in place"],
)
def test_a_learner_that_does_otherwise_fails(backend: NumpyBackend, words: str) -> None:
    with pytest.raises(AssertionError, match=words):
        check_learner(backend, SPEC)


def test_the_tiny_backend_knows_the_same_words_for_devices() -> None:
    with pytest.raises(InvalidSpec, match='"auto", "cpu" or "cuda", not'):
        NumpyBackend().learner(SPEC, "tpu")
