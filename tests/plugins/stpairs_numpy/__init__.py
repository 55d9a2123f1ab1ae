"""A tiny backend in NumPy, for tests: it learns in milliseconds and keeps the core honest about its seams."""

from collections.abc import Mapping

from stpairs_core.errors import InvalidSpec, MissingPart
from stpairs_core.protocols import Backend
from stpairs_core.spec import LearnerSpec
from stpairs_numpy.learner import NumpyLearner


class NumpyBackend:
    """The plug-in behind the name `numpy`."""

    name = "numpy"

    def learner(self, spec: LearnerSpec, device: str) -> NumpyLearner:
        """A fresh learner, on the CPU."""
        if device not in ("auto", "cpu", "cuda"):
            raise InvalidSpec(f'device must be "auto", "cpu" or "cuda", not {device!r}')
        if device == "cuda":
            raise MissingPart(f"the backend 'numpy' has no device {device!r}; there are: auto, cpu")
        return NumpyLearner(spec)

    def devices(self) -> Mapping[str, str]:
        """The CPU."""
        return {"cpu": "NumPy"}


backend: Backend = NumpyBackend()
