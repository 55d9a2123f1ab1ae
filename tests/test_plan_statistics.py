"""Are plans drawn from the right distributions? A check takes whatever makes plans, so that planted bugs can be tried.

Seeds are fixed. For a fresh seed each p-value compared here would fall below FALSE_ALARM with that chance.
"""

from collections import Counter
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy import stats

from stpairs_core.jit import compiled
from stpairs_core.plan import PairMiner
from stpairs_core.spec import MiningSpec, PairPlan, VolumeShape
from stpairs_core.testing import naive_plan

pytestmark = pytest.mark.skipif(not compiled(), reason="hundreds of thousands of pairs need compiled kernels")

FALSE_ALARM = 1e-6
Extent = tuple[int, int, int]
Make = Callable[[Sequence[Extent], MiningSpec, Sequence[Hashable] | None], PairPlan]

CUBE = VolumeShape(2, 2, 2)
SPEC = MiningSpec(volume=CUBE, pairs=200_000, positive_ratio=0.5)
MIXED: Extent = (5, 4, 4)
VIDEOS: list[Extent] = [(5, 3, 3), (8, 2, 2), (4, 4, 4), (2, 2, 2), (12, 3, 2), (3, 3, 5), (1, 9, 9)]


def mine(extents: Sequence[Extent], spec: MiningSpec, groups: Sequence[Hashable] | None = None) -> PairPlan:
    return PairMiner(extents, spec, 20170, groups).plan(11)


def follows(found: Counter[Any], chances: Mapping[Any, float]) -> None:
    """What was found is possible, and in the given proportions."""
    assert set(found) <= set(chances)
    total, whole = sum(found.values()), sum(chances.values())
    expected = [total * chance / whole for chance in chances.values()]
    assert min(expected) > 5, "too few draws for a chi-square test"
    assert stats.chisquare([found[cell] for cell in chances], expected).pvalue > FALSE_ALARM


def counted(rows: Any) -> Counter[Any]:
    """How often each row of small whole numbers, (n, k), occurs, as a tuple."""
    columns = np.asarray(rows).reshape(len(rows), -1).astype(np.int64)
    sizes = columns.max(axis=0) + 1
    codes, counts = np.unique(np.ravel_multi_index(tuple(columns.T), sizes), return_counts=True)
    cells = np.stack(np.unravel_index(codes, sizes), axis=1)
    return Counter(dict(zip(map(tuple, cells.tolist()), counts.tolist(), strict=True)))


def cells_of(extent: Extent, spec: MiningSpec) -> dict[Any, float]:
    """Every disjoint pair of a video, as six numbers, with equal chances."""
    return {(*a, *b): 1.0 for a, b in naive_plan.disjoint_pairs(extent, size(spec), spec.boundary)}


def size(spec: MiningSpec) -> Extent:
    return spec.volume.frames, spec.volume.height, spec.volume.width


def check_positive_volumes(make: Make, extent: Extent = MIXED, spec: MiningSpec = SPEC) -> None:
    """Uniform over all disjoint pairs of the video."""
    plan = make([extent], replace(spec, positive_ratio=1.0), None)
    follows(counted(plan.origin), cells_of(extent, spec))


def check_volumes_among_others(make: Make) -> None:
    """The same, for each of several videos at once."""
    plan = make(VIDEOS, replace(SPEC, pairs=600_000), None)
    for video in (0, 1, 2, 4, 5):
        rows = (plan.label == 1) & (plan.video[:, 0] == video)
        follows(counted(plan.origin[rows]), cells_of(VIDEOS[video], SPEC))


def check_positive_videos(make: Make, spec: MiningSpec = SPEC) -> None:
    """Uniform over the videos with a disjoint pair; or by the chance that two volumes are disjoint."""
    counts = {video: naive_plan.counts(extent, size(spec), spec.boundary) for video, extent in enumerate(VIDEOS)}
    weights = {(v, v): sum(c[:3]) / sum(c) for v, c in counts.items() if sum(c[:3])}
    if spec.redraw == "volumes":
        weights = dict.fromkeys(weights, 1.0)
    plan = make(VIDEOS, spec, None)
    follows(counted(plan.video[plan.label == 1]), weights)


