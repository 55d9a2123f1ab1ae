"""The laws of a plan's rows. Each counts one neighbourhood of plans; counts add up, and are judged in the end."""

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np
from scipy import fft

from plan_laws.exact import Table, components, negative_videos, positive_videos, starts
from plan_laws.fields import FIELDS, SLOTS, Population, fractions, joints, margins
from plan_laws.neighbourhood import Impossible, Neighbourhood
from plan_laws.tables import chi_square, cross, each_two, kolmogorov_smirnov, tail

_LAGS = 256
_KS_CELLS = 1 << 16
_MOST_CELLS = 1_000_000
_AXES = "tyx"
_COLORS = FIELDS[11:]


class Law(NamedTuple):
    """What is counted, and the p-values of what was counted, by name."""

    name: str
    count: Callable[[Neighbourhood], Any]
    judge: Callable[[Any, Population], dict[str, float]]


def _count_videos(at: Neighbourhood) -> Any:
    first, second = at.here.video.T.astype(np.int64)
    videos = len(at.whose.configuration.extents)
    return np.bincount(first * videos + second, minlength=videos**2)


def _judge_videos(counts: Any, whose: Population) -> dict[str, float]:
    configuration = whose.configuration
    usable = [int(video) for video in np.flatnonzero(starts(configuration)[:, 0])]
    chances = np.zeros((len(configuration.extents),) * 2)
    if whose.label == 1:
        for video, chance in positive_videos(configuration, usable).items():
            chances[video, video] = chance
    else:
        for videos, chance in negative_videos(configuration, usable).items():
            chances[videos] = chance
    table = counts.reshape(chances.shape)
    return {
        "both": chi_square(table, chances),
        "first": chi_square(table.sum(1), chances.sum(1)),
        "second": chi_square(table.sum(0), chances.sum(0)),
    }


def _count_starts(at: Neighbourhood) -> Any:
    """The two starts on each axis, every start by itself, one table after the other."""
    pairs = at.here.origin.astype(np.int64)
    sizes = at.whose.places.tolist()
    return np.concatenate(
        [np.bincount(pairs[:, 0, axis] * n + pairs[:, 1, axis], minlength=n * n) for axis, n in enumerate(sizes)]
    )


def _judge_starts(counts: Any, whose: Population) -> dict[str, float]:
    found = {}
    for axis, n in enumerate(whose.places.tolist()):
        chances = np.zeros((n, n))
        for part in whose.parts:
            table = part.axes[axis]
            chances[: table.shape[0], : table.shape[1]] += part.weight * table
        here, counts = counts[: n * n], counts[n * n :]
        found[_AXES[axis]] = chi_square(here, chances)
    return found


def _cells(whose: Population) -> tuple[int, ...]:
    """Of videos and all six starts; only where there are few enough to count each one."""
    sizes = (*(len(whose.configuration.extents),) * 2, *whose.places.tolist(), *whose.places.tolist())
    return sizes if np.prod(np.array(sizes, float)) <= _MOST_CELLS else ()


def _count_volumes(at: Neighbourhood) -> Any:
    sizes = _cells(at.whose)
    if not sizes:
        return np.zeros(1, np.int64)
    rows = np.concatenate([at.here.video, at.here.origin.reshape(-1, 6)], axis=1)
    return np.bincount(np.ravel_multi_index(tuple(rows.T), sizes), minlength=int(np.prod(sizes)))


def _judge_volumes(counts: Any, whose: Population) -> dict[str, float]:
    """Every disjoint pair of volumes of every video, one by one: equal chances within a video."""
    sizes = _cells(whose)
    if not sizes:
        return {}
    chances = np.zeros(sizes)
    for part in components(whose.configuration, whose.label):
        joint = part.weight * np.einsum("ad,be,cf->abcdef", *part.axes)
        a, b, c, d, e, f = joint.shape
        chances[part.videos][:a, :b, :c, :d, :e, :f] += joint
    return {"all": chi_square(counts, chances)}


def _count_colors(at: Neighbourhood) -> Any:
    drawn = (fractions(at.here)[at.here.recolor[:, 1]] * _KS_CELLS).astype(np.int64)
    return np.stack([np.bincount(column, minlength=_KS_CELLS) for column in drawn.T])


def _judge_colors(counts: Any, _: Population) -> dict[str, float]:
    return {name: kolmogorov_smirnov(one) for name, one in zip(_COLORS, counts, strict=True)}


def _count_two_fields(at: Neighbourhood) -> Any:
    return cross(at.codes, at.codes, within=True)


def _judge_two_fields(counts: Any, whose: Population) -> dict[str, float]:
    return each_two(counts, joints(whose), within=True)


