"""How often a negative pair shares a class: against counting all pairs, against mined pairs, against the paper's bound.

The statistical checks have fixed seeds; for a fresh seed each would fail with a chance of FALSE_ALARM.
"""

from collections.abc import Hashable, Sequence
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from stpairs_core import MiningSpec, PairMiner, VolumeShape, false_negatives, negative_collision_bound
from stpairs_core.errors import InvalidSpec
from stpairs_core.jit import compiled

FALSE_ALARM = 1e-6
Labels = Sequence[str | None]


def enumerated(
    labels: Labels, groups: Sequence[Hashable] | None, unused: Sequence[int]
) -> tuple[Fraction, Fraction] | None:
    """The chance of two labels, and of two equal ones, over all ordered pairs that a miner may draw."""
    videos = [video for video in range(len(labels)) if video not in unused]
    alone = [groups is None or groups[video] in (None, -1) for video in range(len(labels))]
    both = same = Fraction(0)
    for first in videos:
        others = [v for v in videos if v != first and (groups is None or alone[v] or groups[v] != groups[first])]
        if not others:
            return None
        chance = Fraction(1, len(videos) * len(others))
        both += chance * sum(bool(labels[first] and labels[other]) for other in others)
        same += chance * sum(bool(labels[first]) and labels[first] == labels[other] for other in others)
    return both, same


@st.composite
def labelled_sets(draw: st.DrawFn) -> tuple[Labels, list[Any] | None, list[int]]:
    """Labels, groups and unused videos of a few videos."""
    labels = draw(st.lists(st.sampled_from(("run", "jump", "sit", "", None)), max_size=9))
    one = st.sampled_from(("g1", "g2", "g3", None, -1, 0))
    groups = draw(st.none() | st.lists(one, min_size=len(labels), max_size=len(labels)))
    return labels, groups, draw(st.lists(st.integers(0, max(0, len(labels) - 1)), max_size=3 if labels else 0))


@given(labelled_sets())
def test_the_rate_is_what_counting_all_pairs_gives(drawn: tuple[Labels, list[Any] | None, list[int]]) -> None:
    labels, groups, unused = drawn
    expected = enumerated(labels, groups, unused)
    if expected is None or not expected[0]:
        with pytest.raises(InvalidSpec):
            false_negatives(labels, groups, unused)
        return
    found = false_negatives(labels, groups, unused)
    assert found.labelled == pytest.approx(float(expected[0]), rel=1e-12)
    assert found.rate == pytest.approx(float(expected[1] / expected[0]), rel=1e-12, abs=1e-15)


@given(labelled_sets())
def test_the_papers_inequality_holds_and_a_simpler_one_is_never_larger(
    drawn: tuple[Labels, list[Any] | None, list[int]],
) -> None:
    """Of fully labelled sets, with any groups: p <= max n_k / Σ n_k <= m (max n_k / Σ n_k)²."""
    labels = [label or "other" for label in drawn[0]]
    if enumerated(labels, drawn[1], ()) is None or len(labels) < 2:
        return
    counts = [labels.count(label) for label in set(labels)]
    largest = max(counts) / len(labels)
    found = false_negatives(labels, drawn[1])
    assert found.labelled == pytest.approx(1.0)
    assert found.bound == negative_collision_bound(counts)
    assert found.rate <= largest + 1e-12 <= found.bound + 2e-12


@given(st.lists(st.integers(1, 60), min_size=1, max_size=12))
def test_the_bound_holds_for_two_videos_drawn_from_all(counts: list[int]) -> None:
    """As the paper draws them, with replacement; it is an equality for classes of one size."""
    p = Fraction(sum(n * n for n in counts), sum(counts) ** 2)
    bound = Fraction(len(counts) * max(counts) ** 2, sum(counts) ** 2)
    assert p <= bound
    assert (p == bound) == (len(set(counts)) == 1)
    assert negative_collision_bound(counts) == pytest.approx(float(min(Fraction(1), bound)), rel=1e-12)


