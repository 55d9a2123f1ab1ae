"""The torch learner keeps every promise that the core's own check asks of a learner."""

import pytest

from stpairs_core.spec import LearnerSpec, LearningSpec, NetworkSpec, VolumeShape
from stpairs_core.testing import check_learner
from stpairs_torch import backend

SHAPE = VolumeShape(16, 16, 16)


@pytest.mark.parametrize(
    ("network", "learning"),
    [
        (NetworkSpec(width=1 / 16), LearningSpec()),
        (
            NetworkSpec(width=1 / 16, input="residual", norm="batch", head="compare", dropout=0.0),
            LearningSpec(hinge="dense"),
        ),
    ],
    ids=["paper", "default"],
)
def test_torch_learner(network: NetworkSpec, learning: LearningSpec) -> None:
    check_learner(backend, LearnerSpec(SHAPE, network, learning, seed=1))