def _count_row(at: Neighbourhood) -> Any:
    """Each field against the eighth of the step, and against the row by its last and its last but one hex digit."""
    row = np.arange(len(at.here))
    places = np.stack([row * 8 // len(row), row % 16, row // 16 % 16]).astype(np.uint8)
    return cross(places, at.codes)


def _judge_row(counts: Any, whose: Population) -> dict[str, float]:
    names = ("eighth of the step", "last digit", "last but one digit")
    return {f"{name} x {label}": p for name, table in zip(names, counts, strict=True)
            for label, p in _by_class(table, whose).items()}  # fmt: skip


def _count_step(at: Neighbourhood) -> Any:
    """Each field against the step, modulo 16."""
    step = np.full((1, len(at.here)), at.step % SLOTS, np.uint8)
    return cross(step, at.codes)


def _judge_step(counts: Any, whose: Population) -> dict[str, float]:
    return _by_class(counts[0], whose)


def _by_class(table: Any, whose: Population) -> dict[str, float]:
    """Each field's codes, in each of several classes of rows, against their chances."""
    found = {}
    for name, counts, chances in zip(FIELDS, table, margins(whose), strict=True):
        totals = counts.sum(axis=1)
        expected: Table = totals[:, None] * chances[None, :]
        found[name] = chi_square(counts, expected, classes=int((totals > 0).sum()))
    return found


def _count_lags(at: Neighbourhood) -> Any:
    """(fields, 1 + _LAGS): how many rows, and the sums of products of codes that many rows apart."""
    chances, slots = margins(at.whose), np.arange(SLOTS)
    mean = chances @ slots
    spread = np.sqrt(chances @ slots**2 - mean**2)
    varies = spread > 1e-9
    scale = np.where(varies, 1 / np.where(varies, spread, 1.0), 0.0)
    values = (at.codes - mean[:, None].astype(np.float32)) * scale[:, None].astype(np.float32)
    size = fft.next_fast_len(values.shape[1] + _LAGS, real=True)
    spectrum = np.abs(fft.rfft(values, size)) ** 2
    products = fft.irfft(spectrum, size)[:, 1 : 1 + _LAGS].astype(np.float64)
    return np.concatenate([values.shape[1] * varies[:, None], products], axis=1)


def _judge_lags(sums: Any, _: Population) -> dict[str, float]:
    found = {}
    for name, (rows, *products) in zip(FIELDS, sums, strict=True):
        if rows:
            found[name] = tail(float((np.array(products) ** 2).sum() / rows), _LAGS)
    return found


def _related(name: str, seed: Callable[[int], int], steps: int = 0, pairs: int = 0, shift: int = 0) -> Law:
    """Each field against each field of a row elsewhere: of another seed, some steps, pairs or rows on."""

    def count(at: Neighbourhood) -> Any:
        step = at.step + steps + pairs // at.whose.configuration.spec.pairs
        return cross(at.codes, at.codes_of(seed(at.seed) % 2**64, step), shift)

    def judge(counts: Any, whose: Population) -> dict[str, float]:
        each = margins(whose)
        return each_two(counts, np.einsum("ia,jb->ijab", each, each))

    return Law(name, count, judge)


def _same(number: int) -> int:
    return number


VIDEOS = Law("videos", _count_videos, _judge_videos)
ROW_LAWS = [
    VIDEOS,
    Law("starts", _count_starts, _judge_starts),
    Law("volumes", _count_volumes, _judge_volumes),
    Law("colours", _count_colors, _judge_colors),
    Law("two fields", _count_two_fields, _judge_two_fields),
    Law("row", _count_row, _judge_row),
    Law("step", _count_step, _judge_step),
    Law("lags", _count_lags, _judge_lags),
]
"""Of the rows of one seed."""
NEIGHBOUR_LAWS = [
    _related("next row", _same, shift=1),
    _related("next step", _same, steps=1),
    _related("2**32 pairs on", _same, pairs=2**32),
    _related("next seed", lambda seed: seed + 1),
    _related("next seed, row before", lambda seed: seed + 1, shift=-1),
    _related("next seed, step before", lambda seed: seed + 1, steps=-1),
    _related("2**32 seeds on", lambda seed: seed ^ 1 << 32),
    _related("seed's halves swapped", lambda seed: seed << 32 | seed >> 32),
]
"""Of rows against the rows that differ from them by one in an address."""


def p_values(whose: Population, laws: list[Law], places: Iterable[Neighbourhood]) -> dict[str, float]:
    """The p-value of each thing that some laws say of a population, over all the places that were looked at.

    A value that cannot be is the p-value 0 of the law "possible" alone: nothing else can then be counted.
    """
    counts: list[Any] = [0] * len(laws)
    try:
        for at in places:
            counts = [sofar + law.count(at) for sofar, law in zip(counts, laws, strict=True)]
    except Impossible:
        return {f"{whose.name}: possible": 0.0}
    return {
        f"{whose.name}: {law.name}: {what}": p
        for law, sums in zip(laws, counts, strict=True)
        for what, p in law.judge(sums, whose).items()
        if not np.isnan(p)
    }
