"""F1 and F2 as kernels: many pixels at a time, in passes over buffers that stay in the first-level cache.

Two facts about HSV make F1 fast. With value V = max(r, g, b) and chroma C = max - min, each channel lies some drop
below the value: r = V - drop_r, with 0 <= drop_r <= C, and the drops depend on the hue and on C alone. And the new V
and S depend on the pair (V, C) alone, of which eight bits know only 32,896. So one table gives each pixel its new value
and the factor its drops are multiplied by, and all that is left to do for a pixel is a few additions and
multiplications: no division and no power.
"""

from functools import cache
from typing import Any

import numpy as np
from numba.core import types
from numpy.typing import NDArray

from stpairs_core import lanes
from stpairs_core.intrinsics import or_plain
from stpairs_core.jit import kernel

UInt8s = NDArray[np.uint8]
Floats = NDArray[np.float32]

LEVELS = 256
"""Values that a byte has; the table is (LEVELS, LEVELS, 2)."""
_CHUNK = 1024  # pixels handled at once, or one row if that is longer
# Unsigned, because a signed index costs a test for "counted from the end" that keeps a loop from vectorising.
_U1, _U2, _U3, _LANES = (np.uint64(x) for x in (1, 2, 3, lanes.LANES))
_BYTE = np.uint16(8)  # bits


