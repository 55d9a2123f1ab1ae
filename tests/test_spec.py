"""Values check themselves when they are made."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from stpairs_core import PairMiner
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


def test_numbers_of_numpy_become_plain_ones() -> None:
    one: Any = np.int64(2)
    numbers: dict[str, Any] = {"positive_ratio": np.float32(0.5), "boundary": np.uint8(40), "temporal_stride": one}
    spec = MiningSpec(VolumeShape(*np.array([16, 48, 48])), one, **numbers)
    found = (spec.volume.frames, spec.pairs, spec.positive_ratio, spec.boundary, spec.temporal_stride)
    assert [type(value) for value in found] == [int, int, float, int, int]
    plan = PairMiner([(70, 128, 171)] * 5, spec, seed=0).plan(0)
    assert len(plan) == 2


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"boundary": 40.5}, "boundary must be a whole number, not 40.5"),
        ({"boundary": "40"}, "whole number"),
        ({"boundary": True}, "whole number"),
        ({"boundary": float("nan")}, "whole number"),
        ({"literal_algorithm1": "no"}, "literal_algorithm1 must be a bool, not 'no'"),
        ({"volume": (16, 48, 48)}, "volume must be a VolumeShape"),
        ({"positive_ratio": "0.3"}, "positive_ratio must be a number, not '0.3'"),
        ({"positive_ratio": None}, "number"),
        ({"positive_ratio": float("nan")}, "between 0 and 1"),
        ({"temporal_stride": 10**30}, "temporal_stride must be below 2"),
        ({"pairs": 2**31}, "pairs must be below 2"),
    ],
)
def test_values_of_another_kind_are_refused(fields: Any, message: str) -> None:
    with pytest.raises(InvalidSpec, match=message):
        MiningSpec(**fields)
