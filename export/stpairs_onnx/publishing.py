"""From a learner to ONNX files, which get their names only after they agree with the learner."""

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import cast

import numpy as np
import onnx
from numpy.typing import NDArray

from stpairs_core import rng
from stpairs_core.durable import cannot_write, sync
from stpairs_core.errors import InvalidSpec, MissingPart, StpairsError
from stpairs_core.protocols import Encoder, Learner, OnnxWriter
from stpairs_core.spec import VolumeShape
from stpairs_onnx.encoder import OnnxEncoder, open_session, run
from stpairs_onnx.graphs import volume_shape
from stpairs_onnx.sessions import first_line

TOLERANCE = 1e-5
"""Largest difference from the learner, as a share of the largest feature (of the largest score, or of 1)."""


def publish(learner: Learner, encoder: Path, score: Path | None = None) -> Mapping[str, float]:
    """Write a learner's encoder, and with `score` its pair network, as ONNX files; returns what was measured.

    The files get their names after onnx's full check, after ONNX Runtime on the CPU agrees with the learner on fixed
    volumes, to 1e-5 of the largest feature, and when all are on the disk; then whatever had those names is replaced.
    The learner must compute on the CPU too: a GPU rounds otherwise by more, so restore the state of one that lives
    there into a learner on the CPU first (`stpairs export` opens every run on the CPU). One path for both files is an
    `InvalidSpec`, a learner that cannot write itself a `MissingPart`, a file that does not agree or cannot be written
    a `StpairsError`; then nothing is replaced and nothing left behind.

    The result has `features_error` (largest difference), `largest_feature`, and with `score` the same of scores.
    """
    if score is not None and _place(encoder) == _place(score):
        raise InvalidSpec(f"the encoder and the pair network cannot both be written to {encoder}; give two paths")
    if not callable(getattr(learner, "write_onnx", None)):
        raise MissingPart(f"{type(learner).__module__} cannot write ONNX: its learner has no write_onnx")
    targets = [encoder] if score is None else [encoder, score]
    with ExitStack() as stack:
        parts = [_part(stack, target) for target in targets]
        with _naming(encoder):
            cast(OnnxWriter, learner).write_onnx(parts[0], *parts[1:])
        for part, target in zip(parts, targets, strict=True):
            _check(part, target)
        measured = _compare_features(parts[0], learner.encoder())
        if score is not None:
            measured |= _compare_scores(parts[1], learner, learner.encoder().shape)
        _replace(parts, targets)
    return measured


def samples(shape: VolumeShape) -> NDArray[np.uint8]:
    """(4, T, H, W, 3): noise; a gradient that moves, in another direction in each colour; black; white."""
    size = (shape.frames, shape.height, shape.width, 3)
    noise = rng.words(0, 0, rng.TESTS, int(np.prod(size))).reshape(size) >> np.uint32(24)
    t, y, x, c = np.indices(size, sparse=True)
    gradient = (5 * t + (1 + c) * y + (3 - c) * x + 40 * c) % 256
    return np.stack([noise, gradient, np.zeros(size), np.full(size, 255)]).astype(np.uint8)


def _part(stack: ExitStack, target: Path) -> Path:
    """Where a file is written first: alone in a folder, for exporters may write beside it, on the target's disk."""
    if not target.name or target.is_dir():
        raise StpairsError(f"cannot write {target}: it is a folder; name a file")
    with _naming(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        folder = stack.enter_context(tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}."))
    return Path(folder) / target.name


def _replace(parts: list[Path], targets: list[Path]) -> None:
    """Give the parts their names, when all of them are on the disk."""
    for part, target in zip(parts, targets, strict=True):
        with _naming(target):
            sync(part)
    for part, target in zip(parts, targets, strict=True):
        with _naming(target):
            part.replace(target)
            sync(target.parent)


def _place(target: Path) -> Path:
    """One path for all that name one file; a link is replaced and not followed, so its last part stays."""
    return target.parent.resolve() / target.name


@contextmanager
def _naming(target: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise cannot_write(target, error) from error


def _check(part: Path, target: Path) -> None:
    try:
        onnx.checker.check_model(str(part), full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise StpairsError(f"{target} is not written: onnx refuses the graph: {first_line(error)}") from error


def _compare_features(part: Path, expected: Encoder) -> dict[str, float]:
    """One volume and three at once: a graph may have been traced for one number of volumes."""
    volumes = samples(expected.shape)
    ours = OnnxEncoder(part, "cpu")
    if (ours.shape, ours.width) != (expected.shape, expected.width):
        raise StpairsError(f"{part.name} is not written: {ours} is not {expected.shape} -> {expected.width}")
    groups = (volumes[:1], volumes[1:])
    want = np.concatenate([expected(group) for group in groups])
    got = np.concatenate([ours(group) for group in groups])
    largest = float(np.abs(want).max())
    if largest == 0:
        raise StpairsError(f"{part.name} is not written: every feature is 0, the network is dead; train it again")
    error = _agreement(part.name, "features", got, want, largest)
    return {"features_error": error, "largest_feature": largest}


def _compare_scores(part: Path, learner: Learner, shape: VolumeShape) -> dict[str, float]:
    volumes = samples(shape)
    first, second = volumes[[0, 1, 2, 1]], volumes[[1, 0, 3, 1]]
    session = open_session(part, "cpu")
    if volume_shape(session, part, ("first", "second")) != shape:
        raise StpairsError(f"{part.name} is not written: its volumes are not {shape}")
    groups = (slice(0, 1), slice(1, 4))
    want = np.concatenate([learner.score(np.stack([first[g], second[g]], axis=1)) for g in groups])
    got = np.concatenate([run(session, part, first=first[g], second=second[g]) for g in groups])
    largest = float(np.abs(want).max())
    error = _agreement(part.name, "scores", got, want, max(1.0, largest))
    return {"scores_error": error, "largest_score": largest}


def _agreement(name: str, what: str, got: NDArray[np.float32], want: NDArray[np.float32], scale: float) -> float:
    """The largest difference; a `StpairsError` where it is more than the tolerance or no number."""
    if got.shape != want.shape or got.dtype != np.float32:
        raise StpairsError(f"{name} is not written: its {what} are {got.dtype} {got.shape}, not float32 {want.shape}")
    if not (np.isfinite(got).all() and np.isfinite(want).all()):
        raise StpairsError(f"{name} is not written: some of its {what} are not finite, the network is broken")
    error = float(np.abs(got - want).max())
    if error > TOLERANCE * scale:
        raise StpairsError(
            f"{name} is not written: ONNX Runtime's {what} differ from the learner's by {error:.3g}, "
            f"more than {TOLERANCE:g} of {scale:.3g}"
        )
    return error
