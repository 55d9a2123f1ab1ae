import multiprocessing
import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stpairs_core.boxes import disjoint
from stpairs_core.errors import InvalidSpec, NoPairs
from stpairs_core.plan import PairMiner
from stpairs_core.spec import MiningSpec, PairPlan, VolumeShape
from stpairs_core.testing import naive_plan
from stpairs_core.testing.strategies import miners, plans, seeds

EXAMPLES = settings(deadline=None)  # the first call compiles
SMALL = VolumeShape(3, 4, 5)
VIDEOS = [(9, 6, 9), (3, 8, 5), (3, 4, 5), (2, 9, 9), (5, 5, 10), (20, 9, 5)]
steps = st.integers(0, 2**40)


def columns(plan: PairPlan) -> list[bytes]:
    arrays = (plan.video, plan.origin, plan.flip, plan.recolor, plan.color, plan.label)
    return [array.tobytes() for array in arrays]


def rows_of(plan: PairPlan) -> list[naive_plan.Row]:
    lists = (plan.video, plan.origin, plan.flip, plan.recolor, plan.color)
    rows = zip(*(_nested(column.tolist()) for column in lists), plan.label.tolist(), strict=True)
    return [naive_plan.Row(*row) for row in rows]


def _nested(value: Any) -> Any:
    return tuple(_nested(item) for item in value) if isinstance(value, list) else value


@settings(deadline=None, max_examples=200)
@given(miners(), steps)
def test_every_row_is_that_of_the_oracle(miner: Any, step: int) -> None:
    mined, sizes, groups = miner
    plan = mined.plan(step)
    pairs = range(step * mined.spec.pairs, step * mined.spec.pairs + len(plan))
    assert rows_of(plan) == naive_plan.plan_rows(
        [tuple(e) for e in sizes.tolist()], mined.spec, mined.seed, pairs, groups
    )


@EXAMPLES
@given(miners(), steps)
def test_boxes_lie_inside_their_videos(miner: Any, step: int) -> None:
    mined, sizes, _ = miner
    plan = mined.plan(step)
    shape = (plan.shape.frames, plan.shape.height, plan.shape.width)
    assert (plan.origin >= 0).all()
    assert (plan.origin + shape <= sizes[plan.video]).all()


@EXAMPLES
@given(miners(), steps)
def test_positives_are_disjoint_volumes_of_one_video(miner: Any, step: int) -> None:
    mined, _, _ = miner
    plan = mined.plan(step)
    same = plan.label == 1
    assert (plan.video[same, 0] == plan.video[same, 1]).all()
    assert np.all(disjoint(plan.origin[same, 0], plan.origin[same, 1], plan.shape))
    if mined.spec.boundary is not None:
        distance = np.abs(plan.origin[same, 0, 0] - plan.origin[same, 1, 0])
        assert (distance + plan.shape.frames <= mined.spec.boundary).all()


@EXAMPLES
@given(miners(), steps)
def test_negatives_are_of_two_videos_and_two_groups(miner: Any, step: int) -> None:
    mined, _, groups = miner
    plan = mined.plan(step)
    for a, b in plan.video[plan.label == -1].tolist():
        assert a != b
        assert groups is None or groups[a] in (None, -1) or groups[a] != groups[b]


@EXAMPLES
@given(miners(), steps)
def test_positives_come_first_and_are_counted(miner: Any, step: int) -> None:
    mined, _, _ = miner
    labels = mined.plan(step).label.tolist()
    positives = naive_plan.rounded(mined.spec.positive_ratio, mined.spec.pairs)
    negatives = mined.spec.pairs - positives
    if mined.spec.literal_algorithm1:
        negatives = len(range(positives + 1, negatives + 1))
    assert labels == [1] * positives + [-1] * negatives
    assert (mined.positives, mined.negatives) == (positives, negatives)


@EXAMPLES
@given(plans())
def test_only_second_members_are_changed_and_within_bounds(drawn: Any) -> None:
    plan, _ = drawn
    assert not plan.flip[:, 0].any()
    assert not plan.recolor[:, 0].any()
    assert (plan.color[~plan.recolor] == np.array([0, 1, 1], np.float32)).all()
    changed = plan.color[plan.recolor].astype(np.float64)
    assert (np.abs(changed[:, 0]) <= 0.1).all()
    assert ((changed[:, 1:] >= (0.5, 0.7)) & (changed[:, 1:] <= 2)).all()


@EXAMPLES
@given(plans())
def test_columns_have_their_types_and_shapes(drawn: Any) -> None:
    plan, sizes = drawn
    n = len(plan)
    found = [
        (column.shape, column.dtype, column.flags.c_contiguous)
        for column in (plan.video, plan.origin, plan.flip, plan.recolor, plan.color, plan.label)
    ]
    types = (np.int32, np.int32, np.bool_, np.bool_, np.float32, np.int8)
    shapes = ((n, 2), (n, 2, 3), (n, 2), (n, 2), (n, 2, 3), (n,))
    assert found == [(shape, np.dtype(kind), True) for shape, kind in zip(shapes, types, strict=True)]
    assert plan.video.max() < len(sizes)


