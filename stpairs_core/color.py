"""F1 and F2: the changes that the paper makes to the pixels of a volume.

F1 works in HSV with every component in [0, 1]. Two facts about HSV make it fast. With value V = max(r, g, b) and
chroma C = max - min, each channel lies some drop below the value: r = V - drop_r, with 0 <= drop_r <= C, and the drops
depend on the hue and on C alone. And the new V and S depend on the pair (V, C) alone, of which eight bits know only
32,896. So one small table gives each pixel its new value and the factor its drops are multiplied by, and all that is
left to do for a pixel is a few additions and multiplications: no division and no power.
"""

import math
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from stpairs_core.errors import InvalidSpec
from stpairs_core.jit import kernel
from stpairs_core.spec import Channels

UInt8s = NDArray[np.uint8]
Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]

_LEVELS = 256
_ENTRIES = _LEVELS * (_LEVELS + 1) // 2  # pairs (value, chroma) with chroma <= value <= 255
_CHUNK = 1024  # pixels handled at once: every buffer of a chunk stays in the first-level cache

# Numba would compute in float64 or int64 if these were Python numbers, at half the speed.
_ZERO, _HALF, _ONE, _TWO, _THREE, _FOUR, _SIX = (np.float32(x) for x in (0, 0.5, 1, 2, 3, 4, 6))
# Unsigned, because a signed index costs a test for "counted from the end" that keeps a loop from vectorising.
_U1, _U2, _U3 = (np.uint64(x) for x in (1, 2, 3))

_SQRT_HALF_BITS = np.int64(0x3FE6A09E667F3BCD)  # of the float64 nearest to sqrt(1/2)
_MANTISSA = np.int64(52)  # bits of a float64 below its exponent
# log2(m) = sum of _L[k] w^(2k+1) with w = (m - 1) / (m + 1); |w| < 0.172, so six terms leave 1e-11.
_L0, _L1, _L2, _L3, _L4, _L5 = (2 / (2 * k + 1) / math.log(2) for k in range(6))
# 2^u = sum of _E[k] u^k; |u| <= 1/2, so nine terms leave 1e-9.
_E0, _E1, _E2, _E3, _E4, _E5, _E6, _E7, _E8 = (math.log(2) ** k / math.factorial(k) for k in range(9))
_NOTHING = -60.0  # 2^-60 is black in any eight bits


