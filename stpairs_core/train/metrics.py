"""What is measured on the way, and the file it is written to."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stpairs_core.durable import cannot_write, whole
from stpairs_core.errors import BadFile, InvalidSpec


def auc(scores: ArrayLike, labels: ArrayLike) -> float:
    """The chance that a positive pair scores above a negative one, ties counting half.

    `labels` above 0 are positive. Scores that are not finite, or labels of one kind only, are an `InvalidSpec`.

    >>> auc([0.1, 0.4, 0.4, 0.9], [-1, -1, 1, 1])
    0.875
    """
    values, positive = _checked(scores, labels)
    n_positive, n_negative = int(positive.sum()), int((~positive).sum())
    if not n_positive or not n_negative:
        raise InvalidSpec(f"an AUC needs both labels; here are {n_positive} positive and {n_negative} negative")
    _, place, count = np.unique(values, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(count) - (count - 1) / 2)[place]  # ties share the mean of their ranks
    return float((ranks[positive].sum() - n_positive * (n_positive + 1) / 2) / (n_positive * n_negative))


def accuracy(scores: ArrayLike, labels: ArrayLike) -> float:
    """The share of pairs whose score has the sign of their label; a score of 0 says "different".

    >>> accuracy([0.1, -0.4, 0.4, 0.9], [-1, -1, 1, 1])
    0.75
    """
    values, positive = _checked(scores, labels)
    if not len(values):
        raise InvalidSpec("an accuracy needs at least one score")
    return float(((values > 0) == positive).mean())


def _checked(scores: ArrayLike, labels: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    values, signs = np.asarray(scores, np.float64), np.asarray(labels)
    if values.ndim != 1 or values.shape != signs.shape:
        raise InvalidSpec(f"scores {values.shape} and labels {signs.shape} must be two rows of one length")
    if not np.isfinite(values).all():
        raise InvalidSpec(f"{int((~np.isfinite(values)).sum())} of {len(values)} scores are not finite")
    return values, signs > 0


class MetricsFile:
    """`metrics.jsonl`: one JSON object a line, one line a `step`, in the order of the steps."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.lines: list[dict[str, Any]] = []
        """All that the file holds."""

    def begin(self, step: int) -> None:
        """Read the lines up to `step`; those after it were made by steps that are not saved, and are dropped."""
        self.lines = [line for line in read_metrics(self._path) if line["step"] <= step]
        self._rewrite()

    def put(self, line: Mapping[str, Any]) -> None:
        """One more line; or more in the last one, when that is of the same step."""
        if self.lines and self.lines[-1]["step"] == line["step"]:
            self.lines[-1] |= line
            self._rewrite()
            return
        self.lines.append(dict(line))
        try:
            with self._path.open("a", encoding="utf-8") as file:
                file.write(_as_text(line))
        except OSError as error:
            raise cannot_write(self._path, error) from error

    def _rewrite(self) -> None:
        with whole(self._path) as path:
            path.write_text("".join(map(_as_text, self.lines)), encoding="utf-8")


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """The lines of a metrics file, none where there is no file; a last line cut short by a crash is left out."""
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return []
    except OSError as error:
        raise BadFile(f"cannot read {path}: {error.strerror}") from error
    lines = []
    for row in text.splitlines():
        try:
            line = json.loads(row)
        except ValueError:
            continue
        if isinstance(line, dict) and isinstance(line.get("step"), int):
            lines.append(line)
    return lines


def _as_text(line: Mapping[str, Any]) -> str:
    return json.dumps(line, allow_nan=False) + "\n"