@EXAMPLES
@given(miners(), steps, st.slices(20))
def test_slices_agree_with_the_whole(miner: Any, step: int, rows: slice) -> None:
    mined, _, _ = miner
    whole = mined.plan(step)
    cut = [whole.video, whole.origin, whole.flip, whole.recolor, whole.color, whole.label]
    assert columns(mined.plan(step, rows)) == [column[rows].tobytes() for column in cut]


OPTIONS: list[dict[str, Any]] = [
    {},
    {"augment": "negatives"},
    {"augment": "negatives", "redraw": "video", "literal_algorithm1": True},
    {"redraw": "video", "boundary": 8},
    {"temporal_stride": 2, "flip_probability": 0.9, "recolor_probability": 0.1},
]


@pytest.mark.parametrize("groups", [None, [1, 1, 2, 2, None, "x"]])
@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("ratio", [0.3, 0.7])
def test_steps_of_many_chunks_have_the_rows_of_the_oracle(options: Any, groups: Any, ratio: float) -> None:
    """Whole steps, in which one chunk has pairs of both kinds, against single rows by the oracle."""
    miner = PairMiner(VIDEOS, MiningSpec(volume=SMALL, pairs=1500, positive_ratio=ratio, **options), 5, groups)
    whole = rows_of(miner.plan(3))
    near = [miner.positives + row for row in range(-20, 20)]  # where the kinds meet
    chosen = [row for row in (*range(0, len(whole), 41), *near) if 0 <= row < len(whole)]
    pairs = [3 * 1500 + row for row in chosen]
    assert [whole[row] for row in chosen] == naive_plan.plan_rows(VIDEOS, miner.spec, 5, pairs, groups)


def test_slices_agree_across_chunks() -> None:
    miner = PairMiner(VIDEOS, MiningSpec(volume=SMALL, pairs=1000), seed=3)
    whole = miner.plan(7)
    for rows in (slice(200, 300), slice(255, 257), slice(999, None), slice(1, None, 3), slice(None, None, -1)):
        assert miner.plan(7, rows).origin.tobytes() == whole.origin[rows].tobytes()


@EXAMPLES
@given(miners(), steps)
def test_one_pair_is_its_row(miner: Any, step: int) -> None:
    mined, _, _ = miner
    whole = mined.plan(step)
    for row in range(len(whole)):
        assert rows_of(mined.pair(step * mined.spec.pairs + row)) == rows_of(whole)[row : row + 1]


@EXAMPLES
@given(seeds)
def test_seeds_steps_and_rows_all_differ(seed: int) -> None:
    spec = MiningSpec(volume=SMALL, pairs=200)
    plan = PairMiner(VIDEOS, spec, seed).plan(0)
    other = PairMiner(VIDEOS, spec, (seed + 1) % 2**64)
    assert columns(plan) != columns(other.plan(0))
    assert columns(plan) != columns(PairMiner(VIDEOS, spec, seed).plan(1))
    assert len(set(map(str, rows_of(plan)))) > 100


def test_a_spawned_process_makes_the_same_bytes() -> None:
    miner = PairMiner(VIDEOS, MiningSpec(volume=SMALL, pairs=300), seed=5, groups=[1, 1, 2, 2, None, "x"])
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert columns(pool.apply(miner.plan, (4,))) == columns(miner.plan(4))


def test_the_last_pair_index_has_a_plan() -> None:
    miner = PairMiner(VIDEOS, MiningSpec(volume=SMALL, pairs=2, positive_ratio=0.5), seed=2**64 - 1)
    assert rows_of(miner.plan(2**63 - 1)) == naive_plan.plan_rows(
        VIDEOS, miner.spec, miner.seed, [2**64 - 2, 2**64 - 1]
    )


def test_unusable_videos_are_known() -> None:
    miner = PairMiner(VIDEOS, MiningSpec(volume=SMALL), seed=0)
    assert miner.too_small.tolist() == [3]
    assert miner.negatives_only.tolist() == [2]
    used = miner.plan(0, slice(0)).video
    assert used.shape == (0, 2)
    many = PairMiner(VIDEOS, MiningSpec(volume=SMALL, pairs=2000), seed=0).plan(0)
    assert set(many.video[many.label == 1].reshape(-1).tolist()) == {0, 1, 4, 5}
    assert set(many.video[many.label == -1].reshape(-1).tolist()) == {0, 1, 2, 4, 5}


