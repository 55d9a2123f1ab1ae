"""Nearest neighbours against a naive search that compares everything in float64."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from stpairs_core import index
from stpairs_core.errors import InvalidSpec
from stpairs_core.index import nearest, nearest_others, neighbour_accuracy


def naive(vectors: NDArray[np.float32], query: NDArray[np.float32], k: int) -> list[tuple[float, int]]:
    far = [float(np.sqrt(np.sum((v.astype(float) - query.astype(float)) ** 2))) for v in vectors]
    return sorted((d, i) for i, d in enumerate(far))[:k]


# Few values: many ties and equal vectors.
small = st.sampled_from([0.0, 1.0, -1.0, 2.0, 1000.0, 1000.5])


@given(data=st.data(), count=st.integers(1, 30), width=st.integers(1, 4), k=st.integers(1, 8), blocks=st.integers(1, 7))
def test_equals_the_naive_search(data: st.DataObject, count: int, width: int, k: int, blocks: int) -> None:
    vectors = data.draw(arrays(np.float32, (count, width), elements=small))
    queries = data.draw(arrays(np.float32, (3, width), elements=small))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(index, "_VECTORS", blocks)
        patch.setattr(index, "_QUERIES", 2)
        patch.setattr(index, "_NUMBERS", 3)
        found, distances = nearest(vectors, queries, k)
    assert found.shape == distances.shape == (3, min(k, count))
    for row, query in enumerate(queries):
        expected = naive(vectors, query, k)
        assert found[row].tolist() == [i for _, i in expected]
        np.testing.assert_allclose(distances[row], [d for d, _ in expected], rtol=1e-12, atol=0)


@pytest.mark.parametrize("offset", [0.0, 1e4, 1e6])
def test_near_vectors_far_from_the_origin(offset: float) -> None:
    """Where |q|² + |v|² - 2qv alone has no correct digit left."""
    rng = np.random.default_rng(0)
    vectors = (offset + rng.normal(size=(300, 64)) * max(offset, 1.0) * 1e-5).astype(np.float32)
    queries = vectors[:20] + np.float32(0)
    found, distances = nearest(vectors, queries, 5)
    for row, query in enumerate(queries):
        expected = naive(vectors, query, 5)
        assert found[row].tolist() == [i for _, i in expected]
        assert distances[row].tolist() == pytest.approx([d for d, _ in expected])
    assert (distances[:, 0] == 0).all()


def test_blocks_do_not_change_anything(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(1)
    vectors, queries = rng.normal(size=(500, 32)).astype(np.float32), rng.normal(size=(70, 32)).astype(np.float32)
    whole = nearest(vectors, queries, 9)
    monkeypatch.setattr(index, "_VECTORS", 17)
    monkeypatch.setattr(index, "_QUERIES", 11)
    for one, other in zip(whole, nearest(vectors, queries, 9), strict=True):
        np.testing.assert_array_equal(one, other)


def test_equal_vectors_come_in_order_at_distance_zero() -> None:
    vectors = np.full((6000, 3), 0.1, np.float32)
    found, distances = nearest(vectors, vectors[:2], 4)
    assert found.tolist() == [[0, 1, 2, 3]] * 2
    assert (distances == 0).all()


def test_memory_does_not_grow_with_the_vectors() -> None:
    vectors = np.random.default_rng(0).normal(size=(40_000, 64)).astype(np.float32)  # 10 MB; all distances 320 MB
    tracemalloc.start()
    nearest(vectors, vectors[:1000], 5)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 120e6


def test_memory_is_eight_bytes_a_vector_beside_blocks() -> None:
    peaks = []
    for count in (20_000, 120_000):
        vectors = np.random.default_rng(0).normal(size=(count, 4)).astype(np.float32)
        tracemalloc.start()
        nearest(vectors, vectors[:2], 5)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] - peaks[0] <= 1.3 * 8 * 100_000


@given(count=st.integers(2, 12), k=st.integers(1, 5), values=st.data())
def test_nearest_others_never_finds_itself(count: int, k: int, values: st.DataObject) -> None:
    vectors = values.draw(arrays(np.float32, (count, 2), elements=small))
    found, distances = nearest_others(vectors, k)
    for row, vector in enumerate(vectors):
        others = [i for i in range(count) if i != row]
        expected = [(d, others[i]) for d, i in naive(vectors[others], vector, k)]
        assert found[row].tolist() == [i for _, i in expected]
        assert distances[row].tolist() == pytest.approx([d for d, _ in expected])


def test_accuracy_counts_the_nearest_label() -> None:
    vectors = np.array([[0.0], [1.0], [10.0], [11.5], [13.5]])
    assert neighbour_accuracy(vectors, ["a", "a", "b", "b", "c"]) == pytest.approx(4 / 5)
    queries = np.array([[0.2], [12.0], [5.0], [14.0]])
    assert neighbour_accuracy(vectors, ["a", "a", "b", "b", "c"], queries, ["a", "c", "a", "c"]) == pytest.approx(3 / 4)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_numbers_that_are_not_finite_are_refused(bad: float) -> None:
    good, vectors = np.zeros((3, 2), np.float32), np.zeros((3, 2), np.float32)
    vectors[1, 1] = bad
    with pytest.raises(InvalidSpec, match="vectors must be finite numbers; row 1"):
        nearest(vectors, good, 1)
    with pytest.raises(InvalidSpec, match="queries must be finite numbers; row 1"):
        nearest(good, vectors, 1)


@pytest.mark.parametrize(
    ("vectors", "queries", "k", "word"),
    [
        (np.zeros((3, 2)), np.zeros((1, 2)), 0, "k must be"),
        (np.zeros((0, 2)), np.zeros((1, 2)), 1, "no neighbours"),
        (np.zeros((3, 2)), np.zeros((1, 3)), 1, "no neighbours"),
        (np.zeros((3, 2)), np.zeros(2), 1, "queries must be"),
    ],
)
def test_wrong_shapes_are_said(vectors: NDArray[np.float64], queries: NDArray[np.float64], k: int, word: str) -> None:
    with pytest.raises(InvalidSpec, match=word):
        nearest(vectors, queries, k)


def test_labels_must_match() -> None:
    with pytest.raises(InvalidSpec, match="3 vectors have 2 labels"):
        neighbour_accuracy(np.eye(3), ["a", "b"])
    with pytest.raises(InvalidSpec, match="1 queries 0"):
        neighbour_accuracy(np.eye(3), ["a", "b", "c"], np.zeros((1, 3)))
    with pytest.raises(InvalidSpec, match="another vector"):
        neighbour_accuracy(np.eye(1), ["a"])
