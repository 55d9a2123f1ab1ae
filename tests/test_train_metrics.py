"""AUC, accuracy and the metrics file."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stpairs_core.errors import InvalidSpec
from stpairs_core.train.metrics import MetricsFile, accuracy, auc, read_metrics

# Few different scores, so that ties are common.
PAIRS = st.lists(st.tuples(st.integers(-3, 3), st.sampled_from([-1, 1])), min_size=2, max_size=30)
BOTH = PAIRS.filter(lambda pairs: len({label for _, label in pairs}) == 2)


@given(BOTH)
def test_auc_is_the_share_of_pairs_in_order(pairs: list[tuple[int, int]]) -> None:
    wins = [(p > n) + 0.5 * (p == n) for p, y in pairs if y > 0 for n, z in pairs if z < 0]
    scores, labels = zip(*pairs, strict=True)
    assert auc(scores, labels) == pytest.approx(np.mean(wins))


@given(BOTH)
def test_auc_does_not_change_with_the_scale_and_turns_with_the_sign(pairs: list[tuple[int, int]]) -> None:
    scores, labels = (np.array(column) for column in zip(*pairs, strict=True))
    assert auc(np.exp(scores), labels) == pytest.approx(auc(scores, labels))
    assert auc(-scores, labels) == pytest.approx(1 - auc(scores, labels))


@given(PAIRS)
def test_accuracy_counts_the_signs(pairs: list[tuple[int, int]]) -> None:
    right = [(score > 0) == (label > 0) for score, label in pairs]
    scores, labels = zip(*pairs, strict=True)
    assert accuracy(scores, labels) == pytest.approx(np.mean(right))


def test_what_cannot_be_measured_is_refused() -> None:
    with pytest.raises(InvalidSpec, match="2 positive and 0 negative"):
        auc([0.1, 0.2], [1, 1])
    with pytest.raises(InvalidSpec, match="1 of 2 scores are not finite"):
        auc([0.1, float("nan")], [1, -1])
    with pytest.raises(InvalidSpec, match="two rows of one length"):
        accuracy([0.1, 0.2], [1])
    with pytest.raises(InvalidSpec, match="at least one score"):
        accuracy([], [])


def test_lines_after_a_step_are_dropped_and_a_torn_one_too(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"step": 0}\n{"step": 10, "loss": 1.5}\n{"step": 20}\n{"step": 3')
    assert [line["step"] for line in read_metrics(path)] == [0, 10, 20]
    metrics = MetricsFile(path)
    metrics.begin(10)
    assert path.read_text() == '{"step": 0}\n{"step": 10, "loss": 1.5}\n'
    metrics.put({"step": 10, "auc": 0.5})
    metrics.put({"step": 20, "loss": 1.0})
    assert read_metrics(path) == metrics.lines
    assert metrics.lines[1:] == [{"step": 10, "loss": 1.5, "auc": 0.5}, {"step": 20, "loss": 1.0}]


def test_no_file_has_no_lines(tmp_path: Path) -> None:
    assert read_metrics(tmp_path / "metrics.jsonl") == []
