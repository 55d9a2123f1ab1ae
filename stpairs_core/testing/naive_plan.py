"""What a pair plan ought to be, from its definition, with loops and Python's whole numbers: slow and plain.

Nothing here imports anything of stpairs, so that no fault can hide from its own oracle. A spec is anything with the
fields of a MiningSpec. `extent` is (frames, height, width) and `size` that of a volume.
"""

from collections.abc import Hashable, Iterator, Sequence
from fractions import Fraction
from itertools import product
from typing import Any, NamedTuple

import numpy as np

Box = tuple[int, int, int]
PAIR = 1


class Row(NamedTuple):
    """One pair, in the order of a plan's columns."""

    video: tuple[int, int]
    origin: tuple[Box, Box]
    flip: tuple[bool, bool]
    recolor: tuple[bool, bool]
    color: tuple[tuple[float, float, float], tuple[float, float, float]]
    label: int


def philox(counter: tuple[int, int, int, int], key: tuple[int, int]) -> tuple[int, int, int, int]:
    """Philox4x32-10 of four and two 32-bit words, as in the paper of Salmon et al."""
    a, b, c, d = counter
    for number in range(10):
        key_0 = (key[0] + number * 0x9E3779B9) % 2**32
        key_1 = (key[1] + number * 0xBB67AE85) % 2**32
        high_0, low_0 = divmod(0xD2511F53 * a, 2**32)
        high_1, low_1 = divmod(0xCD9E8D57 * c, 2**32)
        a, b, c, d = high_1 ^ b ^ key_0, low_1, high_0 ^ d ^ key_1, low_0
    return a, b, c, d


