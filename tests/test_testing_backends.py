"""`BackendTests` on the tiny backend, and on ones with a fault each: the test that names the fault finds it."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from stpairs_core.protocols import Backend
from stpairs_core.registry import find_backend
from stpairs_core.spec import LearnerSpec, NetworkSpec
from stpairs_core.testing import BackendTests, check_learner
from stpairs_core.testing.backends import other_settings
from stpairs_core.testing.learners import build_backend
from stpairs_numpy import NumpyBackend
from stpairs_numpy.worlds import SPEC
from wrong_plugins import backends as planted
from wrong_plugins.backends import Faulty, changes_by
from wrong_plugins.running import fails_here, failure, run_alone, script_of

LEARNER = SPEC.learner


class TestNumpyBackend(BackendTests):
    """The tiny backend of the tests."""

    @pytest.fixture
    def backend(self) -> NumpyBackend:
        return NumpyBackend()

    @pytest.fixture
    def spec(self) -> LearnerSpec:
        return LEARNER


FAULTS: list[tuple[Backend, str, str]] = [
    (planted.TwoWords(), "name", "'my numpy', not one word"),
    (planted.NoDevices(), "devices", "names no device"),
    (planted.SaysCuda(), "devices", "the backend 'numpy' has no device 'cuda'"),
    (planted.QuietCpu(), "devices", "the device 'cuda' that is not there is taken, not refused"),
    (planted.AnyWord(), "unknown_devices", "the device 'tpu' is taken, not refused"),
    (planted.OtherError(), "unknown_devices", "refused by a KeyError, not by a InvalidSpec"),
    (planted.IgnoresPenalty(), "settings", "learning.penalty='squared' is taken and changes nothing"),
    (planted.RefusesWithoutWords(), "settings", "network.input='residual' is refused without its name"),
    *(
        (Faulty(plant), test, words)
        for plant, test, words in (
            (planted.ignores_the_seed, "seed", "another seed begins in the same state"),
            (planted.draws_its_weights_anew, "seed", "one seed begin in different states"),
            (planted.names_no_weights, "state_is_arrays", "no key of the state starts with 'model.'"),
            (planted.hands_out_its_own_arrays, "steps_learn", "handed out changed"),
            (planted.learns_nothing, "steps_learn", "changed no weight"),
            (planted.returns_no_number, "steps_learn", "loss of step 0 is nan"),
            (planted.changes_its_input, "steps_learn", "changed the volumes"),
            (planted.forgets_the_moments, "state_continues", "given back differs"),
            (planted.forgets_the_step_in_its_state, "state_continues", "next losses"),
            (planted.restores_in_half, "weights_alone_continue", "given back alone differ"),
            (planted.scores_in_double, "scores", "not float32"),
            (planted.scores_relative_to_the_batch, "scores", "depends on the other pairs"),
            (planted.scoring_moves_the_dropout, "scores", "scoring changed the state"),
            (planted.scoring_moves_the_dropout, "asking_disturbs_nothing", "changes what they learn"),
            (planted.gives_an_encoder_that_follows, "encoder_stays", "follows the steps"),
            (planted.gives_features_of_another_width, "encoder_stays", "features have the shape"),
            (changes_by(recolors=False, flips=False, says=True), "changes_once", "F1: the loss is"),
            (changes_by(recolors=False, flips=True, says=True), "changes_once", "F1: the loss is"),
            (changes_by(recolors=True, flips=False, says=True), "changes_once", "F2: the loss is"),
            (changes_by(recolors=True, flips=False, says=False), "changes_once", "F1: the loss is"),
            (changes_by(recolors=False, flips=True, says=False), "changes_once", "F2: the loss is"),
            (changes_by(True, True, says=True, in_place=True), "changes_once", "that it was given, for F1"),
            (planted.takes_any_volumes, "wrong_volumes", "with one more frame, .* is taken, not refused"),
            (planted.a_refused_step_counts, "wrong_volumes", "is refused by step and changes the state"),
            (planted.restores_what_it_finds, "wrong_state", "a state without model.weight is taken"),
            (planted.says_only_that_it_does_not_fit, "wrong_state", "refused without that name"),
        )
    ),
]


@pytest.mark.parametrize(
    ("backend", "test", "words"), FAULTS, ids=[f"{number}-{t}" for number, (_, t, _) in enumerate(FAULTS)]
)
def test_each_planted_fault_is_found(backend: Backend, test: str, words: str) -> None:
    """By the test that names it, with a script that fails too, and that passes once the fault is gone."""
    error = failure(TestNumpyBackend(), f"test_{test}", backend, LEARNER)
    assert re.search(words, str(error))
    script = script_of(error)
    assert fails_here(script, backend=backend)
    assert not fails_here(script, backend=NumpyBackend())


def test_a_script_makes_the_backend_by_its_factory_or_its_name(tmp_path: Path) -> None:
    suite = TestNumpyBackend()
    suite.factory = "wrong_plugins.backends:QuietCpu"  # type: ignore[misc]
    script = script_of(failure(suite, "test_devices", planted.QuietCpu(), LEARNER))
    done = run_alone(script, tmp_path)
    assert done.returncode == 1
    assert done.stderr.endswith("AssertionError: the device 'cuda' that is not there is taken, not refused\n")
    assert "backend = find_backend('numpy')" in build_backend(find_backend("numpy"))
    assert "There is no factory" in build_backend(planted.QuietCpu())


def test_every_other_setting_is_tried() -> None:
    tried = {(part, field, value) for part, field, value in other_settings(LEARNER)}
    assert {("network", "input", "residual"), ("learning", "hinge", "dense"), ("network", "dropout", 0.05)} <= tried
    assert ("network", "head", "compare") not in tried
    assert len(tried) == 9
    assert ("network", "dropout", 0.5) in set(other_settings(replace(LEARNER, network=NetworkSpec(dropout=0.0))))


def test_a_learner_that_applies_f1_and_f2_itself_passes() -> None:
    check_learner(Faulty(changes_by(recolors=True, flips=True, says=True)), LEARNER)


def test_check_learner_ends_with_the_same_script() -> None:
    with pytest.raises(AssertionError, match="changed no weight") as caught:
        check_learner(Faulty(planted.learns_nothing), LEARNER)
    assert script_of(caught.value) == script_of(
        failure(TestNumpyBackend(), "test_steps_learn", Faulty(planted.learns_nothing), LEARNER)
    )
