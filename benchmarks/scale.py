"""How much is measured: in full, or just enough to see that every script still works."""

from dataclasses import dataclass
from typing import Final

from stpairs_core import VolumeShape


@dataclass(frozen=True, slots=True)
class Scale:
    """Sizes of everything that is measured."""

    volume: VolumeShape
    """Of every volume."""
    picture: tuple[int, int]
    """Height and width of the usual video."""
    memory: int
    """Bytes of decoded frames that volumes are cut from."""
    visited: int
    """Pairs of volumes cut from them before any is cut again."""
    pairs: tuple[int, ...]
    """Pairs a step."""
    videos: tuple[int, int, int]
    """Few videos, the usual number and many."""
    rounds: int
    """Times that everything is measured."""
    least: float
    """Seconds that each takes in a round, or more."""
    fresh: int
    """Fresh interpreters, one after the other."""
    ways: tuple[str, ...]
    """Of working beside a process that has compiled."""
    flow: tuple[tuple[str, int, tuple[int, int]], ...]
    """Pictures for optical flow: a name, the shorter side, and height and width of a made-up video."""


FULL: Final = Scale(
    volume=VolumeShape(16, 112, 112),
    picture=(128, 171),
    memory=1600 * 2**20,
    visited=1024,
    pairs=(10, 100, 4096, 100_000),
    videos=(100, 13_320, 1_000_000),
    rounds=31,
    least=0.02,
    fresh=2,
    ways=("fork", "spawn", "forkserver", "threads"),
    flow=(("128x171", 128, (128, 172)), ("240x320", 240, (240, 320))),
)

QUICK: Final = Scale(
    volume=VolumeShape(4, 16, 16),
    picture=(20, 27),
    memory=2**20,
    visited=16,
    pairs=(10, 20),
    videos=(5, 20, 50),
    rounds=2,
    least=0.0,
    fresh=1,
    ways=("fork",),
    flow=(("20x28", 20, (20, 28)),),
)
