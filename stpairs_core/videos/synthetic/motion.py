"""The seven ways of moving, as poses over time."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stpairs_core.videos.synthetic.factors import SPEEDS, Factors, Looks

Track = NDArray[np.float64]
"""(T,): one number a frame."""

_FRAMES_A_CYCLE = dict(zip(SPEEDS, (20.0, 14.0, 10.0), strict=True))
_STEPS = {"right": (1, 0), "down": (0, 1), "left": (-1, 0), "up": (0, -1), "still": (0, 0)}
# Objects that do not zoom have one of the sizes that zooming objects pass through, so that one frame tells nothing.
_SWELL = 0.32


@dataclass(frozen=True, slots=True)
class Poses:
    """The objects' poses frame by frame. Lengths are in cells, the distance between two neighbouring objects."""

    x: Track
    y: Track  # downwards
    angle: Track  # radians, clockwise on the screen
    scale: Track  # around 1


@dataclass(frozen=True, slots=True)
class _Beat:
    """What each action is given."""

    cycles: Track  # how many cycles of the motion are done
    step: tuple[int, int]  # (x, y) of the heading
    turn: int  # +1 clockwise, -1 against the clock

    @property
    def phase(self) -> Track:  # radians
        return 2 * np.pi * self.cycles


def step_of(heading: str) -> tuple[int, int]:
    """The step (x, y) on the screen that a heading means, y downwards; (0, 0) for "still"."""
    return _STEPS[heading]


def poses(factors: Factors, frames: int, looks: Looks) -> Poses:
    """The pose of the objects in each frame: the action's motion about a pose of rest drawn from `looks`."""
    length = _FRAMES_A_CYCLE[factors.speed] * looks.one(0.92, 1.08)
    cycles = np.arange(frames) / length + looks.one()
    turn = 1 if factors.direction in ("right", "left") else -1
    moving = _ACTIONS[factors.action](_Beat(cycles, step_of(factors.direction), turn))
    size = looks.one(0.9, 1.02) * np.exp(_SWELL * np.sin(looks.one(0.0, 2 * np.pi)) * (factors.action != "zoom"))
    return Poses(
        x=moving.x + looks.one(),
        y=moving.y + looks.one(),
        angle=moving.angle + looks.one(0.0, 2 * np.pi),
        scale=moving.scale * size,
    )


def _along(beat: _Beat, distance: Track) -> Poses:
    rest = np.zeros_like(distance)
    return Poses(beat.step[0] * distance, beat.step[1] * distance, rest, rest + 1)


def _translate(beat: _Beat) -> Poses:
    """Steady, four fifths of a cell a cycle."""
    return _along(beat, 0.8 * beat.cycles)


def _rotate(beat: _Beat) -> Poses:
    """Steady, two thirds of a turn a cycle."""
    rest = np.zeros_like(beat.cycles)
    return Poses(rest, rest, beat.turn * 2 / 3 * beat.phase, rest + 1)


def _bounce(beat: _Beat) -> Poses:
    """A ball's leaps from a floor: parabolas, with a sharp turn between two."""
    fall = 2 * (beat.cycles % 1) - 1
    return _along(beat, 0.4 * (1 - fall**2))


def _zoom(beat: _Beat) -> Poses:
    """Swells and shrinks."""
    rest = np.zeros_like(beat.cycles)
    return Poses(rest, rest, rest, np.exp(_SWELL * np.sin(beat.phase)))


def _wave(beat: _Beat) -> Poses:
    """Swings about a pivot, as a hanging thing does."""
    swing = 0.8 * np.sin(beat.phase)
    along, across = 0.27 * np.cos(swing), 0.27 * np.sin(swing)
    x, y = beat.step
    return Poses(x * along - y * across, y * along + x * across, swing, np.ones_like(swing))


def _orbit(beat: _Beat) -> Poses:
    """Round a circle, always upright."""
    rest = np.zeros_like(beat.cycles)
    return Poses(0.17 * np.cos(beat.phase), 0.17 * beat.turn * np.sin(beat.phase), rest, rest + 1)


def _shake(beat: _Beat) -> Poses:
    """Trembles to and fro, three times as often as the others move."""
    return _along(beat, 0.08 * np.sin(3 * beat.phase))


_ACTIONS: dict[str, Callable[[_Beat], Poses]] = {
    "translate": _translate,
    "rotate": _rotate,
    "bounce": _bounce,
    "zoom": _zoom,
    "wave": _wave,
    "orbit": _orbit,
    "shake": _shake,
}