def check_negative_videos(make: Make, groups: Sequence[Hashable] | None = None) -> None:
    """The first uniform over the usable videos, the second over those of other groups."""
    usable = [video for video, extent in enumerate(VIDEOS) if min(extent) >= 2]
    group = {v: v if groups is None or groups[v] is None else str(groups[v]) for v in usable}
    others = {v: [w for w in usable if group[w] != group[v]] for v in usable}
    plan = make(VIDEOS, SPEC, groups)
    chances = {(v, w): 1 / len(others[v]) for v in usable for w in others[v]}
    follows(counted(plan.video[plan.label == -1]), chances)


def check_negative_volumes(make: Make) -> None:
    """Uniform and independent over the places of both videos."""
    extents = [(4, 2, 3), (3, 5, 2)]
    plan = make(extents, replace(SPEC, positive_ratio=0.0), None)
    places = [list(np.ndindex(*(length - 1 for length in extent))) for extent in extents]
    for first in (0, 1):
        chances = {(*a, *b): 1.0 for a in places[first] for b in places[1 - first]}
        follows(counted(plan.origin[plan.video[:, 0] == first]), chances)


def check_coins(make: Make, recolor: float = 0.5, flip: float = 0.5) -> None:
    """F1 and F2 have their chances, independently of each other, of the label and of the pair before."""
    plan = make(VIDEOS, replace(SPEC, recolor_probability=recolor, flip_probability=flip), None)
    coins = np.stack([plan.recolor[:, 1], plan.flip[:, 1]], 1)
    chances = {(a, b): (recolor if a else 1 - recolor) * (flip if b else 1 - flip) for a in (0, 1) for b in (0, 1)}
    for label in (1, -1):
        follows(counted(coins[plan.label == label]), chances)
    follows(counted(coins.reshape(-1, 4)), {(*a, *b): p * q for a, p in chances.items() for b, q in chances.items()})


def check_colors(make: Make) -> None:
    """Offset, exponent and scale are uniform over their ranges, and independent."""
    plan = make(VIDEOS, SPEC, None)
    drawn = plan.color[:, 1][plan.recolor[:, 1]].astype(np.float64)
    low, high = np.array((-0.1, 0.5, 0.7)), np.array((0.1, 2.0, 2.0))
    assert ((drawn >= low) & (drawn <= high)).all()
    scaled = (drawn - low) / (high - low)
    assert all(stats.kstest(column, "uniform").pvalue > FALSE_ALARM for column in scaled.T)
    cells = [(a, b, c) for a in range(4) for b in range(4) for c in range(4)]
    follows(counted(np.minimum(scaled * 4, 3)), dict.fromkeys(cells, 1.0))


def check_changes_and_places(make: Make) -> None:
    """What is changed does not depend on where the volumes lie."""
    plan = make([(4, 4, 4)], replace(SPEC, positive_ratio=1.0), None)
    places, which = np.unique(plan.origin.reshape(len(plan), 6), axis=0, return_inverse=True)
    for coin in (plan.flip[:, 1], plan.recolor[:, 1]):
        table = np.zeros((len(places), 2))
        np.add.at(table, (which.reshape(-1), coin.astype(int)), 1)
        assert stats.chi2_contingency(table).pvalue > FALSE_ALARM


@pytest.mark.parametrize(
    ("extent", "shape"),
    [
        ((8, 3, 3), (2, 2, 2)),  # t alone can be apart
        ((3, 7, 2), (2, 2, 2)),  # y alone
        ((2, 3, 8), (2, 2, 2)),  # x alone
        ((3, 5, 4), (2, 2, 2)),  # y and x
        ((5, 4, 4), (2, 2, 2)),  # all three
        ((5, 4, 6), (3, 2, 3)),  # all, hardly in t and y
        ((3, 2, 3), (1, 1, 1)),  # every voxel another volume
    ],
)
def test_positive_volumes_are_uniform(extent: Extent, shape: Extent) -> None:
    check_positive_volumes(mine, extent, replace(SPEC, volume=VolumeShape(*shape)))


