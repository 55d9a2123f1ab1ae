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
_CHUNK = 1024  # pixels handled at once, or one row if that is longer: their buffers stay in the first-level cache
_WIDE = 16  # entries of the table are made in multiples of this, so that no SIMD loop has a remainder

# Numba would compute in float64 or int64 if these were Python numbers, at half the speed.
_ZERO, _HALF, _ONE, _TWO, _THREE, _FOUR, _SIX = (np.float32(x) for x in (0, 0.5, 1, 2, 3, 4, 6))
# Unsigned, because a signed index costs a test for "counted from the end" that keeps a loop from vectorising.
_U1, _U2, _U3 = (np.uint64(x) for x in (1, 2, 3))
_BYTE = np.uint16(8)  # bits

_SQRT_HALF_BITS = np.int64(0x3FE6A09E667F3BCD)  # of the float64 nearest to sqrt(1/2)
_MANTISSA, _SHORT_MANTISSA = np.int64(52), np.int32(23)  # bits of a float64 and of a float32 below its exponent
# log2(m) = sum of _L[k] w^(2k+1) with w = (m - 1) / (m + 1); |w| < 0.172, so five terms leave 1e-9.
_L0, _L1, _L2, _L3, _L4 = (np.float32(2 / (2 * k + 1) / math.log(2)) for k in range(5))
# 2^u = sum of _E[k] u^k; |u| <= 1/2, so seven terms leave 2e-7, a tenth of a thousandth of a level.
_E0, _E1, _E2, _E3, _E4, _E5, _E6 = (np.float32(math.log(2) ** k / math.factorial(k)) for k in range(7))
_NEVER, _NOTHING = np.float32(-np.inf), np.float32(-60)  # 2^-60 is black in any eight bits


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


