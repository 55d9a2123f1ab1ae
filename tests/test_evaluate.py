"""Probes read what is there and nothing else."""

import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stpairs_core.errors import InvalidSpec, MissingPart
from stpairs_core.evaluate import chance, effective_rank, factor_table, linear_probe

GENERATOR = np.random.default_rng(0)
COUNT = 200
COLOUR = [("red", "green", "blue")[index] for index in GENERATOR.integers(0, 3, COUNT)]
SPEED = [("slow", "fast")[index] for index in GENERATOR.integers(0, 2, COUNT)]
TRAIN = np.arange(COUNT) < 140
TEST = ~TRAIN


def knowing(labels: list[str], width: int = 12) -> np.ndarray:
    """Features that hold the labels, mixed, scaled and shifted, under some noise."""
    names = sorted(set(labels))
    hot = np.eye(len(names))[[names.index(label) for label in labels]]
    mixed = hot @ GENERATOR.normal(size=(len(names), width)) + 0.1 * GENERATOR.normal(size=(COUNT, width))
    return mixed * np.geomspace(1e-6, 1e6, width) + np.arange(width)


def test_a_probe_reads_what_the_features_know_and_nothing_else() -> None:
    colours = knowing(COLOUR)
    assert linear_probe(colours, COLOUR, TRAIN, TEST) > 0.95
    assert abs(linear_probe(colours, SPEED, TRAIN, TEST) - 0.5) < 0.2


def test_masks_and_row_numbers_mean_the_same() -> None:
    colours = knowing(COLOUR)
    by_number = linear_probe(colours, COLOUR, np.flatnonzero(TRAIN), np.flatnonzero(TEST))
    assert by_number == linear_probe(colours, COLOUR, TRAIN, TEST)


def test_test_rows_do_not_leak_into_the_probe() -> None:
    """Noise is not read, however wide the features and whatever the test rows hold."""
    noise = GENERATOR.normal(size=(COUNT, 300))
    noise[TEST] *= 100
    assert linear_probe(noise, SPEED, TRAIN, TEST) < 0.7


def test_a_factor_with_one_value_is_always_right() -> None:
    assert linear_probe(knowing(COLOUR), ["one"] * COUNT, TRAIN, TEST) == 1.0


def test_a_constant_feature_does_no_harm() -> None:
    features = np.hstack([knowing(COLOUR), np.ones((COUNT, 1))])
    assert linear_probe(features, COLOUR, TRAIN, TEST) > 0.95


def test_chance_is_the_commonest_training_label() -> None:
    assert chance(["a", "a", "b", "b", "b"], [0, 1, 2], [3, 4]) == 0.0
    assert chance(["a", "b", "b", "b", "a"], [0, 1, 2], [3, 4]) == 0.5


def test_what_cannot_be_probed_is_refused() -> None:
    colours = knowing(COLOUR)
    with pytest.raises(InvalidSpec, match="must not overlap"):
        linear_probe(colours, COLOUR, [0, 1, 2], [2, 3])
    with pytest.raises(InvalidSpec, match="N labels"):
        linear_probe(colours, COLOUR[:-1], TRAIN, TEST)
    with pytest.raises(InvalidSpec, match="between 0 and 199"):
        linear_probe(colours, COLOUR, [0, 1], [200])
    with pytest.raises(InvalidSpec, match="at least one"):
        linear_probe(colours, COLOUR, TRAIN, np.zeros(COUNT, bool))
    with pytest.raises(InvalidSpec, match="not finite"):
        linear_probe(np.where(colours > 0, np.nan, colours), COLOUR, TRAIN, TEST)


def test_without_scikit_learn_the_hint_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn.linear_model", None)
    with pytest.raises(MissingPart, match=r"scikit-learn.*stpairs\[eval\]"):
        linear_probe(knowing(COLOUR), COLOUR, TRAIN, TEST)


@given(rank=st.integers(1, 6), seed=st.integers(0, 1000))
@settings(max_examples=30, deadline=None)
def test_the_effective_rank_counts_directions(rank: int, seed: int) -> None:
    generator = np.random.default_rng(seed)
    ways, _ = np.linalg.qr(generator.normal(size=(40, rank)))
    rows = generator.normal(size=(50, rank))
    centred, _ = np.linalg.qr(rows - rows.mean(axis=0))  # equally long about their mean
    features = centred @ ways.T + generator.normal(size=40)
    assert effective_rank(features) == pytest.approx(rank, rel=1e-6)
    assert effective_rank(7.5 * features) == pytest.approx(rank, rel=1e-6)


def test_equal_rows_have_no_rank() -> None:
    assert effective_rank(np.ones((5, 3))) == 0.0


def test_the_table_has_a_row_a_factor_and_a_column_a_kind_of_features() -> None:
    features = {"learned": knowing(SPEED), "untrained": knowing(COLOUR)}
    rows = factor_table(features, {"colour": COLOUR, "speed": SPEED}, TRAIN, np.flatnonzero(TEST))
    colour, speed = rows
    assert [row.factor for row in rows] == ["colour", "speed"]
    assert colour.accuracy["untrained"] > 0.95 > 0.7 > colour.accuracy["learned"]
    assert speed.accuracy["learned"] > 0.95 > 0.7 > speed.accuracy["untrained"]
    assert colour.chance == chance(COLOUR, TRAIN, TEST)
