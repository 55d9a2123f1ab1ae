"""From random words to the rows of a plan: kernels that fill the columns for a run of pairs.

Pair i has words of its own, `rng.words(seed, i, rng.PAIR, 12)`, read as six 64-bit draws (the low word first):

    draw 0      the videos; for a positive pair, what is left of it chooses the event (A, B or C of `boxes`)
    draw 1 2 3  the starts of both volumes in t, y and x
    draw 4      low word: F1 or not; high word: F2 or not
    draw 5      bits 43 to 63, 22 to 42 and 1 to 21: F1's offset, exponent and scale
    draw 6      redraw="video" only, where draw 0 has nothing left: the event

One draw yields several choices through `rng.split`. Pairs are done in chunks, and each chunk in passes: what is read at
random places (the tables of videos) is read in a loop that does little else, so that many reads are under way at once.
Nothing here takes a slice inside a loop over pairs, which would cost more than the pair.
"""

from typing import Any

import numpy as np

from stpairs_core import boxes, rng
from stpairs_core.jit import kernel

SEED, FRAMES, HEIGHT, WIDTH, REACH, RECOLOR, FLIP, CHANGE_POSITIVES = range(8)
"""Of the settings, (8,) uint64: the seed; what a volume spans on each axis; how far apart the starts of a positive may
lie in t; the chances of F1 and F2 times 2**32; whether positives are changed."""

STARTS_T, STARTS_Y, STARTS_X, BELOW_A, BELOW_B = range(5)
"""Columns of the table of kinds of video, (K, 8) uint64, a cache line a row: starts on each axis, and the chances of
event A and of A or B, times 2**63."""

_CHUNK = 256
"""Pairs done together: their draws fill a quarter of the first cache."""
_LOW, _HALF = np.uint64(0xFFFFFFFF), np.uint64(32)
_FIRST, _SECOND, _THIRD, _FOURTH = (np.uint64(index) for index in range(4))
_ZERO, _ONE, _TWO, _SIX = np.uint64(0), np.uint64(1), np.uint64(2), np.uint64(6)
_PAIR = np.uint64(rng.PAIR)

# F1's numbers have 21 bits each: the middle of one of 2**21 equal parts, which float32 does not round out of the range.
_PART = np.uint64(2**21 - 1)
_OFFSET, _EXPONENT, _SCALE = np.uint64(43), np.uint64(22), np.uint64(1)
_MIDDLE = np.float32(0.5)
_OFFSET_FROM, _EXPONENT_FROM, _SCALE_FROM = np.float32(-0.1), np.float32(0.5), np.float32(0.7)
_OFFSET_PART, _EXPONENT_PART, _SCALE_PART = (np.float32(width / 2**21) for width in (0.2, 1.5, 1.3))
_NEUTRAL_OFFSET, _NEUTRAL = np.float32(0), np.float32(1)


@kernel
def fill(settings: Any, tables: Any, first: Any, positives: Any, columns: Any) -> None:
    """The rows of pairs `first` on, `positives` positive ones before the rest.

    `tables` are the kinds; for each usable video its number and kind, (n, 2) uint32; the first row and the size of its
    group, (n, 2) uint32, or none at all; what positives are chosen from, number and kind of a video and, where there
    are aliases, of another, (p, 2 or 4) uint32; below which draw the first of the two is taken, (p,) uint64, or none at
    all. `columns` are a plan's video, origin, flip, recolor and color, in full.
    """
    kinds, videos, groups, choices, keep = tables
    video, origin, flip, recolor, color = columns
    draws = np.empty((7, _CHUNK), np.uint64)
    kind = np.empty((2, _CHUNK), np.uint64)
    event = draws[0] if len(keep) == 0 else draws[6]
    for start in range(0, len(video), _CHUNK):
        end = min(start + _CHUNK, len(video))
        middle = min(max(positives, start), end)
        p = middle - start
        _draw(settings[SEED], first + np.uint64(start), end - start, draws)
        if len(keep) > 0:
            _draw_event(settings[SEED], first + np.uint64(start), event[:p])
        _choose_positives(choices, keep, draws[0], video[start:middle], kind)
        _place_positives(settings, kinds, event, draws, kind, origin[start:middle])
        _choose_negatives(videos, groups, draws[0], p, video[middle:end], kind)
        _place_negatives(kinds, draws, p, kind, origin[middle:end])
        unchanged = 0 if settings[CHANGE_POSITIVES] else p
        _decide(settings, draws[4], unchanged, flip[start:end].reshape(-1), recolor[start:end].reshape(-1))
        _color(recolor[start:end].reshape(-1), draws[5], color[start:end].reshape(-1))