def recolor_in_place(
    volume: UInt8s, offset: float, exponent: float, scale: float, channels: Channels = "hsv", flipped: bool = False
) -> None:
    """`recolor` without the copy, and `flip` along with it where asked: `volume` is C-contiguous and overwritten."""
    _check_pixels(volume, axes=2 if flipped else 1)
    _check_in_place(volume)
    check_color(offset, exponent, scale, channels)
    offset, exponent, scale = float(offset), float(exponent), float(scale)
    on_hue, on_others = (offset if name in channels else 0.0 for name in ("h", "sv"))
    log_scale = math.log2(scale) if scale > 0 else -math.inf
    table = np.empty((_LEVELS, _LEVELS, 2), np.float32)
    _fill_table(table, on_others, exponent, scale, log_scale)
    width = volume.shape[-2] if flipped else min(_CHUNK, volume.size // 3)
    if width:
        _paint(volume.reshape(-1), width, flipped, np.float32(6 * (on_hue % 1.0)), table)


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
def _paint(pixels: UInt8s, width: int, flipped: bool, turn: np.float32, table: Floats) -> None:
    """F1 in place on flat RGB in rows of `width`, some rows at a time: apart, look up, together."""
    entries = table.reshape(-1).view(np.uint64)  # value and factor fetched by one read
    room = max(_CHUNK // width, 1) * width
    r, g, b = np.empty(room, np.uint8), np.empty(room, np.uint8), np.empty(room, np.uint8)
    x, y, z = np.empty(room, np.float32), np.empty(room, np.float32), np.empty(room, np.float32)
    where = np.empty(room, np.uint16)
    found = np.empty(room, np.uint64)
    values = found.view(np.float32)
    count = pixels.shape[0] // 3
    for start in range(0, count, room):
        chunk = pixels[3 * start : 3 * min(start + room, count)]
        _apart(chunk, r, g, b)
        # Past the end of the last chunk the buffers hold pixels of before, which do no harm; slices would cost time.
        _locate(r, g, b, where)
        _look_up(entries, where, found)
        _drops(turn, r, g, b, x, y, z)
        _compose(values, x, y, z, r, g, b)
        if flipped:
            _together_mirrored(r, g, b, width, chunk)
        else:
            _together(r, g, b, chunk)


@kernel
def _apart(pixels: UInt8s, r: UInt8s, g: UInt8s, b: UInt8s) -> None:
    """RGBRGB... into three planes."""
    for i in range(np.uint64(pixels.shape[0] // 3)):
        j = i * _U3
        r[i], g[i], b[i] = pixels[j], pixels[j + _U1], pixels[j + _U2]


@kernel
def _together(r: UInt8s, g: UInt8s, b: UInt8s, pixels: UInt8s) -> None:
    """Three planes into RGBRGB..."""
    for i in range(np.uint64(pixels.shape[0] // 3)):
        j = i * _U3
        pixels[j], pixels[j + _U1], pixels[j + _U2] = r[i], g[i], b[i]


@kernel
def _together_mirrored(r: UInt8s, g: UInt8s, b: UInt8s, width: int, pixels: UInt8s) -> None:
    """Three planes into RGBRGB..., of each row of `width` the last pixel first."""
    wide = np.uint64(width)
    for row in range(np.uint64(pixels.shape[0]) // (wide * _U3)):
        for i in range(wide):
            j = (row * wide + i) * _U3
            k = row * wide + wide - _U1 - i
            pixels[j], pixels[j + _U1], pixels[j + _U2] = r[k], g[k], b[k]


@kernel
def _locate(r: UInt8s, g: UInt8s, b: UInt8s, where: NDArray[np.uint16]) -> None:
    """Each pixel's entry of the table: 256 times its value, plus its chroma."""
    for i in range(r.shape[0]):
        value = max(r[i], max(g[i], b[i]))
        chroma = np.uint16(value) - np.uint16(min(r[i], min(g[i], b[i])))
        where[i] = (np.uint16(value) << _BYTE) + chroma


@kernel
def _look_up(entries: NDArray[np.uint64], where: NDArray[np.uint16], found: NDArray[np.uint64]) -> None:
    for i in range(where.shape[0]):
        found[i] = entries[where[i]]


@kernel
def _drops(turn: np.float32, r: UInt8s, g: UInt8s, b: UInt8s, x: Floats, y: Floats, z: Floats) -> None:
    """How far each channel lies below the value after the hue has turned by `turn` sixths of the circle, in [0, 6].

    The hue h is multiplied by the chroma throughout, which saves the division by it. The chroma of a grey pixel
    counts as 1, so that its hue is 0.
    """
    for i in range(r.shape[0]):
        red, green, blue = np.float32(r[i]), np.float32(g[i]), np.float32(b[i])
        value = max(red, max(green, blue))
        chroma = max(value - min(red, min(green, blue)), _ONE)
        h = blue - red + _TWO * chroma if value == green else red - green + _FOUR * chroma
        h = green - blue if value == red else h
        h = h + turn * chroma
        h = h + _SIX * chroma if h < _ZERO else h
        h = h - _SIX * chroma if h >= _SIX * chroma else h
        x[i] = min(max(_TWO * chroma - abs(h - _THREE * chroma), _ZERO), chroma)
        y[i] = min(max(abs(h - _TWO * chroma) - chroma, _ZERO), chroma)
        z[i] = min(max(abs(h - _FOUR * chroma) - chroma, _ZERO), chroma)


@kernel
def _compose(found: Floats, x: Floats, y: Floats, z: Floats, r: UInt8s, g: UInt8s, b: UInt8s) -> None:
    """New value less the drop times its factor; the value carries the 1/2 that makes truncation round half up."""
    for i in range(x.shape[0]):
        j = np.uint64(i) * _U2
        value, factor = found[j], found[j + _U1]
        r[i] = np.int32(value - factor * x[i])
        g[i] = np.int32(value - factor * y[i])
        b[i] = np.int32(value - factor * z[i])


@kernel
def _fill_table(table: Floats, offset: float, exponent: float, scale: float, log_scale: float) -> None:
    """For each (value, chroma <= value): the new value plus 1/2, in levels, and the factor of the drops.

    s + a is float64, whose rounding the oracle shares: near 0 a small exponent makes a visible colour of the least.
    """
    saturation = np.empty(_LEVELS)
    powers, whole, inverse = (
        np.empty(_LEVELS, np.float32),
        np.empty(_LEVELS, np.float32),
        np.empty(_LEVELS, np.float32),
    )
    for chroma in range(_LEVELS):
        inverse[chroma] = 1.0 / max(chroma, 1)
    for value in range(_LEVELS):
        n = (value + _WIDE) // _WIDE * _WIDE
        new_value = np.float32(255.0 * min(scale * min(max(value / 255.0 + offset, 0.0), 1.0) ** exponent, 1.0))
        for chroma in range(n):
            saturation[chroma] = min(max(chroma / max(value, 1) + offset, 0.0), 1.0)
        _scaled_power(saturation[:n], np.float32(exponent), np.float32(log_scale), powers[:n], whole[:n])
        part = table[value, :n]
        for chroma in range(n):
            part[chroma, 0] = new_value + _HALF
            part[chroma, 1] = new_value * powers[chroma] * inverse[chroma]


@kernel
def _scaled_power(x: Doubles, exponent: np.float32, log_scale: np.float32, powers: Floats, whole: Floats) -> None:
    """min(scale x^exponent, 1) into `powers`, for x in [0, 1]: 2^(log2 scale + exponent log2 x), both by their series.

    Numba's own power is a call for each number, ten times slower. `x` is overwritten and `whole` is room to work in.
    """
    bits, short_bits = x.view(np.int64), powers.view(np.int32)
    for i in range(x.shape[0]):
        power = (bits[i] - _SQRT_HALF_BITS) >> _MANTISSA
        whole[i] = np.float32(power) if x[i] > 0.0 else _NEVER
        bits[i] = bits[i] - (power << _MANTISSA)  # leaves x in [sqrt(1/2), sqrt(2))
    for i in range(x.shape[0]):
        powers[i] = x[i]
    for i in range(x.shape[0]):
        w = (powers[i] - _ONE) / (powers[i] + _ONE)
        y = w * w
        log = whole[i] + w * (_L0 + y * (_L1 + y * (_L2 + y * (_L3 + y * _L4))))
        log = min(max(log_scale + exponent * log, _NOTHING), _ZERO)
        nearest = np.int32(log - _HALF)  # towards zero, so the nearest: log is not positive
        u = log - np.float32(nearest)
        whole[i] = np.float32(nearest)
        powers[i] = _E0 + u * (_E1 + u * (_E2 + u * (_E3 + u * (_E4 + u * (_E5 + u * _E6)))))
    for i in range(x.shape[0]):
        short_bits[i] = short_bits[i] + (np.int32(whole[i]) << _SHORT_MANTISSA)


@kernel
def _mirror(pixels: UInt8s, width: int) -> None:
    """F2 in place on flat RGB, some rows at a time."""
    room = max(_CHUNK // width, 1) * width
    r, g, b = np.empty(room, np.uint8), np.empty(room, np.uint8), np.empty(room, np.uint8)
    for start in range(0, pixels.shape[0], 3 * room):
        chunk = pixels[start : start + 3 * room]
        _apart(chunk, r, g, b)
        _together_mirrored(r, g, b, width, chunk)
