"""The torch backend and its encoder keep every promise that the testing kit asks of them."""

from typing import Any

import pytest

from stpairs_core.protocols import Backend
from stpairs_core.spec import LearnerSpec, LearningSpec, NetworkSpec, VolumeShape
from stpairs_core.testing import BackendTests, EncoderTests, example_batch
from stpairs_core.testing.backends import setting_matters
from stpairs_torch import TorchBackend, TorchEncoder, backend

SHAPE = VolumeShape(16, 16, 16)
PAPER = LearnerSpec(SHAPE, NetworkSpec(width=1 / 16), LearningSpec(), seed=1)
OURS = LearnerSpec(
    SHAPE,
    NetworkSpec(width=1 / 16, input="residual", norm="batch", head="compare", dropout=0.0),
    LearningSpec(hinge="dense"),
    seed=1,
)


@pytest.fixture(name="backend")
def torch_backend() -> TorchBackend:
    return backend


class TestPaper(BackendTests):
    """The recipe as printed."""

    @pytest.fixture
    def spec(self) -> LearnerSpec:
        return PAPER


class TestOurs(BackendTests):
    """The default recipe."""

    @pytest.fixture
    def spec(self) -> LearnerSpec:
        return OURS

    def test_settings(self, backend: Backend, spec: LearnerSpec) -> None:
        """What only this recipe has makes a difference; `TestPaper` tries all others."""
        for part, field, value in (("network", "norm", "none"), ("learning", "hinge", "pairs")):
            self._try(setting_matters, backend, spec, self.device, part, field, value)


class TestTorchEncoder(EncoderTests):
    """The encoder that a learner hands out, in the middle of training."""

    @pytest.fixture
    def encoder(self) -> TorchEncoder:
        self.learner = backend.learner(OURS, "cpu")
        self.train()
        return self.learner.encoder()

    def train(self) -> Any:
        for step in range(2):
            self.learner.step(*example_batch(SHAPE, step))
