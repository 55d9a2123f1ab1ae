"""F1 and F2: the changes that the paper makes to the pixels of a volume."""

import math
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from stpairs_core.errors import InvalidSpec
from stpairs_core.paint import LEVELS, fill_table, mirror, paint, saturations
from stpairs_core.spec import Channels

UInt8s = NDArray[np.uint8]
Floats = NDArray[np.float32]
Color = tuple[float, float, float, Channels]
"""Offset, exponent and scale of F1, and where the offset goes."""
Corner = tuple[int, int]
"""First row and column of a box."""

_ROW = 1024  # pixels of a row where the shape of an array does not matter
_tables: list[Floats] = []  # those that no thread uses now: half a megabyte of fresh pages takes its time


def recolor(
    volume: UInt8s, offset: float, exponent: float, scale: float, channels: Channels = "hsv"
) -> NDArray[np.uint8]:
    """A recoloured copy of a volume: F1, the same change for every pixel.

    `volume` is (..., 3) RGB of any layout; the copy is C-contiguous. In HSV with all components in [0, 1], with
    a = `offset`, e = `exponent`, k = `scale` and results cut to [0, 1]::

        h' = (h + a) mod 1        s' = k (s + a)^e        v' = k (v + a)^e

    where s + a and v + a are cut to [0, 1] as well, h = 0 for grey, and a goes to the components that `channels`
    names. Rounded half up, and never more than one level from the same in float64; an offset that is not a normal
    number is none. `InvalidSpec` for another shape
    or dtype, for numbers that are not finite, exponent <= 0 or scale < 0. Paper: "Color Transformations", section 3.

    >>> recolor(np.array([[200, 100, 50]], np.uint8), offset=0.0, exponent=1.0, scale=0.5)
    array([[100,  75,  63]], dtype=uint8)
    """
    _check_pixels(volume, axes=1)
    result = np.array(volume, order="C", copy=True)
    recolor_in_place(result, offset, exponent, scale, channels)
    return result