@kernel
def _draw(seed: Any, first: Any, count: Any, draws: Any) -> None:
    """Three blocks a pair. Nothing else in the loop, so that it becomes SIMD code."""
    draw_0, draw_1, draw_2, draw_3, draw_4, draw_5 = draws[0], draws[1], draws[2], draws[3], draws[4], draws[5]
    for i in range(count):
        pair = first + np.uint64(i)
        a, b, c, d = rng.block(seed, pair, _PAIR, _FIRST)
        draw_0[i] = a | (b << _HALF)
        draw_1[i] = c | (d << _HALF)
        a, b, c, d = rng.block(seed, pair, _PAIR, _SECOND)
        draw_2[i] = a | (b << _HALF)
        draw_3[i] = c | (d << _HALF)
        a, b, c, d = rng.block(seed, pair, _PAIR, _THIRD)
        draw_4[i] = a | (b << _HALF)
        draw_5[i] = c | (d << _HALF)


@kernel
def _draw_event(seed: Any, first: Any, event: Any) -> None:
    for i in range(len(event)):
        a, b, _, _ = rng.block(seed, first + np.uint64(i), _PAIR, _FOURTH)
        event[i] = a | (b << _HALF)


@kernel
def _choose_positives(choices: Any, keep: Any, draw: Any, video: Any, kind: Any) -> None:
    """A video with two disjoint volumes for each pair; without aliases, what is left of the draw takes its place."""
    for i in range(np.uint64(len(video))):
        place, rest = rng.split(draw[i], np.uint64(len(choices)))
        own = _ZERO
        if len(keep) == 0:
            draw[i] = rest
        elif rest >= keep[place]:
            own = _TWO
        video[i, 0] = choices[place, own]
        video[i, 1] = choices[place, own]
        kind[0, i] = choices[place, own + _ONE]


@kernel
def _choose_negatives(videos: Any, groups: Any, draw: Any, skip: Any, video: Any, kind: Any) -> None:
    """For each pair a video, and another of another group; the first `skip` draws are the positives'."""
    usable, skipped = np.uint64(len(videos)), np.uint64(skip)
    for i in range(np.uint64(len(video))):
        one, rest = rng.split(draw[i + skipped], usable)
        first, size = one, _ONE
        if len(groups) > 0:
            first, size = np.uint64(groups[one, 0]), np.uint64(groups[one, 1])
        other, _ = rng.split(rest, usable - size)
        other = other + size if other >= first else other
        video[i, 0] = videos[one, 0]
        video[i, 1] = videos[other, 0]
        kind[0, i + skipped] = videos[one, 1]
        kind[1, i + skipped] = videos[other, 1]


@kernel
def _place_positives(settings: Any, kinds: Any, event: Any, draws: Any, kind: Any, origin: Any) -> None:
    """Two disjoint volumes of one video: t, then y, then x is apart; those before overlap, those after are free."""
    frames, height, width, reach = settings[FRAMES], settings[HEIGHT], settings[WIDTH], settings[REACH]
    for i in range(np.uint64(len(origin))):
        own = kind[0, i]
        t, y, x = kinds[own, STARTS_T], kinds[own, STARTS_Y], kinds[own, STARTS_X]
        drawn = event[i] >> _ONE
        if drawn < kinds[own, BELOW_A]:
            t0, t1 = _apart(draws[1, i], t, frames, reach)
            y0, y1 = _anywhere(draws[2, i], y, y)
            x0, x1 = _anywhere(draws[3, i], x, x)
        elif drawn < kinds[own, BELOW_B]:
            t0, t1 = _overlapping(draws[1, i], t, frames, reach)
            y0, y1 = _apart(draws[2, i], y, height, y)
            x0, x1 = _anywhere(draws[3, i], x, x)
        else:
            t0, t1 = _overlapping(draws[1, i], t, frames, reach)
            y0, y1 = _overlapping(draws[2, i], y, height, y)
            x0, x1 = _apart(draws[3, i], x, width, x)
        origin[i, 0, 0], origin[i, 0, 1], origin[i, 0, 2] = t0, y0, x0
        origin[i, 1, 0], origin[i, 1, 1], origin[i, 1, 2] = t1, y1, x1


