"""Shapes, textures, backgrounds and colours: procedural, so that any pose of them is exact."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from stpairs_core.videos.synthetic.factors import COLOURS, Floats, Looks

Weave = Callable[[Floats, Floats], Floats]
"""A texture: (x, y) of points on the object -> how much of the second colour, in [0, 1]."""

# How many waves a background is made of, and between how many and how many of them go into its longer side.
_WAVES = {
    "clouds": (14, 1.5, 6.0),
    "speckle": (24, 10.0, 26.0),
    "stripes": (1, 6.0, 12.0),
    "plaid": (2, 6.0, 12.0),
    "slope": (1, 1.0, 1.6),
}
_SHARPNESS = {"clouds": 1.0, "speckle": 1.0, "stripes": 4.0, "plaid": 2.0, "slope": 0.6}


def distance(kind: str, x: Floats, y: Floats) -> Floats:
    """How far outside the object's edge each point (x, y) lies; negative inside.

    Every kind covers an area of about 1.8 and stays within a radius of 1.02.
    """
    return _KINDS[kind](x, y)


def _radius(x: Floats, y: Floats) -> Floats:
    return np.asarray(np.hypot(x, y), np.float32)


def _both(first: Floats, second: Floats) -> Floats:
    """What lies inside of two edges."""
    return np.asarray(np.maximum(first, second), np.float32)


def _disc(x: Floats, y: Floats) -> Floats:
    return _radius(x, y) - np.float32(0.757)


def _square(x: Floats, y: Floats) -> Floats:
    return _both(np.abs(x), np.abs(y)) - np.float32(0.671)


def _triangle(x: Floats, y: Floats) -> Floats:
    slanted = np.float32(0.866) * np.abs(x) - np.float32(0.5) * y
    straight = _both(slanted, y) - np.float32(0.594)
    return _both(straight, _radius(x, y) - np.float32(1.02))  # blunt corners, to stay within the cell


def _star(x: Floats, y: Floats) -> Floats:
    arms = np.asarray(np.cos(5 * np.arctan2(y, x)), np.float32)
    return _radius(x, y) - np.float32(0.26) * arms - np.float32(0.734)


def _ring(x: Floats, y: Floats) -> Floats:
    from_middle: Floats = np.abs(_radius(x, y) - np.float32(0.637))
    return from_middle - np.float32(0.225)


def _cross(x: Floats, y: Floats) -> Floats:
    wide, high = np.abs(x), np.abs(y)
    return _both(_both(wide, high) - np.float32(0.9), np.minimum(wide, high) - np.float32(0.299))


def _moon(x: Floats, y: Floats) -> Floats:
    bite = np.float32(0.585) - _radius(x - np.float32(0.55), y)
    return _both(_radius(x, y) - np.float32(0.92), bite)


_KINDS = {
    "disc": _disc,
    "square": _square,
    "triangle": _triangle,
    "star": _star,
    "ring": _ring,
    "cross": _cross,
    "moon": _moon,
}


def weave(texture: str, looks: Looks) -> Weave:
    """The named texture, with a scale and a place of its own."""
    relief, pitch = _TEXTURES[texture], looks.one(5.0, 9.0)
    waves = looks.many(12, -6.0, 6.0).reshape(4, 3)
    return lambda x, y: np.clip(np.float32(0.5) + 2 * relief(x, y, np.float32(pitch), waves), 0, 1)


def _sine(x: Floats) -> Floats:
    return np.asarray(np.sin(x), np.float32)


def _stripes(x: Floats, y: Floats, pitch: np.float32, waves: Floats) -> Floats:
    return _sine(pitch * x + waves[0, 2])


def _checks(x: Floats, y: Floats, pitch: np.float32, waves: Floats) -> Floats:
    return 2 * _sine(pitch * x + waves[0, 2]) * _sine(pitch * y + waves[1, 2])


def _dots(x: Floats, y: Floats, pitch: np.float32, waves: Floats) -> Floats:
    return _sine(pitch * x + waves[0, 2]) + _sine(pitch * y + waves[1, 2]) - np.float32(0.5)


def _blobs(x: Floats, y: Floats, pitch: np.float32, waves: Floats) -> Floats:
    return sum((_sine(a * x + b * y + c) for a, b, c in waves), np.zeros_like(x))


def _halves(x: Floats, y: Floats, pitch: np.float32, waves: Floats) -> Floats:
    middle: np.float32 = np.float32(0.03) * waves[0, 2]
    return x - middle


_TEXTURES: dict[str, Callable[[Floats, Floats, np.float32, Floats], Floats]] = {
    "stripes": _stripes,
    "checks": _checks,
    "dots": _dots,
    "blobs": _blobs,
    "halves": _halves,
}


def canvas(background: str, height: int, width: int, looks: Looks) -> Floats:
    """(height, width) in [0, 1], without a seam at its edges: how much of the second colour is where.

    It is a sum of waves that fit the canvas a whole number of times.
    """
    count, few, many = _WAVES[background]
    often, way, start = looks.many(count, few, many), looks.many(count, 0.0, np.pi), looks.many(count, 0.0, 2 * np.pi)
    longer = max(height, width)
    turns_x = np.rint(often * np.cos(way) * width / longer)
    turns_y = np.rint(often * np.sin(way) * height / longer)
    turns_x += (turns_x == 0) & (turns_y == 0)
    # cos(a + b) = cos a cos b - sin a sin b: two small matrix products instead of a cosine at every pixel.
    down = 2 * np.pi * np.arange(height)[:, None] / height * turns_y + start
    across = 2 * np.pi * turns_x[:, None] * np.arange(width) / width
    field = np.cos(down) @ np.cos(across) - np.sin(down) @ np.sin(across)
    return np.asarray(np.clip(0.5 + 0.5 * _SHARPNESS[background] * field / np.sqrt(count), 0, 1), np.float32)


def shades(colour: str, looks: Looks, saturation: tuple[float, float], values: tuple[float, float]) -> Floats:
    """(2, 3) RGB in [0, 255]: two shades of a colour, a darker and a lighter one, `values` being about how light."""
    hue = COLOURS.index(colour) / len(COLOURS) + looks.one(-0.04, 0.04)
    strength, light = looks.many(2, *saturation), np.asarray(values) * looks.many(2, 0.85, 1.15)
    return np.stack([_rgb(hue, float(s), float(v)) for s, v in zip(strength, light, strict=True)])


def _rgb(hue: float, saturation: float, value: float) -> NDArray[np.float32]:
    """(3,) RGB in [0, 255] of a colour in HSV, each component in [0, 1]."""
    sector = (6 * hue + np.array([5, 3, 1])) % 6
    fall = np.clip(np.minimum(sector, 4 - sector), 0, 1)
    return np.asarray(255 * min(value, 1.0) * (1 - saturation * fall), np.float32)
