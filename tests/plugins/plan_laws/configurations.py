"""What the laws are tried on: videos and a spec, one configuration for each way of mining."""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Protocol

from stpairs_core.plan import PairMiner
from stpairs_core.spec import MiningSpec, PairPlan, VolumeShape

Extent = tuple[int, int, int]


class Plans(Protocol):
    """What makes plans: a PairMiner, or one with a planted bug."""

    def plan(self, step: int, rows: slice) -> PairPlan: ...


@dataclass(frozen=True, slots=True)
class Configuration:
    """Videos of some sizes, mined in one way."""

    name: str
    extents: Sequence[Extent]
    spec: MiningSpec
    groups: Sequence[Hashable] | None = None

    @property
    def size(self) -> Extent:
        """What a volume takes on each axis: with a stride, more frames of the video than of the volume."""
        shape = self.spec.volume
        return (shape.frames - 1) * self.spec.temporal_stride + 1, shape.height, shape.width


Mine = Callable[[Configuration, int], Plans]


def mine(configuration: Configuration, seed: int) -> PairMiner:
    """The miner itself."""
    return PairMiner(configuration.extents, configuration.spec, seed, configuration.groups)


ROWS = 1 << 17
"""Pairs in a step: a power of two, so that some step begins exactly 2**32 pairs later."""

_C3D = VolumeShape(16, 112, 112)
_CUBE = VolumeShape(2, 2, 2)
_USUAL: list[Extent] = [
    (250, 128, 171), (97, 128, 171), (33, 128, 228), (61, 171, 128), (150, 112, 160), (16, 128, 171), (48, 240, 320),
    (15, 128, 171), (70, 128, 128),
]  # fmt: skip
_SMALL: list[Extent] = [(5, 3, 3), (8, 2, 2), (4, 4, 4), (2, 2, 2), (12, 3, 2), (3, 3, 5), (1, 9, 9)]
_LIBRARY: list[Extent] = [(16 + (n * n) % 83, 112 + (n * 7) % 40, 112 + (n * 13) % 61) for n in range(200)]


def _spec(volume: VolumeShape = _C3D, **options: object) -> MiningSpec:
    return MiningSpec(**{"volume": volume, "pairs": ROWS, "positive_ratio": 0.5, **options})  # type: ignore[arg-type]


CONFIGURATIONS = [
    Configuration("usual", _USUAL, _spec()),
    Configuration("33 frames", [(33, 128, 171)] * 3 + [(33, 113, 114), (33, 240, 112)], _spec()),
    Configuration("33 frames, few places", [(33, 113, 114), (33, 112, 115)], _spec()),
    Configuration("hardly disjoint", [(32, 128, 171), (20, 224, 112), (16, 112, 230)], _spec()),
    Configuration("long", [(480, 240, 320), (300, 180, 240), (401, 112, 112)], _spec()),
    Configuration("small", _SMALL, _spec(_CUBE)),
    Configuration("one voxel", [(3, 2, 3), (2, 3, 1), (4, 1, 1)], _spec(VolumeShape(1, 1, 1))),
    Configuration("groups", _SMALL, _spec(_CUBE), ["a", "a", None, "b", "b", "b", "c"]),
    Configuration("boundary", _USUAL, _spec(boundary=40)),
    Configuration("tight boundary", _SMALL, _spec(_CUBE, boundary=3)),
    Configuration("redraw the video", _SMALL, _spec(_CUBE, redraw="video")),
    Configuration("redraw within a boundary", _USUAL, _spec(redraw="video", boundary=20), [*"aabbccdde"]),
    Configuration("every third frame", _USUAL, _spec(temporal_stride=3)),
    Configuration("every second frame", _SMALL, _spec(_CUBE, temporal_stride=2, boundary=6)),
    Configuration("literal Algorithm 1", _USUAL, _spec(positive_ratio=0.3, literal_algorithm1=True)),
    Configuration("negatives changed", _USUAL, _spec(augment="negatives")),
    Configuration("other chances", _SMALL, _spec(_CUBE, recolor_probability=0.1, flip_probability=0.8, channels="h")),
]
"""All laws are tried on these."""

LIBRARIES = [
    Configuration("library", _LIBRARY, _spec()),
    Configuration("library by length", _LIBRARY, _spec(redraw="video", boundary=32), [n % 7 for n in range(200)]),
]
"""Of many videos: only the laws of the videos themselves."""