@pytest.mark.parametrize("boundary", [2, 3, 4, 5, 7])
def test_positive_volumes_are_uniform_within_a_boundary(boundary: int) -> None:
    check_positive_volumes(mine, (9, 3, 4), replace(SPEC, boundary=boundary))


def test_volumes_are_uniform_in_every_video() -> None:
    check_volumes_among_others(mine)


@pytest.mark.parametrize("redraw", ["volumes", "video"])
@pytest.mark.parametrize("boundary", [None, 5])
def test_positive_videos(redraw: Any, boundary: int | None) -> None:
    check_positive_videos(mine, replace(SPEC, redraw=redraw, boundary=boundary))


def test_redrawing_the_video_keeps_its_volumes_uniform() -> None:
    def make(extents: Sequence[Extent], spec: MiningSpec, groups: Sequence[Hashable] | None) -> PairPlan:
        return mine(extents, replace(spec, redraw="video"), groups)

    check_positive_volumes(make)
    check_volumes_among_others(make)


@pytest.mark.parametrize("groups", [None, ["a", "a", "b", "b", "b", "c", "c"], [None, None, 1, 1, 2, None, 1]])
def test_negative_videos(groups: Sequence[Hashable] | None) -> None:
    check_negative_videos(mine, groups)


def test_negative_volumes() -> None:
    check_negative_volumes(mine)


@pytest.mark.parametrize(("recolor", "flip"), [(0.5, 0.5), (0.1, 0.8)])
def test_coins(recolor: float, flip: float) -> None:
    check_coins(mine, recolor, flip)


def test_colors() -> None:
    check_colors(mine)


def test_changes_do_not_depend_on_places() -> None:
    check_changes_and_places(mine)


def planted(change: Callable[[PairPlan, Sequence[Extent], np.random.Generator], PairPlan]) -> Make:
    """Right plans, with a bug put in."""

    def make(extents: Sequence[Extent], spec: MiningSpec, groups: Sequence[Hashable] | None) -> PairPlan:
        return change(mine(extents, spec, groups), extents, np.random.default_rng(1))

    return make


def of_another_spec(**fields: Any) -> Make:
    return lambda extents, spec, groups: mine(extents, replace(spec, **fields), groups)


def rejecting(axes: tuple[int, ...]) -> Make:
    """Volumes drawn again and again until they are apart on one of some axes."""

    def change(plan: PairPlan, extents: Sequence[Extent], generator: np.random.Generator) -> PairPlan:
        drawn = generator.integers(0, np.array(extents)[0] - 1, (4 * len(plan), 2, 3))
        apart = (np.abs(drawn[:, 0] - drawn[:, 1]) >= 2)[:, axes].any(axis=1)
        assert apart.sum() >= len(plan), "too few draws"
        return replace(plan, origin=drawn[apart][: len(plan)].astype(np.int32))

    return planted(change)


def never_last(plan: PairPlan, extents: Sequence[Extent], _: np.random.Generator) -> PairPlan:
    last = np.array(extents)[plan.video] - 2
    return replace(plan, origin=np.where((plan.origin == last) & (last > 0), plan.origin - 1, plan.origin))


def in_order(plan: PairPlan, *_: Any) -> PairPlan:
    return replace(
        plan, origin=np.where(plan.origin[:, :1, :1] > plan.origin[:, 1:, :1], plan.origin[:, ::-1], plan.origin)
    )


def equal_events(plan: PairPlan, *_: Any) -> PairPlan:
    """As many pairs apart in t as apart only in y."""
    in_t = np.abs(plan.origin[:, 0, 0] - plan.origin[:, 1, 0]) >= 2
    share = min(in_t.sum(), (~in_t).sum())
    keep = np.concatenate([np.flatnonzero(in_t)[:share], np.flatnonzero(~in_t)[:share]])
    return replace(plan, origin=plan.origin[np.resize(keep, len(plan))])