def test_a_boundary_can_leave_a_video_to_negatives() -> None:
    spec = MiningSpec(volume=SMALL, boundary=5)
    assert PairMiner(VIDEOS, spec, seed=0).negatives_only.tolist() == [0, 2]
    assert PairMiner([*VIDEOS, (40, 4, 5)], spec, seed=0).negatives_only.tolist() == [0, 2, 6]


@pytest.mark.parametrize(
    ("pairs", "ratio", "positives"),
    [(10, 0.3, 3), (5, 0.3, 2), (10, 0.25, 3), (50, 0.29, 15), (1, 0.5, 1), (7, 0.0, 0)],
)
def test_positives_are_rounded_half_away_from_zero(pairs: int, ratio: float, positives: int) -> None:
    assert PairMiner(VIDEOS, MiningSpec(volume=SMALL, pairs=pairs, positive_ratio=ratio), 0).positives == positives


def test_the_printed_loop_stops_at_the_number_of_negatives() -> None:
    miner = PairMiner(VIDEOS, MiningSpec(volume=SMALL, literal_algorithm1=True), seed=0)
    assert miner.plan(0).label.tolist() == [1, 1, 1, -1, -1, -1, -1]
    usual = PairMiner(VIDEOS, MiningSpec(volume=SMALL), seed=0)
    assert columns(miner.plan(3)) == columns(usual.plan(3, slice(7)))
    most = PairMiner(VIDEOS, MiningSpec(volume=SMALL, positive_ratio=0.6, literal_algorithm1=True), seed=0)
    assert most.plan(0).label.tolist() == [1] * 6


def test_augmenting_negatives_leaves_positives_alone() -> None:
    spec = MiningSpec(volume=SMALL, pairs=200, positive_ratio=0.5, recolor_probability=1.0, flip_probability=1.0)
    both = PairMiner(VIDEOS, spec, seed=0).plan(0)
    assert both.flip[:, 1].all()
    assert both.recolor[:, 1].all()
    negatives = PairMiner(VIDEOS, replace(spec, augment="negatives"), seed=0).plan(0)
    assert (negatives.flip[:, 1] == (negatives.label == -1)).all()
    assert (negatives.recolor[:, 1] == (negatives.label == -1)).all()
    never = PairMiner(VIDEOS, replace(spec, recolor_probability=0.0, flip_probability=0.0), seed=0).plan(0)
    assert not never.flip.any()
    assert not never.recolor.any()


def test_a_volume_of_every_third_frame_spans_those_between() -> None:
    strided = MiningSpec(volume=SMALL, pairs=300, temporal_stride=3)
    plan = PairMiner(VIDEOS, strided, seed=0).plan(0)
    assert plan.stride == 3
    assert plan.shape == SMALL
    as_long = PairMiner(VIDEOS, MiningSpec(volume=VolumeShape(7, 4, 5), pairs=300), seed=0)
    assert columns(plan) == columns(as_long.plan(0))
    assert PairMiner(VIDEOS, strided, seed=0).too_small.tolist() == as_long.too_small.tolist() == [1, 2, 3, 4]
    same = plan.label == 1
    assert np.all(disjoint(plan.origin[same, 0], plan.origin[same, 1], VolumeShape(7, 4, 5)))


@pytest.mark.parametrize(
    ("fields", "message"),
    [({"temporal_stride": 0}, "temporal_stride must be at least 1"), ({"boundary": 6}, "of 7 frames")],
)
def test_a_stride_that_cannot_be_is_refused(fields: Any, message: str) -> None:
    with pytest.raises(InvalidSpec, match=message):
        MiningSpec(**{"volume": SMALL, "temporal_stride": 3} | fields)


def test_the_plan_says_where_the_offset_goes() -> None:
    assert PairMiner(VIDEOS, MiningSpec(volume=SMALL, channels="sv"), seed=0).plan(0).channels == "sv"


@pytest.mark.parametrize(
    ("extents", "spec", "groups", "message"),
    [
        ([], MiningSpec(), None, "two disjoint volumes of 16x112x112: there are no videos; ask"),
        (
            [(31, 128, 171), (20, 150, 150), (9, 60, 60)],
            MiningSpec(),
            None,
            r"16x112x112: the largest of the 3 videos are 31x128x171, 20x150x150 \(frames x height x width\); ask",
        ),
        ([(16, 128, 171)], MiningSpec(), None, "16x112x112: the only video is 16x128x171 "),
        ([(60, 128, 171)] * 2, MiningSpec(boundary=30), None, "within 30 frames"),
        ([(60, 128, 171), (9, 128, 171)], MiningSpec(), None, "need two videos .* not 1"),
        ([(15, 128, 171)] * 3, MiningSpec(positive_ratio=0.0), None, "need two videos .* not 0: .* 15x128x171"),
        ([(60, 128, 171)] * 3, MiningSpec(), ["g01"] * 3, "two groups: all 3"),
    ],
)
def test_too_few_videos_are_named(extents: Any, spec: MiningSpec, groups: Any, message: str) -> None:
    with pytest.raises(NoPairs, match=message):
        PairMiner(extents, spec, 0, groups)


