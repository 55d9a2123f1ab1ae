"""What the pixels ought to be, written as plainly as the definitions: the oracles that fast code is tested against.

Nothing here imports anything of stpairs, so that no fault can hide from its own oracle.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]


def recolor_pixel(
    rgb: tuple[int, int, int], offset: float, exponent: float, scale: float, channels: str = "hsv"
) -> tuple[float, float, float]:
    """F1 of one pixel of eight-bit RGB, in levels and not yet rounded; the definition, a line for a line."""
    h, s, v = _to_hsv(*rgb)
    if channels in ("h", "hsv"):
        h = (h + offset) % 1.0
    if channels in ("sv", "hsv"):
        s, v = _clip(s + offset), _clip(v + offset)
    s, v = s**exponent, v**exponent
    s, v = _clip(scale * s), _clip(scale * v)
    r, g, b = _to_rgb(h, s, v)
    return 255 * r, 255 * g, 255 * b


def recolor(volume: Bytes, offset: float, exponent: float, scale: float, channels: str = "hsv") -> Bytes:
    """F1 of a volume (..., 3) in float64, rounded half up; the same steps as `recolor_pixel`, over arrays."""
    r, g, b = (volume[..., c].astype(np.float64) for c in range(3))
    most, least = np.maximum(np.maximum(r, g), b), np.minimum(np.minimum(r, g), b)
    chroma = most - least
    apart = np.where(chroma > 0, chroma, 1)
    sixths = np.where(most == r, ((g - b) / apart) % 6, np.where(most == g, 2 + (b - r) / apart, 4 + (r - g) / apart))
    h = np.where(chroma > 0, sixths / 6, 0)
    s = chroma / np.where(most > 0, most, 1)
    v = most / 255
    if channels in ("h", "hsv"):
        h = (h + offset) % 1.0
    if channels in ("sv", "hsv"):
        s, v = np.clip(s + offset, 0, 1), np.clip(v + offset, 0, 1)
    s, v = s**exponent, v**exponent
    s, v = np.clip(scale * s, 0, 1), np.clip(scale * v, 0, 1)
    result = np.empty(volume.shape, np.uint8)
    for channel, n in enumerate((5, 3, 1)):
        k = (n + 6 * h) % 6
        result[..., channel] = np.floor(255 * (v - v * s * np.clip(np.minimum(k, 4 - k), 0, 1)) + 0.5)
    return result


def flip(volume: Bytes) -> Bytes:
    """F2 of a volume (..., W, 3): column x takes what stood in column W - 1 - x."""
    width = volume.shape[-2]
    result = np.empty(volume.shape, np.uint8)
    for x in range(width):
        result[..., x, :] = volume[..., width - 1 - x, :]
    return result


def cut(video: Bytes, origin: Sequence[int], size: Sequence[int], stride: int = 1) -> Bytes:
    """The volume of `size` (t, y, x) whose first voxel is `origin`, row by row out of each `stride`-th frame."""
    (t, y, x), (frames, height, width) = origin, size
    result = np.empty((frames, height, width, 3), np.uint8)
    for i in range(frames):
        for j in range(height):
            result[i, j] = video[t + i * stride, y + j, x : x + width]
    return result


def materialize(plan: Any, videos: Sequence[Bytes]) -> Bytes:
    """(B, 2, T, H, W, 3): the pixels of a plan, which is anything with the columns of a `PairPlan`.

    F1 before F2, as Algorithm 1 prints them.
    """
    size = (plan.shape.frames, plan.shape.height, plan.shape.width)
    result = np.empty((len(plan.video), 2, *size, 3), np.uint8)
    for row in range(len(plan.video)):
        for member in (0, 1):
            volume = cut(videos[plan.video[row, member]], plan.origin[row, member], size, plan.stride)
            if plan.recolor[row, member]:
                offset, exponent, scale = (float(x) for x in plan.color[row, member])
                volume = recolor(volume, offset, exponent, scale, plan.channels)
            if plan.flip[row, member]:
                volume = flip(volume)
            result[row, member] = volume
    return result


def _clip(x: float) -> float:
    return min(max(x, 0.0), 1.0)


def _to_hsv(r: int, g: int, b: int) -> tuple[float, float, float]:
    most, chroma = max(r, g, b), max(r, g, b) - min(r, g, b)
    if chroma == 0:
        return 0.0, 0.0, most / 255
    if most == r:
        sixths = ((g - b) / chroma) % 6
    elif most == g:
        sixths = 2 + (b - r) / chroma
    else:
        sixths = 4 + (r - g) / chroma
    return sixths / 6, chroma / most, most / 255


def _to_rgb(h: float, s: float, v: float) -> tuple[float, float, float]:
    sixth = int(6 * h) % 6
    part = 6 * h - int(6 * h)
    low, falling, rising = v * (1 - s), v * (1 - s * part), v * (1 - s * (1 - part))
    table = [
        (v, rising, low),
        (falling, v, low),
        (low, v, rising),
        (low, falling, v),
        (rising, low, v),
        (v, low, falling),
    ]
    return table[sixth]