def recolor(
    volume: UInt8s, offset: float, exponent: float, scale: float, channels: Channels = "hsv"
) -> NDArray[np.uint8]:
    """A recoloured copy of a volume: F1, the same change for every pixel.

    `volume` is (..., 3) RGB of any layout; the copy is C-contiguous. In HSV with all components in [0, 1], with
    a = `offset`, e = `exponent`, k = `scale` and results cut to [0, 1]::

        h' = (h + a) mod 1        s' = k (s + a)^e        v' = k (v + a)^e

    where s + a and v + a are cut to [0, 1] as well, h = 0 for grey, and a goes to the components that `channels`
    names. Rounded half up, and never more than one level from the same in float64. `InvalidSpec` for another shape
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
    check_color(offset, exponent, scale, channels)
    offset, exponent, scale = float(offset), float(exponent), float(scale)
    on_hue, on_others = (offset if name in channels else 0.0 for name in ("h", "sv"))
    log_scale = math.log2(scale) if scale > 0 else -math.inf
    table = np.empty((_ENTRIES, 2), np.float32)
    _fill_table(table, on_others, exponent, scale, log_scale)
    _paint(volume.reshape(-1), np.float32(6 * (on_hue % 1.0)), table)


def flip(volume: UInt8s) -> NDArray[np.uint8]:
    """A copy of a volume mirrored left-right in every frame: F2, the paper's X A with A anti-diagonal.

    `volume` is (..., W, 3) RGB of any layout; the copy is C-contiguous. `InvalidSpec` for another shape or dtype.

    >>> flip(np.array([[[1, 2, 3], [4, 5, 6]]], np.uint8)).tolist()
    [[[4, 5, 6], [1, 2, 3]]]
    """
    _check_pixels(volume, axes=2)
    result = np.array(volume, order="C", copy=True)
    flip_in_place(result)
    return result


def flip_in_place(volume: UInt8s) -> None:
    """`flip` without the copy: `volume` is C-contiguous, writeable and overwritten."""
    _check_pixels(volume, axes=2)
    _check_in_place(volume)
    if volume.size:
        _mirror(volume.reshape(-1), volume.shape[-2])


def check_color(offset: float, exponent: float, scale: float, channels: str) -> None:
    """Nothing where F1 can obey these numbers; otherwise an `InvalidSpec` that says why not."""
    if channels not in get_args(Channels):
        raise InvalidSpec(f"channels must be one of {', '.join(get_args(Channels))}, not {channels!r}")
    asked = f"offset={offset}, exponent={exponent}, scale={scale}"
    if not all(math.isfinite(x) for x in (offset, exponent, scale)):
        raise InvalidSpec(f"F1 needs finite numbers, not {asked}")
    if exponent <= 0 or scale < 0:
        raise InvalidSpec(f"F1 needs an exponent above 0 and a scale of at least 0, not {asked}")


def _check_pixels(volume: Any, axes: int) -> None:
    needed = "(..., 3)" if axes == 1 else "(..., W, 3)"
    if not isinstance(volume, np.ndarray):
        raise InvalidSpec(f"a volume is a NumPy array of uint8 {needed}, not a {type(volume).__name__}")
    if volume.dtype != np.uint8 or volume.ndim < axes or volume.shape[-1] != 3:
        raise InvalidSpec(f"a volume is uint8 {needed}, not {volume.dtype} {volume.shape}")


def _check_in_place(volume: UInt8s) -> None:
    if not (volume.flags.c_contiguous and volume.flags.writeable):
        raise InvalidSpec("only a C-contiguous, writeable volume can be changed in place: change a copy")


@kernel
def _paint(pixels: UInt8s, turn: np.float32, table: Floats) -> None:
    """F1 in place on flat RGB, chunk by chunk: apart, look up, together."""
    entries = table.reshape(-1).view(np.uint64)  # value and factor fetched by one read
    r, g, b = np.empty(_CHUNK, np.uint8), np.empty(_CHUNK, np.uint8), np.empty(_CHUNK, np.uint8)
    x, y, z = np.empty(_CHUNK, np.float32), np.empty(_CHUNK, np.float32), np.empty(_CHUNK, np.float32)
    where = np.empty(_CHUNK, np.uint16)
    found = np.empty(_CHUNK, np.uint64)
    pixel_count = pixels.shape[0] // 3
    for start in range(0, pixel_count, _CHUNK):
        n = min(_CHUNK, pixel_count - start)
        chunk = pixels[3 * start : 3 * (start + n)]
        _apart(chunk, r[:n], g[:n], b[:n])
        _widen(r[:n], x[:n])
        _widen(g[:n], y[:n])
        _widen(b[:n], z[:n])
        _drops(turn, x[:n], y[:n], z[:n], where[:n])
        _look_up(entries, where[:n], found[:n])
        _compose(found[:n].view(np.float32), x[:n], r[:n])
        _compose(found[:n].view(np.float32), y[:n], g[:n])
        _compose(found[:n].view(np.float32), z[:n], b[:n])
        _together(r[:n], g[:n], b[:n], chunk)


@kernel
def _apart(pixels: UInt8s, r: UInt8s, g: UInt8s, b: UInt8s) -> None:
    """RGBRGB... into three planes."""
    for i in range(r.shape[0]):
        j = np.uint64(i) * _U3
        r[i] = pixels[j]
        g[i] = pixels[j + _U1]
        b[i] = pixels[j + _U2]


@kernel
def _together(r: UInt8s, g: UInt8s, b: UInt8s, pixels: UInt8s) -> None:
    """Three planes into RGBRGB..."""
    for i in range(r.shape[0]):
        j = np.uint64(i) * _U3
        pixels[j] = r[i]
        pixels[j + _U1] = g[i]
        pixels[j + _U2] = b[i]


@kernel
def _widen(narrow: UInt8s, wide: Floats) -> None:
    for i in range(narrow.shape[0]):
        wide[i] = np.float32(narrow[i])


@kernel
def _drops(turn: np.float32, r: Floats, g: Floats, b: Floats, where: NDArray[np.uint16]) -> None:
    """The channels become their drops below the value after the hue has turned; `where` is each pixel's table row.

    `turn` is the hue's offset in sixths of the circle, in [0, 6]. The hue h is multiplied by the chroma throughout,
    which saves the division by it. The chroma of a grey pixel counts as 1 from there on, so that its hue is 0.
    """
    for i in range(r.shape[0]):
        value = max(r[i], max(g[i], b[i]))
        chroma = value - min(r[i], min(g[i], b[i]))
        where[i] = np.int32(value * (value + _ONE) * _HALF + chroma)
        chroma = max(chroma, _ONE)
        red, green, blue = g[i] - b[i], b[i] - r[i] + _TWO * chroma, r[i] - g[i] + _FOUR * chroma
        h = green if value == g[i] else blue
        h = red if value == r[i] else h
        h = h + turn * chroma
        h = h + _SIX * chroma if h < _ZERO else h
        h = h - _SIX * chroma if h >= _SIX * chroma else h
        r[i] = min(max(_TWO * chroma - abs(h - _THREE * chroma), _ZERO), chroma)
        g[i] = min(max(abs(h - _TWO * chroma) - chroma, _ZERO), chroma)
        b[i] = min(max(abs(h - _FOUR * chroma) - chroma, _ZERO), chroma)


@kernel
def _look_up(entries: NDArray[np.uint64], where: NDArray[np.uint16], found: NDArray[np.uint64]) -> None:
    for i in range(where.shape[0]):
        found[i] = entries[where[i]]


@kernel
def _compose(found: Floats, drop: Floats, channel: UInt8s) -> None:
    """New value less the drop times its factor; the value carries the 1/2 that makes truncation round half up."""
    for i in range(drop.shape[0]):
        j = np.uint64(i) * _U2
        channel[i] = np.int32(found[j] - found[j + _U1] * drop[i])


@kernel
def _fill_table(table: Floats, offset: float, exponent: float, scale: float, log_scale: float) -> None:
    """For each (value, chroma): the new value plus 1/2, in levels, and the factor of the drops.

    In float64: near s + a = 0 a small exponent makes a visible colour out of a rounding error.
    """
    saturation, powers = np.empty(_LEVELS), np.empty(_LEVELS)
    row = 0
    for value in range(_LEVELS):
        n = value + 1
        new_value = 255.0 * min(scale * min(max(value / 255.0 + offset, 0.0), 1.0) ** exponent, 1.0)
        for chroma in range(n):
            saturation[chroma] = min(max(chroma / max(value, 1) + offset, 0.0), 1.0)
        _scaled_power(saturation[:n], exponent, log_scale, powers[:n])
        part = table[row : row + n]
        for chroma in range(n):
            part[chroma, 0] = new_value + 0.5
            part[chroma, 1] = new_value * saturation[chroma] / max(chroma, 1)
        row += n


@kernel
def _scaled_power(x: Doubles, exponent: float, log_scale: float, logs: Doubles) -> None:
    """min(scale x^exponent, 1) in place, for x in [0, 1]: 2^(log2 scale + exponent log2 x), both by their series.

    Numba's own power is a call for each number, ten times slower. `logs` is room to work in.
    """
    bits = x.view(np.int64)
    for i in range(x.shape[0]):
        power = (bits[i] - _SQRT_HALF_BITS) >> _MANTISSA
        logs[i] = np.float64(np.int32(power)) if x[i] > 0.0 else -np.inf
        bits[i] = bits[i] - (power << _MANTISSA)  # leaves x in [sqrt(1/2), sqrt(2))
    for i in range(x.shape[0]):
        w = (x[i] - 1.0) / (x[i] + 1.0)
        y = w * w
        log = logs[i] + w * (_L0 + y * (_L1 + y * (_L2 + y * (_L3 + y * (_L4 + y * _L5)))))
        log = min(max(log_scale + exponent * log, _NOTHING), 0.0)
        whole = np.int32(log - 0.5)  # towards zero, so the nearest: log is not positive
        u = log - whole
        logs[i] = whole
        x[i] = _E0 + u * (_E1 + u * (_E2 + u * (_E3 + u * (_E4 + u * (_E5 + u * (_E6 + u * (_E7 + u * _E8)))))))
    for i in range(x.shape[0]):
        bits[i] = bits[i] + (np.int64(np.int32(logs[i])) << _MANTISSA)


@kernel
def _mirror(pixels: UInt8s, width: int) -> None:
    """F2 in place on flat RGB, row by row."""
    r, g, b = np.empty(width, np.uint8), np.empty(width, np.uint8), np.empty(width, np.uint8)
    for start in range(0, pixels.shape[0], 3 * width):
        row = pixels[start : start + 3 * width]
        _apart(row, r, g, b)
        _together_mirrored(r, g, b, row)


@kernel
def _together_mirrored(r: UInt8s, g: UInt8s, b: UInt8s, pixels: UInt8s) -> None:
    """Three planes into RGBRGB..., the last pixel first."""
    last = np.uint64(r.shape[0] - 1)
    for i in range(r.shape[0]):
        j = np.uint64(i) * _U3
        k = last - np.uint64(i)
        pixels[j] = r[k]
        pixels[j + _U1] = g[k]
        pixels[j + _U2] = b[k]