def same_video_allowed(plan: PairPlan, extents: Sequence[Extent], generator: np.random.Generator) -> PairPlan:
    usable = np.flatnonzero(np.array(extents).min(axis=1) >= 2)
    return replace(plan, video=generator.choice(usable, plan.video.shape).astype(np.int32))


def modulo_bias(plan: PairPlan, extents: Sequence[Extent], generator: np.random.Generator) -> PairPlan:
    """Five random bits modulo the number of starts."""
    starts = np.array(extents)[plan.video] - 1
    return replace(plan, origin=(generator.integers(0, 32, plan.origin.shape) % starts).astype(np.int32))


def swapped_axes(plan: PairPlan, *_: Any) -> PairPlan:
    return replace(plan, origin=np.ascontiguousarray(plan.origin[:, :, ::-1]))


def one_coin(plan: PairPlan, *_: Any) -> PairPlan:
    return replace(plan, flip=plan.recolor)


def coin_of_place(plan: PairPlan, *_: Any) -> PairPlan:
    return replace(plan, flip=np.where(plan.origin[:, :, 0] == 2, True, plan.flip))


def log_uniform_exponent(plan: PairPlan, _: Any, generator: np.random.Generator) -> PairPlan:
    color = plan.color.copy()
    color[..., 1] = np.where(plan.recolor, 2.0 ** generator.uniform(-1, 1, plan.recolor.shape), 1.0)
    return replace(plan, color=color)


def one_number_for_all(plan: PairPlan, *_: Any) -> PairPlan:
    fraction = (plan.color[..., 0] + 0.1) / 0.2
    color = np.stack([plan.color[..., 0], 0.5 + 1.5 * fraction, 0.7 + 1.3 * fraction], axis=-1)
    return replace(plan, color=np.clip(color, (-0.1, 0.5, 0.7), (0.1, 2.0, 2.0)))


BUGS: list[tuple[str, Callable[[Make], None], Make]] = [
    ("the last start is never drawn", check_negative_volumes, planted(never_last)),
    ("overlap tested in t only", check_positive_volumes, rejecting((0,))),
    ("overlap tested in y and x only", check_positive_volumes, rejecting((1, 2))),
    ("the first is always the earlier", check_positive_volumes, planted(in_order)),
    ("events equally often", check_positive_volumes, planted(equal_events)),
    ("overlap not tested", check_positive_volumes, planted(modulo_bias)),
    ("modulo bias of five bits", check_negative_volumes, planted(modulo_bias)),
    ("axes swapped", check_negative_volumes, planted(swapped_axes)),
    ("n may be m", check_negative_videos, planted(same_video_allowed)),
    ("long videos weigh more", check_positive_videos, of_another_spec(redraw="video")),
    ("boundary too wide", lambda make: check_positive_volumes(make, (9, 3, 4), replace(SPEC, boundary=4)),
     of_another_spec(boundary=5)),
    ("groups are forgotten", lambda make: check_negative_videos(make, ["a", "a", "b", "b", "b", "c", "c"]),
     lambda extents, spec, groups: mine(extents, spec, None)),
    ("a coin of 0.52", check_coins, of_another_spec(recolor_probability=0.52)),
    ("one coin for both changes", check_coins, planted(one_coin)),
    ("a coin that looks at the place", check_changes_and_places, planted(coin_of_place)),
    ("positives are not changed", check_coins, of_another_spec(augment="negatives")),
    ("log-uniform exponent", check_colors, planted(log_uniform_exponent)),
    ("one number for all of F1", check_colors, planted(one_number_for_all)),
]  # fmt: skip


@pytest.mark.parametrize(("check", "make"), [bug[1:] for bug in BUGS], ids=[bug[0] for bug in BUGS])
def test_planted_bugs_are_caught(check: Callable[[Make], None], make: Make) -> None:
    with pytest.raises(AssertionError) as caught:
        check(make)
    assert "draws" not in str(caught.value)
