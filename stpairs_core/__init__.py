"""The framework-free core of stpairs: mine pairs of video volumes, exactly, from any program.

>>> import numpy as np
>>> from stpairs_core import ArraySource, MiningSpec, PairMiner, VolumeShape, materialize
>>> videos = ArraySource([np.zeros((40, 32, 32, 3), np.uint8) for _ in range(3)])
>>> miner = PairMiner(videos.extents, MiningSpec(VolumeShape(16, 32, 32)), seed=0)
>>> materialize(miner.plan(step=0), videos).shape
(10, 2, 16, 32, 32, 3)
"""

from stpairs_core.boxes import disjoint
from stpairs_core.collisions import FalseNegatives, false_negatives, negative_collision_bound
from stpairs_core.color import flip, recolor
from stpairs_core.errors import StpairsError
from stpairs_core.materialize import cut, materialize, transform
from stpairs_core.plan import PairMiner
from stpairs_core.registry import find_backend, find_runtime
from stpairs_core.spec import (
    LearnerSpec,
    LearningSpec,
    MiningSpec,
    NetworkSpec,
    PairPlan,
    TrainSpec,
    VolumeShape,
)
from stpairs_core.stream import PairSteps, PairStream
from stpairs_core.videos import ArraySource, Videos, open_videos

__all__ = [
    "ArraySource",
    "FalseNegatives",
    "LearnerSpec",
    "LearningSpec",
    "MiningSpec",
    "NetworkSpec",
    "PairMiner",
    "PairPlan",
    "PairSteps",
    "PairStream",
    "StpairsError",
    "TrainSpec",
    "Videos",
    "VolumeShape",
    "cut",
    "disjoint",
    "false_negatives",
    "find_backend",
    "find_runtime",
    "flip",
    "materialize",
    "negative_collision_bound",
    "open_videos",
    "recolor",
    "transform",
]
