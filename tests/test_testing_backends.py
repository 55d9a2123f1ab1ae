"""`BackendTests` on the tiny backend and on ones with a fault each; `check_learner` makes the same checks."""

import pytest

from stpairs_core.spec import LearnerSpec
from stpairs_core.testing import BackendTests
from stpairs_numpy import NumpyBackend, backend
from stpairs_numpy.worlds import SPEC


class TestNumpyBackend(BackendTests):
    """The tiny backend of the tests."""

    @pytest.fixture
    def backend(self) -> NumpyBackend:
        return NumpyBackend()

    @pytest.fixture
    def spec(self) -> LearnerSpec:
        return SPEC.learner