@given(st.integers(2, 8), st.integers(1, 20))
def test_equal_classes_collide_less_than_the_bound(classes: int, each: int) -> None:
    """Without replacement the rate is (n - 1) / (N - 1); the bound 1/m is what it tends to."""
    found = false_negatives([str(k) for k in range(classes)] * each)
    assert found.bound == pytest.approx(1 / classes)
    assert found.rate == pytest.approx((each - 1) / (classes * each - 1), abs=1e-15)
    assert found.rate < found.bound


def test_empty_classes_are_none() -> None:
    assert negative_collision_bound([0, 3, 0, 3]) == 0.5
    assert negative_collision_bound(np.array([2**40, 2**40, 2**40])) == pytest.approx(1 / 3)


@pytest.mark.parametrize("counts", [[], [0, 0], [-1, 3], [0.5, 0.5], [[1, 2]]])
def test_what_are_no_class_sizes_is_said(counts: Any) -> None:
    with pytest.raises(InvalidSpec, match="counts must be"):
        negative_collision_bound(counts)


def test_labels_that_say_nothing_are_refused() -> None:
    with pytest.raises(InvalidSpec, match="no negative pair has two labels: 1 of 3"):
        false_negatives(["run", "", None])
    with pytest.raises(InvalidSpec, match="no negative pair has two labels"):
        false_negatives(["run", "run", ""], groups=["a", "a", "b"])
    with pytest.raises(InvalidSpec, match="two groups"):
        false_negatives(["run", "jump"], groups=["a", "a"])


VOLUME = VolumeShape(2, 2, 2)
EXTENTS = [(4, 4, 4)] * 11 + [(1, 4, 4)] * 2
LABELS: Labels = ["run"] * 5 + ["jump"] * 3 + ["sit", "", None] + ["run"] * 2
GROUPS = ["a", "a", "b", None, -1, "a", "b", "c", "c", "c", "d", "b", "d"]


def mined(labels: Labels, groups: Sequence[Hashable] | None) -> tuple[int, int, int]:
    """A million negatives: how many, how many with two labels, how many of those with equal ones."""
    miner = PairMiner(EXTENTS, MiningSpec(VOLUME, pairs=1_000_000, positive_ratio=0), 2018, groups)
    names = {name: number for number, name in enumerate(dict.fromkeys(filter(None, labels)))}
    label = np.array([names[name] if name else -1 for name in labels])[miner.plan(0).video]
    both = (label >= 0).all(axis=1)
    return len(label), int(both.sum()), int((both & (label[:, 0] == label[:, 1])).sum())


@pytest.mark.skipif(not compiled(), reason="a million pairs need compiled kernels")
@pytest.mark.parametrize("groups", [None, GROUPS], ids=["alone", "grouped"])
def test_a_million_mined_negatives_have_this_rate(groups: Sequence[Hashable] | None) -> None:
    expected = false_negatives(LABELS, groups, unused=(11, 12))
    pairs, both, same = mined(LABELS, groups)
    assert stats.binomtest(both, pairs, expected.labelled).pvalue > FALSE_ALARM
    assert stats.binomtest(same, both, expected.rate).pvalue > FALSE_ALARM


@pytest.mark.skipif(not compiled(), reason="a million pairs need compiled kernels")
@pytest.mark.parametrize(
    "wrong",
    [
        {"groups": GROUPS},
        {"groups": GROUPS, "unused": (11,)},
        {"groups": None, "unused": (11, 12)},
    ],
    ids=["all taken for usable", "one taken for usable", "no groups"],
)
def test_a_wrong_law_is_seen(wrong: dict[str, Any]) -> None:
    _, both, same = mined(LABELS, GROUPS)
    assert stats.binomtest(same, both, false_negatives(LABELS, **wrong).rate).pvalue < FALSE_ALARM


def test_a_label_may_be_any_name_but_none() -> None:
    assert false_negatives([0, 0, 1, 1]).rate == false_negatives(["a", "a", "b", "b"]).rate


@pytest.mark.parametrize("unused", [[True, False, False, False], [4], [-1], [0.5]])
def test_unused_videos_are_numbers(unused: Any) -> None:
    with pytest.raises(InvalidSpec, match="unused must be numbers of videos, from 0 to 3"):
        false_negatives(["a", "a", "b", "b"], unused=unused)
