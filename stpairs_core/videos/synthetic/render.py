"""From factors to pixels: textured objects, all in one motion, over a drifting background."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from stpairs_core.videos.synthetic.factors import Factors, Floats, Looks, SyntheticSpec, draw
from stpairs_core.videos.synthetic.motion import Poses, poses, step_of
from stpairs_core.videos.synthetic.paint import Weave, canvas, distance, shades, weave

Done = TypeVar("Done")
Video = NDArray[np.uint8]
"""(T, H, W, 3) RGB."""

_LOOKS = 512  # more than the named chances of a video ever take
_FRAMES_AT_ONCE = 4  # what is worked on stays within a core's cache
_RADIUS = 0.34  # of an object of scale 1, in cells


@dataclass(frozen=True, slots=True)
class _Objects:
    """Copies of one object in the cells of a slanted lattice that fills the plane, so every crop sees them."""

    kind: str
    texture: Weave
    poses: Poses
    rows: Floats  # (H, W): how many cells down the lattice each pixel is
    columns: Floats  # (H, W): how many cells along it
    slant: float  # radians from the screen's axes to the lattice's
    stagger: float  # cells by which each row is moved against the last
    cell: float  # pixels


@dataclass(frozen=True, slots=True)
class _Ground:
    """A seamless picture that moves behind the objects."""

    picture: Floats  # (2H, 2W) in [0, 1]
    start: Floats  # (2,): y, x, in pixels
    velocity: Floats  # (2,): y, x, in pixels a frame


def render(spec: SyntheticSpec, seed: int, index: int) -> tuple[Video, Factors]:
    """One video, (T, H, W, 3) RGB, and what is known of it: a pure function of the three arguments.

    Another processor may round a sine otherwise, and a pixel with it; the factors are the same everywhere.
    """
    factors = draw(spec, seed, index)
    grain_size = 3 * spec.height * spec.width
    looks = Looks(seed, index, _LOOKS + spec.frames + 2 * grain_size)
    objects = _place(factors, spec, looks)
    ground = _lay(factors, spec, looks)
    inks = np.stack(
        [
            shades(factors.background_colour, looks, (0.2, 0.7), (0.3, 0.6)),
            shades(factors.colour, looks, (0.5, 1.0), (0.45, 0.95)),
        ]
    )  # (2, 2, 3): of the ground and of the objects, dark and light
    light = _light(spec.frames, looks)
    grain = _grain(spec.frames, grain_size, looks)
    video = np.empty((spec.frames, spec.height, spec.width, 3), np.uint8)
    for first in range(0, spec.frames, _FRAMES_AT_ONCE):
        part = slice(first, min(first + _FRAMES_AT_ONCE, spec.frames))
        mask, paint = _draw_objects(objects, part)
        behind = _draw_ground(ground, part, spec)
        _compose(video[part], (behind, mask, paint), inks, light[part], grain(part))
    return video, factors


def arrays(
    spec: SyntheticSpec, seed: int, on_progress: Callable[[int, int], None] | None = None
) -> tuple[list[Video], list[Factors]]:
    """All videos of a spec in memory, and their factors; `on_progress` hears how many of how many are done."""
    rendered = for_each_video(spec, lambda index: render(spec, seed, index), on_progress)
    return [video for video, _ in rendered], [factors for _, factors in rendered]


def for_each_video(
    spec: SyntheticSpec, work: Callable[[int], Done], on_progress: Callable[[int, int], None] | None
) -> list[Done]:
    """What `work` returns for each index of a spec, in order. It runs in a few threads and stops at the first error."""
    results: list[Done] = []
    pool = ThreadPoolExecutor(min(4, os.cpu_count() or 1))
    try:
        for result in pool.map(work, range(spec.videos)):
            results.append(result)
            if on_progress is not None:
                on_progress(len(results), spec.videos)
    finally:
        pool.shutdown(cancel_futures=True)
    return results


def _place(factors: Factors, spec: SyntheticSpec, looks: Looks) -> _Objects:
    cell = looks.one(0.58, 0.74) * min(spec.height, spec.width)
    slant, stagger = looks.one(0.0, np.pi), looks.one()
    y, x = np.mgrid[: spec.height, : spec.width].astype(np.float32) / np.float32(cell)
    columns, rows = _turned(x, y, -slant)
    moving = poses(factors, spec.frames, looks)
    return _Objects(factors.kind, weave(factors.texture, looks), moving, rows, columns, slant, stagger, cell)


def _lay(factors: Factors, spec: SyntheticSpec, looks: Looks) -> _Ground:
    size = np.array([2 * spec.height, 2 * spec.width], np.float32)
    picture = canvas(factors.background, 2 * spec.height, 2 * spec.width, looks)
    step = np.array(step_of(factors.drift)[::-1], np.float32)
    return _Ground(picture, size * looks.many(2), -step * np.float32(looks.one(0.1, 0.35)))


def _light(frames: int, looks: Looks) -> Floats:
    """(T,): how bright each frame is; a lamp's level and its slow, weak flicker."""
    level, depth, cycles, start = looks.one(0.8, 1.1), looks.one(0.0, 0.05), looks.one(1.0, 4.0), looks.one()
    wave = np.sin(2 * np.pi * (start + cycles * np.arange(frames) / frames))
    return np.asarray(level * (1 + depth * wave), np.float32)