def recolor_in_place(volume: UInt8s, offset: float, exponent: float, scale: float, channels: Channels = "hsv") -> None:
    """`recolor` without the copy: `volume` is C-contiguous, writeable and overwritten."""
    _check_pixels(volume, axes=1)
    _check_in_place(volume)
    flat = volume.reshape(-1)
    whole = flat.size // (3 * _ROW) * 3 * _ROW
    with _prepared(offset, exponent, scale, channels) as tables:
        for part, width in ((flat[:whole], _ROW), (flat[whole:], (flat.size - whole) // 3)):
            if part.size:
                paint(_read_only(part), (0, 3 * width, 0), part.reshape(1, -1, width, 3), False, *tables)


def recolor_box(frames: UInt8s, corner: Corner, stride: int, out: UInt8s, color: Color, flipped: bool) -> None:
    """F1, and F2 where asked, of the box of every `stride`-th frame that begins at a row and column, into `out`.

    `frames` is (T, H, W, 3) of any layout, of which C-contiguous is the fastest; `out` is (t, h, w, 3), C-contiguous
    and writeable, and as large as the box.
    """
    with _prepared(*color) as tables:
        paint(*_placed(frames, corner, stride, out), out, flipped, *tables)


def flip_box(frames: UInt8s, corner: Corner, stride: int, out: UInt8s) -> None:
    """F2 of a box, as `recolor_box` has it."""
    mirror(*_placed(frames, corner, stride, out), out)


def flip(volume: UInt8s) -> NDArray[np.uint8]:
    """A copy of a volume mirrored left-right in every frame: F2, the paper's X A with A anti-diagonal.

    `volume` is (..., W, 3) RGB of any layout; the copy is C-contiguous. `InvalidSpec` for another shape or dtype.

    >>> flip(np.array([[[1, 2, 3], [4, 5, 6]]], np.uint8)).tolist()
    [[[4, 5, 6], [1, 2, 3]]]
    """
    _check_pixels(volume, axes=2)
    result = np.empty(volume.shape, np.uint8)
    width = volume.shape[-2]
    if volume.size:
        source = _read_only(np.ascontiguousarray(volume).reshape(-1))
        mirror(source, (0, 3 * width, 0), result.reshape(1, -1, width, 3))
    return result


def flip_in_place(volume: UInt8s) -> None:
    """`flip` with the result in `volume`, which is C-contiguous, writeable and overwritten."""
    _check_pixels(volume, axes=2)
    _check_in_place(volume)
    volume[...] = flip(volume)


def check_color(offset: float, exponent: float, scale: float, channels: str) -> None:
    """Nothing where F1 can obey these numbers; otherwise an `InvalidSpec` that says why not."""
    if channels not in get_args(Channels):
        raise InvalidSpec(f"channels must be one of {', '.join(get_args(Channels))}, not {channels!r}")
    asked = f"offset={offset}, exponent={exponent}, scale={scale}"
    if not all(math.isfinite(x) for x in (offset, exponent, scale)):
        raise InvalidSpec(f"F1 needs finite numbers, not {asked}")
    if exponent <= 0 or scale < 0:
        raise InvalidSpec(f"F1 needs an exponent above 0 and a scale of at least 0, not {asked}")


@contextmanager
def _prepared(offset: float, exponent: float, scale: float, channels: Channels) -> Iterator[tuple[np.float32, Floats]]:
    """How far the hue turns in sixths of the circle, and the table of new values, lent."""
    check_color(offset, exponent, scale, channels)
    # Beyond these no byte changes, and float32 would take the exponent for 0 or infinity.
    offset, exponent, scale = float(offset), min(max(float(exponent), 1e-30), 1e30), float(scale)
    offset = offset if abs(offset) >= sys.float_info.min else 0.0
    on_hue, on_others = (offset if name in channels else 0.0 for name in ("h", "sv"))
    try:
        table = _tables.pop()
    except IndexError:
        table = np.empty((LEVELS, LEVELS, 2), np.float32)
    fill_table(table, saturations(), on_others, exponent, scale, math.log2(scale) if scale > 0 else -math.inf)
    yield np.float32(6 * (on_hue % 1.0)), table
    _tables.append(table)


def _placed(frames: UInt8s, corner: Corner, stride: int, out: UInt8s) -> tuple[UInt8s, tuple[int, int, int]]:
    """Flat frames, and where in them the volume `out` begins and how far apart its rows and frames lie, in bytes."""
    (y, x), (_, height, width, _) = corner, out.shape
    if not frames.flags.c_contiguous:
        frames = np.ascontiguousarray(frames[::stride, y : y + height, x : x + width])
        y, x, stride = 0, 0, 1
    rows, columns = frames.shape[1:3]
    place = (3 * (y * columns + x), 3 * columns, 3 * rows * columns * stride)
    return _read_only(frames.reshape(-1)), place


def _read_only(pixels: UInt8s) -> UInt8s:
    """A view that cannot be written to: a kernel is compiled once for each kind, and frames are of this one."""
    view = pixels.view()
    view.flags.writeable = False
    return view


def _check_pixels(volume: Any, axes: int) -> None:
    needed = "(..., 3)" if axes == 1 else "(..., W, 3)"
    if not isinstance(volume, np.ndarray):
        raise InvalidSpec(f"a volume is a NumPy array of uint8 {needed}, not a {type(volume).__name__}")
    if volume.dtype != np.uint8 or volume.ndim < axes or volume.shape[-1] != 3:
        raise InvalidSpec(f"a volume is uint8 {needed}, not {volume.dtype} {volume.shape}")


def _check_in_place(volume: UInt8s) -> None:
    if not (volume.flags.c_contiguous and volume.flags.writeable):
        raise InvalidSpec("only a C-contiguous, writeable volume can be changed in place: change a copy")
