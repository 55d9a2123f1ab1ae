"""Values check themselves when they are made."""

from collections.abc import Callable

import pytest

from stpairs_core.errors import InvalidSpec
from stpairs_core.spec import LearningSpec, MiningSpec, NetworkSpec, TrainSpec, VolumeShape

NAN = float("nan")


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: VolumeShape(0, 8, 8),
        lambda: MiningSpec(pairs=0),
        lambda: MiningSpec(positive_ratio=1.1),
        lambda: MiningSpec(flip_probability=-0.1),
        lambda: MiningSpec(recolor_probability=NAN),
        lambda: MiningSpec(boundary=15),
        lambda: NetworkSpec(width=0.0),
        lambda: NetworkSpec(width=NAN),
        lambda: NetworkSpec(dropout=1.0),
        lambda: LearningSpec(learning_rate=NAN),
        lambda: LearningSpec(penalty_weight=-1.0),
        lambda: VolumeShape(16.5, 8, 8),  # type: ignore[arg-type]
        lambda: MiningSpec(pairs=2.5),  # type: ignore[arg-type]
        lambda: MiningSpec(augment="negative"),  # type: ignore[arg-type]
        lambda: MiningSpec(channels="s"),  # type: ignore[arg-type]
        lambda: NetworkSpec(head="comapre"),  # type: ignore[arg-type]
        lambda: LearningSpec(hinge="Dense"),  # type: ignore[arg-type]
        lambda: TrainSpec(steps=0),
        lambda: TrainSpec(held_out=1.0),
    ],
)
def test_a_wrong_value_is_refused(wrong: Callable[[], object]) -> None:
    with pytest.raises(InvalidSpec):
        wrong()


def test_the_learner_sees_the_volumes_that_are_mined() -> None:
    spec = TrainSpec(mining=MiningSpec(VolumeShape(16, 48, 48)), seed=3)
    assert spec.learner.volume == VolumeShape(16, 48, 48)
    assert spec.learner.seed == 3