def words(seed: int, item: int, purpose: int, count: int) -> list[int]:
    """The first words of a stream: key (seed low, high), counter (item low, high, purpose, block)."""
    found: list[int] = []
    for block in range(-(-count // 4)):
        found += philox((item % 2**32, item // 2**32, purpose, block), (seed % 2**32, seed // 2**32))
    return found[:count]


def meet(a: Box, b: Box, size: Box) -> bool:
    """Whether two volumes share a voxel: on every axis, some coordinate lies in both."""
    return all(set(range(p, p + s)) & set(range(q, q + s)) for p, q, s in zip(a, b, size, strict=True))


def disjoint_pairs(extent: Box, size: Box, boundary: int | None = None) -> list[tuple[Box, Box]]:
    """Every ordered pair of disjoint volumes of one video; `boundary` frames hold both of them, None: anywhere."""
    ts, ys, xs = (range(e - s + 1) for e, s in zip(extent, size, strict=True))
    boxes = list(product(ts, ys, xs))
    span = extent[0] if boundary is None else boundary
    return [
        (a, b)
        for a, b in product(boxes, boxes)
        if max(a[0], b[0]) + size[0] - min(a[0], b[0]) <= span and not meet(a, b, size)
    ]


def counts(extent: Box, size: Box, boundary: int | None = None) -> tuple[int, int, int, int]:
    """Ordered pairs of volumes apart in t; else in y; else in x; and those that meet."""
    far = [reach(e, s, boundary if axis == 0 else None) for axis, (e, s) in enumerate(zip(extent, size, strict=True))]
    apart = [sum(1 for _ in band(e - s + 1, s, r)) for e, s, r in zip(extent, size, far, strict=True)]
    near = [sum(1 for _ in overlapping(e - s + 1, s, r)) for e, s, r in zip(extent, size, far, strict=True)]
    (t, y, x), (tt, yy, xx) = apart, near
    return t * (y + yy) * (x + xx), tt * y * (x + xx), tt * yy * x, tt * yy * xx


def reach(length: int, size: int, boundary: int | None) -> int:
    """How far apart two starts on an axis can be."""
    return length - size if boundary is None else min(length, boundary) - size


def rows_of_band(n: int, low: int, high: int) -> Iterator[list[tuple[int, int]]]:
    """Starts `low` to `high` apart, as the table of `stpairs_core.boxes`: row i is distance low + i, then high - i."""
    for i in range(high - low + 1):
        ahead = [(a, a + low + i) for a in range(n - low - i)]
        behind = [(b + high - i, b) for b in range(n - high + i)]
        yield ahead + behind


def band(n: int, low: int, high: int) -> Iterator[tuple[int, int]]:
    """Starts `low` to `high` apart."""
    for row in rows_of_band(n, low, high):
        yield from row


def overlapping(n: int, size: int, far: int) -> Iterator[tuple[int, int]]:
    """Starts less than `size` and at most `far` apart: the equal ones, then the band from 1."""
    yield from ((a, a) for a in range(n))
    yield from band(n, 1, min(size - 1, far))


def rounded(ratio: float, pairs: int) -> int:
    """round(pB), half up, of the ratio as written."""
    return int(Fraction(str(ratio)) * pairs + Fraction(1, 2))


def plan_rows(
    extents: Sequence[Box], spec: Any, seed: int, pairs: Sequence[int], groups: Sequence[Hashable] | None = None
) -> list[Row]:
    """The rows of a plan for some pair indices; row `r` of step `s` is pair `s * B + r`."""
    size = ((spec.volume.frames - 1) * spec.temporal_stride + 1, spec.volume.height, spec.volume.width)
    table = _in_order([v for v, e in enumerate(extents) if all(a >= b for a, b in zip(e, size, strict=True))], groups)
    ways = [counts(extents[video], size, spec.boundary) for video, _ in table]
    aliases = _aliases(ways, spec.redraw == "video")
    found = []
    for pair in pairs:
        halves = words(seed, pair, PAIR, 16)
        draws = [low + 2**32 * high for low, high in zip(halves[::2], halves[1::2], strict=True)]
        positive = pair % spec.pairs < rounded(spec.positive_ratio, spec.pairs)
        if positive:
            chosen, rest = _choose(aliases, draws[0])
            video = (table[chosen][0], table[chosen][0])
            event = draws[6] if spec.redraw == "video" else rest
            origin = _positive(extents[video[0]], size, spec.boundary, ways[chosen], event, draws[1:4])
        else:
            video = _two_videos(table, draws[0])
            origin = _anywhere(extents[video[0]], extents[video[1]], size, draws[1:4])
        change = spec.augment == "both" or not positive
        recolor = change and halves[8] < round(spec.recolor_probability * 2**32)
        flip = change and halves[9] < round(spec.flip_probability * 2**32)
        color = _color(draws[5]) if recolor else (0.0, 1.0, 1.0)
        found.append(
            Row(video, origin, (False, flip), (False, recolor), ((0.0, 1.0, 1.0), color), 1 if positive else -1)
        )
    return found


def _in_order(usable: list[int], groups: Sequence[Hashable] | None) -> list[tuple[int, Hashable]]:
    """Videos with a name of their group, group after group as they first appear."""
    named: list[tuple[int, Hashable]] = []
    for video in usable:
        alone = groups is None or groups[video] is None or groups[video] == -1
        named.append((video, ("alone", video) if alone or groups is None else ("group", groups[video])))
    order = list(dict.fromkeys(group for _, group in named))
    return [pair for group in order for pair in named if pair[1] == group]


def _aliases(ways: Sequence[tuple[int, int, int, int]], weighted: bool) -> list[tuple[int, int, int]]:
    """Vose's method: (place, alias, threshold) of the rows with a disjoint pair, by equal weights or by chance."""
    chances = {row: 2**64 * (a + b + c) // (a + b + c + m) for row, (a, b, c, m) in enumerate(ways) if a + b + c}
    table = {row: (row, row, 0) for row in chances}
    full = sum(chances.values())
    left = {row: chance * len(chances) for row, chance in chances.items()}
    light = [row for row in left if weighted and left[row] < full]
    heavy = [row for row in left if weighted and left[row] > full]
    while light:
        row = light.pop()
        table[row] = (row, heavy[-1], left[row] * 2**64 // full)
        left[heavy[-1]] -= full - left[row]
        if left[heavy[-1]] < full:
            light.append(heavy[-1])
        if left[heavy[-1]] <= full:
            heavy.pop()
    return list(table.values())


def _split(draw: int, limit: int) -> tuple[int, int]:
    return divmod(draw * limit, 2**64)


def _choose(aliases: list[tuple[int, int, int]], draw: int) -> tuple[int, int]:
    place, rest = _split(draw, len(aliases))
    row, alias, threshold = aliases[place]
    return row if rest < threshold or alias == row else alias, rest


def _positive(
    extent: Box, size: Box, boundary: int | None, ways: tuple[int, int, int, int], drawn: int, draws: list[int]
) -> tuple[Box, Box]:
    """Event 0, 1 or 2: apart on that axis, overlapping on those before it, anywhere on those after it."""
    a, b, c, _ = ways
    event = sum(drawn // 2 >= 2**63 * bound // (a + b + c) for bound in (a, a + b))
    starts = []
    for axis, (length, s, draw) in enumerate(zip(extent, size, draws, strict=True)):
        n, far = length - s + 1, reach(length, s, boundary if axis == 0 else None)
        if axis < event:
            near = list(overlapping(n, s, far))
            starts.append(near[_split(draw, len(near))[0]])
        elif axis == event:
            row, rest = _split(draw, far - s + 1)
            places = list(rows_of_band(n, s, far))[row]
            starts.append(places[_split(rest, len(places))[0]])
        else:
            starts.append(_both(draw, n, n))
    return _boxes(starts)


def _two_videos(table: list[tuple[int, Hashable]], draw: int) -> tuple[int, int]:
    place, rest = _split(draw, len(table))
    video, group = table[place]
    others = [other for other, theirs in table if theirs != group]
    return video, others[_split(rest, len(others))[0]]


def _anywhere(first: Box, second: Box, size: Box, draws: list[int]) -> tuple[Box, Box]:
    lengths = zip(draws, first, second, size, strict=True)
    return _boxes([_both(draw, a - s + 1, b - s + 1) for draw, a, b, s in lengths])


def _both(draw: int, n: int, m: int) -> tuple[int, int]:
    first, rest = _split(draw, n)
    return first, _split(rest, m)[0]


def _boxes(starts: list[tuple[int, int]]) -> tuple[Box, Box]:
    (t0, t1), (y0, y1), (x0, x1) = starts
    return (t0, y0, x0), (t1, y1, x1)


def _color(draw: int) -> tuple[float, float, float]:
    """Offset, exponent and scale, in float32: the middle of one of 2**21 parts of each range."""
    parts = (draw >> 43, (draw >> 22) % 2**21, (draw >> 1) % 2**21)
    ranges = ((-0.1, 0.2), (0.5, 1.5), (0.7, 1.3))
    single = np.float32
    offset, exponent, scale = (
        float((single(part) + single(0.5)) * single(width / 2**21) + single(first))
        for part, (first, width) in zip(parts, ranges, strict=True)
    )
    return offset, exponent, scale