@kernel
def _place_negatives(kinds: Any, draws: Any, skip: Any, kind: Any, origin: Any) -> None:
    """A volume anywhere in each of two videos."""
    for row in range(np.uint64(len(origin))):
        i = row + np.uint64(skip)
        one, other = kind[0, i], kind[1, i]
        t0, t1 = _anywhere(draws[1, i], kinds[one, STARTS_T], kinds[other, STARTS_T])
        y0, y1 = _anywhere(draws[2, i], kinds[one, STARTS_Y], kinds[other, STARTS_Y])
        x0, x1 = _anywhere(draws[3, i], kinds[one, STARTS_X], kinds[other, STARTS_X])
        origin[row, 0, 0], origin[row, 0, 1], origin[row, 0, 2] = t0, y0, x0
        origin[row, 1, 0], origin[row, 1, 1], origin[row, 1, 2] = t1, y1, x1


@kernel
def _apart(draw: Any, n: Any, low: Any, reach: Any) -> Any:
    """Two starts that are `low` to `reach` apart, by a draw."""
    high = min(reach, n - _ONE)
    row, rest = rng.split(draw, high - low + _ONE)
    place, _ = rng.split(rest, _TWO * n - low - high)
    return boxes.in_band(row, place, n, low, high)


@kernel
def _overlapping(draw: Any, n: Any, size: Any, reach: Any) -> Any:
    """Two starts that are less than `size` and at most `reach` apart, by a draw."""
    high = min(min(size - _ONE, reach), n - _ONE)
    rank, _ = rng.split(draw, n + high * (_TWO * n - _ONE - high))
    return boxes.overlapping(rank, n, high)


@kernel
def _anywhere(draw: Any, n: Any, m: Any) -> Any:
    """A start out of n and another out of m, by one draw."""
    one, rest = rng.split(draw, n)
    other, _ = rng.split(rest, m)
    return one, other


@kernel
def _decide(settings: Any, draw: Any, unchanged: Any, flip: Any, recolor: Any) -> None:
    """F1 and F2 of the second members, but for the first `unchanged` pairs; first members are never changed."""
    for i in range(np.uint64(len(flip)) // _TWO):
        flip[_TWO * i] = recolor[_TWO * i] = False
        flip[_TWO * i + _ONE] = i >= unchanged and (draw[i] >> _HALF) < settings[FLIP]
        recolor[_TWO * i + _ONE] = i >= unchanged and (draw[i] & _LOW) < settings[RECOLOR]


@kernel
def _color(recolor: Any, draw: Any, color: Any) -> None:
    """F1's three numbers for each volume; neutral where it is not applied."""
    for i in range(np.uint64(len(recolor)) // _TWO):
        bits, row = draw[i], _SIX * i
        offset = (np.float32(np.int64(bits >> _OFFSET)) + _MIDDLE) * _OFFSET_PART + _OFFSET_FROM
        exponent = (np.float32(np.int64((bits >> _EXPONENT) & _PART)) + _MIDDLE) * _EXPONENT_PART + _EXPONENT_FROM
        scale = (np.float32(np.int64((bits >> _SCALE) & _PART)) + _MIDDLE) * _SCALE_PART + _SCALE_FROM
        changed = recolor[_TWO * i + _ONE]
        color[row], color[row + _ONE], color[row + _TWO] = _NEUTRAL_OFFSET, _NEUTRAL, _NEUTRAL
        color[row + np.uint64(3)] = offset if changed else _NEUTRAL_OFFSET
        color[row + np.uint64(4)] = exponent if changed else _NEUTRAL
        color[row + np.uint64(5)] = scale if changed else _NEUTRAL