@EXAMPLES
@given(st.lists(st.tuples(*[st.integers(0, 40)] * 3), min_size=1, max_size=9))
def test_only_sizes_that_exist_are_named_the_longest_and_the_largest_picture_among_them(extents: Any) -> None:
    with pytest.raises(NoPairs) as caught:
        PairMiner(extents, MiningSpec(), 0)
    named = [tuple(map(int, size.split("x"))) for size in re.findall(r"\d+x\d+x\d+", str(caught.value))][1:]
    assert 1 <= len(named) <= 3
    assert set(named) <= set(extents)
    assert max(t for t, _, _ in named) == max(t for t, _, _ in extents)
    assert max(y * x for _, y, x in named) == max(y * x for _, y, x in extents)
    assert max(t * y * x for t, y, x in named) == max(t * y * x for t, y, x in extents)


def test_what_is_not_asked_for_need_not_exist() -> None:
    assert len(PairMiner([(60, 128, 171)], MiningSpec(positive_ratio=1.0), seed=0).plan(0)) == 10
    assert len(PairMiner([(16, 128, 171)] * 2, MiningSpec(positive_ratio=0.0), seed=0).plan(0)) == 10


@pytest.mark.parametrize(
    ("extents", "seed", "groups"),
    [
        ([(60, 128)] * 3, 0, None),
        ([60, 128, 171], 0, None),
        ([(60.0, 128.0, 171.0)] * 3, 0, None),
        ([(60, 128, -171)] * 3, 0, None),
        ([(2**31, 128, 171)] * 3, 0, None),
        ([(60, 128, 171)] * 3, -1, None),
        ([(60, 128, 171)] * 3, 2**64, None),
        ([(60, 128, 171)] * 3, 0, ["a", "b"]),
    ],
)
def test_malformed_input_is_refused(extents: Any, seed: int, groups: Any) -> None:
    with pytest.raises(InvalidSpec):
        PairMiner(extents, MiningSpec(), seed, groups)


@pytest.mark.parametrize("index", [-1, 2**64 - 6, 2**70])
def test_indices_out_of_range_are_refused(index: int) -> None:
    with pytest.raises(InvalidSpec, match="the index of a pair must lie between 0 and 18446744073709551609, not"):
        PairMiner(VIDEOS, MiningSpec(volume=SMALL), 0).pair(index)


def test_no_row_of_the_last_step_is_none() -> None:
    miner = PairMiner(VIDEOS, MiningSpec(volume=SMALL, pairs=1, positive_ratio=0.0), seed=0)
    assert len(miner.plan(2**64 - 1, slice(1, 1))) == 0


@pytest.mark.parametrize("step", [-1, 2**64 // 10])
def test_steps_out_of_range_are_refused(step: int) -> None:
    with pytest.raises(InvalidSpec, match="a step must lie between 0 and 1844674407370955160,"):
        PairMiner(VIDEOS, MiningSpec(volume=SMALL), 0).plan(step)


def test_groups_may_be_a_numpy_array() -> None:
    spec = MiningSpec(volume=SMALL, pairs=100)
    groups = [0, 0, 1, 1, -1, -1]
    lists, arrays = (PairMiner(VIDEOS, spec, 1, given).plan(0) for given in (groups, np.array(groups)))
    assert columns(lists) == columns(arrays)


def test_the_largest_extents_stay_inside() -> None:
    huge = 2**31 - 1
    plan = PairMiner([(huge, huge, huge)] * 3, MiningSpec(pairs=500, positive_ratio=0.5), seed=9).plan(0)
    assert plan.origin.min() >= 0
    assert plan.origin.max() > 2**30
    same = plan.label == 1
    assert np.all(disjoint(plan.origin[same, 0], plan.origin[same, 1], plan.shape))


def test_a_plan_says_the_group_of_each_volume() -> None:
    extents = [(40, 20, 20)] * 4
    spec = MiningSpec(VolumeShape(8, 8, 8), pairs=50)
    assert PairMiner(extents, spec, 0).plan(0).group is None
    names = ["a", "b", None, "b"]
    plan = PairMiner(extents, spec, 0, names).plan(0)
    assert plan.group is not None
    known = {0: "a", 1: "b", 2: "alone", 3: "b"}
    numbers = {(known[int(v)], int(g)) for v, g in zip(plan.video.ravel(), plan.group.ravel(), strict=True)}
    assert len(numbers) == 3  # one number a group
    assert not (plan.group[plan.label < 0, 0] == plan.group[plan.label < 0, 1]).any()