@kernel
def paint(source: UInt8s, place: Any, out: Any, flipped: bool, turn: np.float32, table: Floats) -> None:
    """F1, and F2 where asked, of a volume `out` (t, h, w, 3) that is read from flat RGB.

    `place` is where its first byte lies in the source, and how many bytes further its rows and frames do. A source that
    is `out` itself is changed in place. `turn` is the hue's offset in sixths of the circle, in [0, 6].
    """
    frames, height, width = out.shape[0], out.shape[1], out.shape[2]
    entries = table.reshape(-1).view(np.uint64)  # value and factor fetched by one read
    rows = max(_CHUNK // width, 1)
    room = -(-rows * width // lanes.LANES) * lanes.LANES
    r, g, b = np.zeros(room, np.uint8), np.zeros(room, np.uint8), np.zeros(room, np.uint8)
    where = np.empty(room, np.uint16)
    found = np.empty(room, np.uint64)
    values = found.view(np.float32)
    painted = out.reshape(-1)
    count = frames * height
    for start in range(0, count, rows):
        n = min(rows, count - start)
        _gather(source, place, start, n, height, width, r, g, b)
        # Past the end of the last rows the buffers hold pixels of before, which do no harm; slices would cost time.
        _locate(r, g, b, where)
        _look_up(entries, where, found)
        for i in range(np.uint64(room) // _LANES):
            _repaint(values, turn, r, g, b, i * _LANES)
        _together(r, g, b, np.uint64(n), np.uint64(width), flipped, painted, np.uint64(3 * start * width))


@kernel
def mirror(source: UInt8s, place: Any, out: Any) -> None:
    """F2 of a volume `out` (t, h, w, 3) that is read from flat RGB, not of `out` itself; `place` as in `paint`."""
    frames, height, width = out.shape[0], out.shape[1], np.uint64(out.shape[2])
    first, row_step, frame_step = place
    blocks, mirrored = width // _LANES, out.reshape(-1)
    for frame in range(frames):
        for row in range(height):
            start = np.uint64(first + frame * frame_step + row * row_step)
            end = np.uint64(frame * height + row + 1) * width * _U3
            for block in range(blocks):
                _reverse(source, start + block * _U3 * _LANES, mirrored, end - (block + _U1) * _U3 * _LANES)
            for i in range(blocks * _LANES, width):
                j, k = start + i * _U3, end - (i + _U1) * _U3
                mirrored[k], mirrored[k + _U1], mirrored[k + _U2] = source[j], source[j + _U1], source[j + _U2]


def reverse_plainly(source: UInt8s, start: Any, out: UInt8s, at: Any) -> None:
    """`_reverse` on NumPy arrays."""
    size = 3 * lanes.LANES
    pixels = source[int(start) : int(start) + size].reshape(-1, 3)
    out[int(at) : int(at) + size] = pixels[::-1].reshape(-1)


@or_plain(reverse_plainly)
def _reverse(typing: Any, source: Any, start: Any, out: Any, at: Any) -> Any:
    """Sixteen pixels RGBRGB... of the source, the last one first, into `out`."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        pixels, reversed_ = (context.make_array(signature.args[k])(context, builder, arguments[k]).data for k in (0, 2))
        lanes.store(builder, lanes.reversed_pixels(builder, pixels, arguments[1]), reversed_, arguments[3])
        return context.get_dummy_value()

    return types.void(source, types.uint64, out, types.uint64), emit


@kernel
def _gather(
    source: Any, place: Any, start: Any, rows: Any, height: Any, width: Any, r: UInt8s, g: UInt8s, b: UInt8s
) -> None:
    """Rows `start` on of a volume, RGBRGB... at its place in the source, into three planes."""
    first, row_step, frame_step = place
    wide = np.uint64(width)
    for row in range(rows):
        frame, line = (start + row) // height, (start + row) % height
        at, to = np.uint64(first + frame * frame_step + line * row_step), np.uint64(row * width)
        for i in range(wide):
            j = at + i * _U3
            r[to + i], g[to + i], b[to + i] = source[j], source[j + _U1], source[j + _U2]


@kernel
def _together(
    r: UInt8s, g: UInt8s, b: UInt8s, rows: Any, width: Any, flipped: bool, pixels: UInt8s, first: Any
) -> None:
    """Three planes into RGBRGB...; flipped, of each row the last pixel first."""
    if flipped:
        for row in range(rows):
            for i in range(width):
                j = first + (row * width + i) * _U3
                k = row * width + width - _U1 - i
                pixels[j], pixels[j + _U1], pixels[j + _U2] = r[k], g[k], b[k]
    else:
        for i in range(rows * width):
            j = first + i * _U3
            pixels[j], pixels[j + _U1], pixels[j + _U2] = r[i], g[i], b[i]


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


def repainted(xp: Any, red: Any, green: Any, blue: Any, value: Any, factor: Any, turn: Any) -> tuple[Any, Any, Any]:
    """The channels after the hue has turned, from their new value and the factor of their drops below it.

    The hue h is multiplied by the chroma throughout, which saves the division by it. The chroma of a grey pixel counts
    as 1, so that its hue is 0. The value carries the 1/2 that makes truncation round half up.
    """
    most = xp.maximum(red, xp.maximum(green, blue))
    chroma = xp.maximum(most - xp.minimum(red, xp.minimum(green, blue)), 1)
    twice = chroma + chroma
    thrice = twice + chroma
    circle = thrice + thrice
    h = xp.where(most == green, blue - red + twice, red - green + twice + twice)
    h = xp.where(most == red, green - blue, h) + turn * chroma
    h = xp.where(h < 0, h + circle, h)
    h = xp.where(h >= circle, h - circle, h)
    drops = (twice - xp.absolute(h - thrice), xp.absolute(h - twice) - chroma, xp.absolute(h - twice - twice) - chroma)
    red, green, blue = (value - factor * xp.minimum(xp.maximum(drop, 0), chroma) for drop in drops)
    return red, green, blue


def repaint_plainly(found: Floats, turn: np.float32, r: UInt8s, g: UInt8s, b: UInt8s, start: Any) -> None:
    """`_repaint` on NumPy arrays."""
    block = slice(int(start), int(start) + lanes.LANES)
    entries = found[2 * block.start : 2 * block.stop]
    red, green, blue = (plane[block].astype(np.float32) for plane in (r, g, b))
    turned = repainted(np, red, green, blue, entries[::2], entries[1::2], turn)
    for plane, values in zip((r, g, b), turned, strict=True):
        plane[block] = values.astype(np.uint8)


@or_plain(repaint_plainly)
def _repaint(typing: Any, found: Any, turn: Any, r: Any, g: Any, b: Any, start: Any) -> Any:
    """Sixteen pixels from `start` on repainted; `found` has value and factor of each in turn."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        entries, *planes = (
            context.make_array(signature.args[k])(context, builder, arguments[k]).data for k in (0, 2, 3, 4)
        )
        at = arguments[5]
        value, factor = lanes.every_second(builder, entries, builder.add(at, at))
        red, green, blue = (
            lanes.floats_of_bytes(builder, lanes.load(builder, plane, at, lanes.BYTES)) for plane in planes
        )
        turn = lanes.spread(builder, arguments[1])
        turned = repainted(lanes.Namespace(builder), red, green, blue, value, factor, turn)
        for plane, channel in zip(planes, turned, strict=True):
            lanes.store(builder, lanes.bytes_of_floats(channel), plane, at)
        return context.get_dummy_value()

    return types.void(found, types.float32, r, g, b, types.uint64), emit


@cache
def saturations() -> NDArray[np.float64]:
    """C / V for each entry of the table with chroma <= value, up to the end of its sixteen, in order: made once."""
    value, chroma = np.mgrid[:LEVELS, :LEVELS].astype(np.float64)
    wanted = np.nonzero(chroma // lanes.LANES <= value // lanes.LANES)
    ratios: NDArray[np.float64] = (chroma / np.maximum(value, 1))[wanted]
    return ratios


@kernel
def fill_table(table: Floats, ratios: Any, offset: float, exponent: float, scale: float, log_scale: float) -> None:
    """For each (value, chroma <= value): the new value plus 1/2, in levels, and the factor of the drops.

    `ratios` are the `saturations`. s + a is float64, whose rounding the oracle shares: near 0 a small exponent makes a
    visible colour of the least.
    """
    flat, done = table.reshape(-1), np.uint64(0)
    saturation, inverse = np.empty(LEVELS), np.empty(LEVELS, np.float32)
    for chroma in range(LEVELS):
        inverse[chroma] = 1.0 / max(chroma, 1)
    for value in range(LEVELS):
        new_value = np.float32(255.0 * min(scale * min(max(value / 255.0 + offset, 0.0), 1.0) ** exponent, 1.0))
        blocks = np.uint64(value // lanes.LANES + 1)
        for chroma in range(blocks * _LANES):
            saturation[chroma] = min(max(ratios[done + chroma] + offset, 0.0), 1.0)
        done += blocks * _LANES
        for block in range(blocks):
            start, entry = block * _LANES, np.uint64(value * LEVELS) + block * _LANES
            _fill_entries(saturation, inverse, start, exponent, log_scale, new_value, flat, _U2 * entry)


def fill_entries_plainly(
    saturation: Any, inverse: Floats, start: Any, exponent: float, log_scale: float, value: Any, out: Floats, at: Any
) -> None:
    """`_fill_entries` on NumPy arrays."""
    block, entries = slice(int(start), int(start) + lanes.LANES), out[int(at) : int(at) + 2 * lanes.LANES]
    powers = np.minimum(2.0**log_scale * saturation[block] ** exponent, 1).astype(np.float32)
    entries[::2], entries[1::2] = value + np.float32(0.5), value * powers * inverse[block]


@or_plain(fill_entries_plainly)
def _fill_entries(
    typing: Any, saturation: Any, inverse: Any, start: Any, exponent: Any, log_scale: Any, value: Any, out: Any, at: Any
) -> Any:
    """Sixteen entries of the table, for s + a in [0, 1] and 1 / C from `start` on, into `out` from `at` on."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        ratios, inverses, entries = (
            context.make_array(signature.args[k])(context, builder, arguments[k]).data for k in (0, 1, 6)
        )
        x = lanes.Lanes(builder, lanes.load(builder, ratios, arguments[2], lanes.DOUBLES))
        exponents, log_scales, values = (lanes.spread(builder, arguments[k]) for k in (3, 4, 5))
        factor = lanes.Lanes(builder, lanes.load(builder, inverses, arguments[2], lanes.FLOATS))
        factor = values * lanes.power(x, exponents, log_scales) * factor
        lanes.store(builder, lanes.alternating(builder, values + 0.5, factor), entries, arguments[7])
        return context.get_dummy_value()

    floats = types.float32, types.float32, types.float32
    return types.void(saturation, inverse, types.uint64, *floats, out, types.uint64), emit
