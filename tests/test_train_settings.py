"""Specs to mappings and back, and the presets."""

import json
import tomllib
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stpairs_core.errors import InvalidSpec
from stpairs_core.spec import LearningSpec, MiningSpec, NetworkSpec, TrainSpec, VolumeShape
from stpairs_core.train import PRESETS, preset, spec_from_mapping, spec_to_mapping

VOLUMES = st.builds(VolumeShape, *[st.integers(1, 300)] * 3)
MINING = st.builds(
    MiningSpec,
    volume=VOLUMES,
    pairs=st.integers(1, 99),
    positive_ratio=st.floats(0, 1),
    augment=st.sampled_from(["both", "negatives"]),
    boundary=st.none() | st.integers(300, 999),
    literal_algorithm1=st.booleans(),
)
SPECS = st.builds(
    TrainSpec,
    mining=MINING,
    network=st.builds(NetworkSpec, width=st.floats(0.01, 4), head=st.sampled_from(["concat", "compare"])),
    learning=st.builds(LearningSpec, learning_rate=st.floats(1e-9, 1)),
    seed=st.integers(0, 2**63),
)


@given(SPECS)
def test_any_spec_comes_back_from_json(spec: TrainSpec) -> None:
    assert spec_from_mapping(TrainSpec, json.loads(json.dumps(spec_to_mapping(spec)))) == spec


@given(SPECS)
def test_an_empty_mapping_changes_nothing(spec: TrainSpec) -> None:
    assert spec_from_mapping(TrainSpec, {}, spec) == spec


def test_toml_changes_only_what_it_names() -> None:
    text = "steps = 7\n[mining]\npositive_ratio = 1\n[mining.volume]\nframes = 8\n[network]\nhead = 'compare'"
    start = replace(TrainSpec(), seed=9)
    changed = spec_from_mapping(TrainSpec, tomllib.loads(text), start)
    mining = replace(start.mining, positive_ratio=1.0, volume=VolumeShape(8, 112, 112))
    assert changed == replace(start, steps=7, mining=mining, network=replace(start.network, head="compare"))
    assert type(changed.mining.positive_ratio) is float


@pytest.mark.parametrize(
    ("mapping", "words"),
    [
        ({"stepz": 1}, "no setting stepz; there are: mining, network, .*steps"),
        ({"mining": {"pair": 1}}, r"no setting mining\.pair; there are: mining\.volume, mining\.pairs"),
        ({"mining": {"volume": {"depth": 1}}}, r"no setting mining\.volume\.depth"),
        ({"mining": 3}, "mining must be a table of settings, not 3"),
        ({"steps": "many"}, "steps must be a whole number, not 'many'"),
        ({"steps": 1.0}, r"steps must be a whole number, not 1\.0"),
        ({"steps": True}, "steps must be a whole number, not True"),
        ({"held_out": True}, "held_out must be a number, not True"),
        ({"held_out": float("nan")}, "held_out must be a number, not nan"),
        ({"network": {"head": "sum"}}, r"network\.head must be 'concat' or 'compare', not 'sum'"),
        ({"network": {"head": ["concat"]}}, r"network\.head must be 'concat' or 'compare'"),
        ({"mining": {"boundary": 1.5}}, r"mining\.boundary must be a whole number or nothing, not 1\.5"),
        ({"mining": {"literal_algorithm1": 1}}, r"mining\.literal_algorithm1 must be true or false, not 1"),
        ({"steps": 0}, "steps must be at least 1"),
        ([], "the settings must be a table"),
    ],
)
def test_what_cannot_be_set_is_named(mapping: Any, words: str) -> None:
    with pytest.raises(InvalidSpec, match=words):
        spec_from_mapping(TrainSpec, mapping)


def test_the_paper_preset_is_the_paper() -> None:
    spec = preset("paper")
    assert spec.mining == MiningSpec(VolumeShape(16, 112, 112), pairs=10, positive_ratio=0.3, augment="both")
    assert spec.network == NetworkSpec(width=1.0, input="rgb", norm="none", head="concat", dropout=0.5)
    learning = spec.learning
    assert (learning.hinge, learning.penalty, learning.penalty_weight) == ("pairs", "norm", 0.0005)


def test_the_default_preset_keeps_the_papers_changes_batch_and_penalty() -> None:
    mining, learning = preset("default").mining, preset("default").learning
    assert replace(mining, volume=VolumeShape(), positive_ratio=0.3) == MiningSpec()
    assert 0 < mining.positive_ratio * mining.pairs <= mining.pairs - 1  # every step has both classes
    assert (learning.penalty, learning.penalty_weight) == ("norm", 0.0005)


def test_an_unknown_preset_is_named() -> None:
    with pytest.raises(InvalidSpec, match="no preset 'papers'; there are: default, paper"):
        preset("papers")
    assert list(PRESETS) == ["default", "paper"]
