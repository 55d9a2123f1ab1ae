"""`EncoderTests` on encoders of ours, and on ones with a fault each: the test that names the fault finds it."""

import re
from pathlib import Path

import pytest

from stpairs_core.testing import EncoderTests, example_batch
from stpairs_numpy.learner import NumpyEncoder, NumpyLearner
from stpairs_numpy.worlds import SPEC
from wrong_plugins import encoders as planted
from wrong_plugins.encoders import Colours, Frozen
from wrong_plugins.running import fails_here, failure, run_alone, script_of


class TestColours(EncoderTests):
    """The right one of those with faults."""

    @pytest.fixture
    def encoder(self) -> Colours:
        return Colours()


class TestNumpyEncoder(EncoderTests):
    """The encoder of the tiny backend, taken in the middle of training."""

    @pytest.fixture
    def encoder(self) -> NumpyEncoder:
        self.learner = NumpyLearner(SPEC.learner)
        self.train()
        return self.learner.encoder()

    def train(self) -> None:
        self.learner.step(*example_batch(SPEC.learner.volume, 0))


FAULTS = [
    (planted.ShapeIsATuple, "shape_and_width", r"shape is \(3, 4, 6\), not a VolumeShape"),
    (planted.WidthIsAFloat, "shape_and_width", "width is 5.0, not an int"),
    (planted.SaysOtherWidth, "features", r"0 volumes give the shape \(0, 5\), not \(0, 6\)"),
    (planted.NeedsAVolume, "features", "need at least one array to stack"),
    (planted.Double, "features", "features are float64, not float32"),
    (planted.DividesByLight, "extremes", "a volume of 0 everywhere has features that are not finite"),
    (planted.BatchNorm, "batch_equals_loop", "18 volumes together are .* off from each alone"),
    (planted.Backwards, "batch_equals_loop", "18 volumes together are .* off from each alone"),
    (planted.Dropout, "deterministic", "other features the second time"),
    (planted.InPlace, "input_untouched", "changed the volumes that it was given"),
    (planted.AsItLies, "layouts", "with Fortran order the same volumes have features"),
    (planted.NeedsToWrite, "layouts", "output array is read-only"),
    (planted.AnyShape, "wrong_shapes", r"one more row, \(2, 3, 5, 6, 3\) for 3x4x6, is taken, not refused"),
    (planted.SaysNothing, "wrong_shapes", "is refused without a size: bad input"),
    (planted.AnyNumbers, "wrong_dtypes", "a batch of float32 is taken, not refused"),
    (planted.Scratch, "threads", "among threads, batch . has other features"),
    (planted.Dead, "tells_apart", "volumes 0 and 1 have equal features"),
    (planted.OneBuffer, "features_stay", "give each call memory of its own"),
    (planted.Cached, "features_stay", "writing into features changes what is given next"),
]


@pytest.mark.parametrize(("fault", "test", "words"), FAULTS, ids=[f"{c.__name__}-{t}" for c, t, _ in FAULTS])
def test_each_planted_fault_is_found(fault: type[Colours], test: str, words: str) -> None:
    """By the test that names it, with a script that fails too, and that passes once the fault is gone."""
    suite = TestColours()
    suite.factory = f"wrong_plugins.encoders:{fault.__name__}"  # type: ignore[misc]
    error = failure(suite, f"test_{test}", fault())
    assert re.search(words, str(error))
    script = script_of(error)
    assert fails_here(script)
    assert not fails_here(script.replace(fault.__name__, "Colours"))


def test_an_encoder_that_follows_is_found() -> None:
    suite, following = TestColours(), Colours()
    suite.train = following.train  # type: ignore[method-assign]
    error = failure(suite, "test_does_not_follow", following)
    assert "the encoder follows what happens after it was taken" in str(error)
    script = script_of(error)
    assert "def train():\n    ...  # what your class does\n" in script
    script = script.replace("    ...  # what your class does", "    encoder.train()")
    assert fails_here(script, encoder=following)
    assert not fails_here(script, encoder=Frozen())


def test_a_script_runs_alone(tmp_path: Path) -> None:
    suite = TestColours()
    suite.factory = "wrong_plugins.encoders:Dead"  # type: ignore[misc]
    done = run_alone(script_of(failure(suite, "test_tells_apart", planted.Dead())), tmp_path)
    assert done.returncode == 1
    assert done.stderr.endswith("AssertionError: volumes 0 and 1 have equal features\n")
