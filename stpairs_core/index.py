"""Exact nearest neighbours: "given a query video, we find its nearest neighbor in the feature space"."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stpairs_core.errors import InvalidSpec

Indices = NDArray[np.int64]
Distances = NDArray[np.float64]

_QUERIES = 256
"""Queries that are compared at once."""
_VECTORS = 4096
"""Vectors that are compared at once: with 256 queries, 8 MB of distances."""
_NUMBERS = 1 << 21
"""Differences that are squared at once: 16 MB."""


def nearest(vectors: NDArray[Any], queries: NDArray[Any], k: int) -> tuple[Indices, Distances]:
    """((Q, k), (Q, k)): the rows of `vectors` nearest to each query by Euclidean distance, nearest first.

    `vectors` is (N, width), `queries` (Q, width). Equal distances are ordered by row. A `k` beyond N is cut to N.
    Equal vectors are at distance 0 exactly. Numbers that are not finite are an `InvalidSpec`. Beside the arguments and
    the result, memory is 8 bytes a vector and a query, and blocks whose size does not depend on N or Q.
    """
    if k < 1:
        raise InvalidSpec(f"k must be at least 1, not {k}")
    norms, _ = _norms("vectors", vectors), _norms("queries", queries)
    if len(vectors) == 0 or vectors.shape[1] != queries.shape[1]:
        raise InvalidSpec(f"vectors of shape {vectors.shape} have no neighbours for queries of shape {queries.shape}")
    k = min(k, len(vectors))
    found = np.empty((len(queries), k), np.int64)
    squared = np.empty((len(queries), k))
    for start in range(0, len(queries), _QUERIES):
        rows = slice(start, start + _QUERIES)
        found[rows], squared[rows] = _search(vectors, norms, queries[rows].astype(np.float64), k)
    return found, np.sqrt(squared)


def nearest_others(vectors: NDArray[Any], k: int) -> tuple[Indices, Distances]:
    """((N, k), (N, k)): each vector's nearest among the others, as `nearest` finds them; at least two vectors."""
    if len(vectors) < 2:
        raise InvalidSpec(f"a neighbour needs another vector; there are {len(vectors)} in all")
    found, distances = nearest(vectors, vectors, k + 1)
    keep = found != np.arange(len(vectors))[:, np.newaxis]
    # Among many equal vectors, a row may not be among its own first k + 1; then the last of them goes.
    keep[keep.all(axis=1), -1] = False
    shape = (len(vectors), found.shape[1] - 1)
    return found[keep].reshape(shape), distances[keep].reshape(shape)


def neighbour_accuracy(
    vectors: NDArray[Any],
    labels: Sequence[str],
    queries: NDArray[Any] | None = None,
    query_labels: Sequence[str] | None = None,
) -> float:
    """The share of queries whose nearest vector has their label; without queries, of vectors among the others."""
    if queries is None:
        found, truth = nearest_others(vectors, 1)[0], labels
    else:
        found, truth = nearest(vectors, queries, 1)[0], query_labels if query_labels is not None else ()
    if len(labels) != len(vectors) or len(truth) != len(found) or len(found) == 0:
        raise InvalidSpec(f"{len(vectors)} vectors have {len(labels)} labels, {len(found)} queries {len(truth)}")
    return float(np.mean(np.asarray(labels)[found[:, 0]] == np.asarray(truth)))


def _norms(name: str, vectors: NDArray[Any]) -> NDArray[np.float64]:
    """(N,): squared lengths; an `InvalidSpec` unless every one is a finite number."""
    if vectors.ndim != 2:
        raise InvalidSpec(f"{name} must be (count, width), not of shape {vectors.shape}")
    norms = np.empty(len(vectors))
    for start in range(0, len(vectors), _VECTORS):
        rows = slice(start, start + _VECTORS)
        wide = vectors[rows].astype(np.float64)
        norms[rows] = np.einsum("ij,ij->i", wide, wide)
    bad = np.flatnonzero(~np.isfinite(norms))
    if len(bad):
        raise InvalidSpec(f"{name} must be finite numbers; row {bad[0]} is not, nor are {len(bad) - 1} others")
    return norms


def _search(
    vectors: NDArray[Any], norms: NDArray[np.float64], queries: NDArray[np.float64], k: int
) -> tuple[Indices, Distances]:
    """((q, k), (q, k)): rows and squared distances for one block of queries.

    |q|² + |v|² - 2qv is fast but rounds badly for near vectors, so it only rules out those that cannot be among the k;
    the others are measured by their differences.
    """
    lengths = np.einsum("ij,ij->i", queries, queries)
    found = np.full((len(queries), k), len(vectors), np.int64)
    squared = np.full((len(queries), k), np.inf)
    for start in range(0, len(vectors), _VECTORS):
        block = vectors[start : start + _VECTORS].astype(np.float64)
        size = lengths[:, np.newaxis] + norms[start : start + len(block)]
        rough = size - 2.0 * (queries @ block.T)
        # Rounding of each sum of `width` products is at most width * epsilon of what is summed, here with room.
        slack = (8 + 4 * block.shape[1]) * np.finfo(np.float64).eps * size
        limit = np.minimum(squared[:, -1], _kth(rough + slack, k))
        row, column = np.nonzero(rough - slack <= limit[:, np.newaxis])
        exact = _measure(queries, block, row, column)
        found, squared = _merge(found, squared, row, column + start, exact)
    return found, squared


def _kth(upper: NDArray[np.float64], k: int) -> NDArray[np.float64]:
    """(q,): the k-th smallest of each row; infinite where the row is shorter."""
    if k > upper.shape[1]:
        return np.full(len(upper), np.inf)
    kth: NDArray[np.float64] = np.partition(upper, k - 1, axis=1)[:, k - 1]
    return kth


def _measure(
    queries: NDArray[np.float64], block: NDArray[np.float64], row: NDArray[np.intp], column: NDArray[np.intp]
) -> NDArray[np.float64]:
    """(pairs,): the squared distance of each pair of a query and a vector, from their differences."""
    out = np.empty(len(row))
    step = max(1, _NUMBERS // max(1, block.shape[1]))
    for start in range(0, len(row), step):
        pairs = slice(start, start + step)
        out[pairs] = np.square(queries[row[pairs]] - block[column[pairs]]).sum(axis=1)
    return out


def _merge(
    found: Indices, squared: Distances, row: NDArray[np.intp], index: NDArray[np.intp], exact: NDArray[np.float64]
) -> tuple[Indices, Distances]:
    """The k best of each query among what it had, (q, k), and new pairs; equal distances by row of the vectors."""
    count, k = found.shape
    rows = np.concatenate([np.repeat(np.arange(count), k), row])
    indices = np.concatenate([found.reshape(-1), index])
    values = np.concatenate([squared.reshape(-1), exact])
    order = np.lexsort((indices, values, rows))
    starts = np.searchsorted(rows[order], np.arange(count))
    best = order[starts[:, np.newaxis] + np.arange(k)]
    return indices[best], values[best]
