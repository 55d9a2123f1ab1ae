"""What varies from video to video: the settings, the known factors, and how they are drawn."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stpairs_core import rng
from stpairs_core.errors import InvalidSpec

Floats = NDArray[np.float32]

ACTIONS = ("translate", "rotate", "bounce", "zoom", "wave", "orbit", "shake")
"""Ways of moving."""
KINDS = ("disc", "square", "triangle", "star", "ring", "cross", "moon")
"""Shapes of the objects; the one at an action's place in `ACTIONS` is that action's own."""
HEADINGS = ("right", "down", "left", "up")
"""Where translate, bounce and shake head and wave hangs; right and left mean clockwise for rotate and orbit."""
SPEEDS = ("slow", "medium", "fast")
"""About 20, 14 and 10 frames for one cycle of the motion."""
TEXTURES = ("stripes", "checks", "dots", "blobs", "halves")
"""What is painted on the objects, and moves with them."""
BACKGROUNDS = ("clouds", "speckle", "stripes", "plaid", "slope")
"""What is behind the objects."""
COLOURS = ("red", "yellow", "green", "cyan", "blue", "pink")
"""Six hues, evenly spaced."""
DRIFTS = ("still", "right", "down", "left", "up")
"""Where the background moves, as behind a tracking camera."""

_PARTS = 3
_FACTORS, _ORDER, _LOOKS = range(_PARTS)


@dataclass(frozen=True, slots=True)
class SyntheticSpec:
    """How many videos, how large, and what goes with what."""

    videos: int = 120
    """Each action has the same number of them, give or take one."""
    frames: int = 64
    """Length of each."""
    height: int = 72
    """Rows; even, for the encoder of the video files."""
    width: int = 96
    """Columns; even."""
    rate: float = 24.0
    """Frames a second of the files; motion is set in frames and does not change with it."""
    object_follows_action: float = 0.8
    """Share of the videos whose objects are of the action's own kind; any kind in the others, that one included."""
    actions: tuple[str, ...] = ACTIONS
    """Which ways of moving."""

    def __post_init__(self) -> None:
        if min(self.videos, self.frames) < 1:
            raise InvalidSpec(f"synthetic videos need at least one video of one frame, not {self}")
        if min(self.height, self.width) < 16 or self.height % 2 or self.width % 2:
            raise InvalidSpec(f"synthetic videos need even sizes of at least 16, not {self.height}x{self.width}")
        if not self.rate > 0.0:
            raise InvalidSpec(f"rate must be positive, not {self.rate}")
        if not 0.0 <= self.object_follows_action <= 1.0:
            raise InvalidSpec(f"object_follows_action must lie between 0 and 1, not {self.object_follows_action}")
        if not self.actions or len(set(self.actions)) < len(self.actions) or not set(self.actions) <= set(ACTIONS):
            raise InvalidSpec(f"actions must be some of {', '.join(ACTIONS)}, each once, not {self.actions}")


@dataclass(frozen=True, slots=True)
class Factors:
    """What is known of one video, a word for each factor. All are drawn evenly and, but for `kind`, independently."""

    action: str
    """The way of moving; the label."""
    direction: str
    """One of `HEADINGS`. Zoom has none to show."""
    speed: str
    """One of `SPEEDS`."""
    kind: str
    """The objects' shape, one of `KINDS`."""
    texture: str
    """The objects' texture."""
    colour: str
    """The objects' colour."""
    background: str
    """The background's texture."""
    background_colour: str
    """The background's colour."""
    drift: str
    """Where the background moves."""


def draw(spec: SyntheticSpec, seed: int, index: int) -> Factors:
    """The factors of one video: a pure function of its arguments, without rendering.

    Each run of `len(spec.actions)` videos has every action once, in an order of its own.
    """
    block, place = divmod(index, len(spec.actions))
    order = rng.permutation(seed, block * _PARTS + _ORDER, rng.SYNTHETIC, len(spec.actions))
    action = spec.actions[order[place]]
    chances: Iterator[float] = iter(rng.uniform(seed, index * _PARTS + _FACTORS, rng.SYNTHETIC, 9).tolist())

    def one_of(words: tuple[str, ...]) -> str:
        return words[int(next(chances) * len(words))]

    own_kind = next(chances) < spec.object_follows_action
    any_kind = one_of(KINDS)
    return Factors(
        action=action,
        direction=one_of(HEADINGS),
        speed=one_of(SPEEDS),
        kind=KINDS[ACTIONS.index(action)] if own_kind else any_kind,
        texture=one_of(TEXTURES),
        colour=one_of(COLOURS),
        background=one_of(BACKGROUNDS),
        background_colour=one_of(COLOURS),
        drift=one_of(DRIFTS),
    )


class Looks:
    """The many small chances of one video that no factor names: sizes, phases, shades, grain.

    They are handed out one after another, so a fixed order of calls is part of the renderer.
    """

    def __init__(self, seed: int, index: int, count: int) -> None:
        self._left = rng.uniform(seed, index * _PARTS + _LOOKS, rng.SYNTHETIC, count).astype(np.float32)

    def many(self, count: int, low: float = 0.0, high: float = 1.0) -> Floats:
        """(count,) numbers between low and high."""
        taken, self._left = self._left[:count], self._left[count:]
        if len(taken) < count:
            raise IndexError(f"{count} numbers asked for, {len(taken)} left")
        return np.asarray(low + (high - low) * taken, np.float32)

    def one(self, low: float = 0.0, high: float = 1.0) -> float:
        """A number between low and high."""
        return float(self.many(1, low, high)[0])