def _grain(frames: int, size: int, looks: Looks) -> Callable[[slice], Floats]:
    """The sensor's noise for a run of frames, (n, size): each frame takes its own stretch of one long noise."""
    strength = looks.one(1.0, 5.0)
    first = (looks.many(frames) * size).astype(np.int64)
    noise = strength * np.float32(2.449) * (looks.many(size) - looks.many(size))  # standard deviation: strength
    noise = np.concatenate([noise, noise])
    return lambda part: np.stack([noise[f : f + size] for f in first[part]])


def _turned(x: Floats, y: Floats, angle: float | Floats) -> tuple[Floats, Floats]:
    """(x, y) turned clockwise on the screen, where y goes down."""
    cos, sin = np.asarray(np.cos(angle), np.float32), np.asarray(np.sin(angle), np.float32)
    return cos * x - sin * y, sin * x + cos * y


def _draw_objects(objects: _Objects, part: slice) -> tuple[Floats, Floats]:
    """Two (n, H, W) in [0, 1]: how much of each pixel the objects cover, and how much of their light colour."""
    pose = objects.poses
    x0, y0, angle, unit = (
        np.asarray(track[part, None, None], np.float32)
        for track in (pose.x, pose.y, objects.slant - pose.angle, _RADIUS * pose.scale)
    )
    x0, y0 = _turned(x0, y0, -objects.slant)
    v = objects.rows - y0
    row = np.rint(v)
    u = objects.columns - x0 + np.float32(objects.stagger) * row
    x, y = _turned(u - np.rint(u), v - row, angle)
    x, y = x / unit, y / unit
    outside = distance(objects.kind, x, y) * unit * np.float32(objects.cell)  # in pixels
    return np.clip(np.float32(0.5) - outside, 0, 1), objects.texture(x, y)


def _draw_ground(ground: _Ground, part: slice, spec: SyntheticSpec) -> Floats:
    """(n, H, W) in [0, 1]: the ground's picture, moved by whole pixels and by what is left of one."""
    high, wide = ground.picture.shape
    frames = []
    for frame in range(part.start, part.stop):
        corner = ground.start + frame * ground.velocity
        whole = np.floor(corner).astype(np.int64)
        down, right = corner - whole
        rows = (whole[0] + np.arange(spec.height + 1)) % high
        columns = (whole[1] + np.arange(spec.width + 1)) % wide
        piece = ground.picture[rows[:, None], columns]
        piece = piece[:-1] + down * (piece[1:] - piece[:-1])
        frames.append(piece[:, :-1] + right * (piece[:, 1:] - piece[:, :-1]))
    return np.stack(frames)


def _compose(out: Video, layers: tuple[Floats, Floats, Floats], inks: Floats, light: Floats, grain: Floats) -> None:
    """Fill `out`, (n, H, W, 3): objects over the ground, lit, with grain."""
    behind, mask, paint = layers
    noise = grain.reshape(out.shape)
    for channel in range(3):
        (dark, bright), (dark_object, bright_object) = inks[..., channel]
        pixels = dark + (bright - dark) * behind
        pixels += mask * (dark_object + (bright_object - dark_object) * paint - pixels)
        pixels *= light[:, None, None]
        pixels += noise[..., channel] + np.float32(0.5)
        out[..., channel] = np.clip(pixels, 0, 255)
