"""What every backend's learner must do, whatever it learns: run `check_learner` on your own."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stpairs_core import rng
from stpairs_core.materialize import transform
from stpairs_core.protocols import Backend, Learner
from stpairs_core.spec import LearnerSpec, PairPlan, VolumeShape

PAIRS = 4
"""Pairs of a step in these checks, half of them positive."""

Batch = tuple[PairPlan, NDArray[np.uint8]]


def check_learner(backend: Backend, spec: LearnerSpec, device: str = "cpu") -> None:
    """Nothing, or an AssertionError that says which promise of `Learner` and `Encoder` is broken.

    The seed decides the first state; a step learns and returns a finite loss; a state given back continues bit for bit;
    scores and features have the right shapes, do not depend on the rest of the batch, and change nothing; an encoder
    does not follow later steps; F1 and F2 are applied once, by `step` where the learner `recolors` and else before it.

    The same calls must give the same bits. That is promised on the CPU alone: on another device a learner passes only
    if its kernels repeat their bits there, which torch's on CUDA need not.
    """
    _check_seed(backend, spec, device)
    learner = backend.learner(spec, device)
    _check_state_keys(learner)
    _check_steps(learner, spec.volume)
    _check_restore(backend, learner, spec, device)
    _check_weights_alone(backend, learner, spec, device)
    _check_scores(learner, spec.volume)
    _check_encoder(learner, spec.volume)
    _check_same_run(backend, spec, device)
    _check_changes(backend, spec, device)


def example_batch(volume: VolumeShape, step: int, pairs: int = PAIRS) -> Batch:
    """A plan and made-up volumes: the two of a positive pair share a colour, those of a negative one do not."""
    label = np.where(np.arange(pairs) < pairs // 2, np.int8(1), np.int8(-1))
    shape = (pairs, 2, volume.frames, volume.height, volume.width, 3)
    noise = rng.uniform(1, step, rng.TESTS, int(np.prod(shape))).reshape(shape)
    color = rng.uniform(2, step, rng.TESTS, pairs * 6).reshape(pairs, 2, 1, 1, 1, 3)
    color[label > 0, 1] = color[label > 0, 0]
    volumes = (200 * color + 55 * noise).astype(np.uint8)
    video = np.arange(2 * pairs, dtype=np.int32).reshape(pairs, 2)
    video[label > 0, 1] = video[label > 0, 0]
    unchanged = np.zeros((pairs, 2), np.bool_)
    neutral = np.tile(np.array([0, 1, 1], np.float32), (pairs, 2, 1))
    plan = PairPlan(video, np.zeros((pairs, 2, 3), np.int32), unchanged, unchanged.copy(), neutral, label, volume)
    return plan, volumes


def _check_seed(backend: Backend, spec: LearnerSpec, device: str) -> None:
    first, second = (backend.learner(spec, device).state() for _ in range(2))
    assert _same(first, second), "two learners of one seed begin in different states"
    other = LearnerSpec(spec.volume, spec.network, spec.learning, spec.seed + 1)
    assert not _same(first, backend.learner(other, device).state()), "another seed begins in the same state"


def _check_state_keys(learner: Learner) -> None:
    state = learner.state()
    assert any(name.startswith("model.") for name in state), "no key of the state starts with 'model.'"
    for name, array in state.items():
        assert isinstance(array, np.ndarray), f"{name} of the state is no NumPy array"
        assert array.dtype.kind in "fiub", f"{name} of the state is {array.dtype}, which safetensors cannot keep"


def _check_steps(learner: Learner, volume: VolumeShape) -> None:
    before = {name: array.copy() for name, array in learner.state().items()}
    held = learner.state()
    for step in range(2):
        plan, volumes = example_batch(volume, step)
        kept = volumes.copy()
        loss = float(learner.step(plan, volumes))
        assert np.isfinite(loss), f"the loss of step {step} is {loss}"
        assert np.array_equal(volumes, kept), "step changed the volumes that it was given"
    assert not _same(_model(before), _model(learner.state())), "two steps changed no weight"
    assert _same(before, held), "a state that was handed out changed with later steps"


def _check_restore(backend: Backend, learner: Learner, spec: LearnerSpec, device: str) -> None:
    saved = learner.state()
    other = backend.learner(spec, device)
    other.restore(saved)
    assert _same(saved, other.state()), "a state given back differs from the one that was taken"
    again = example_batch(spec.volume, 2)
    losses = [float(one.step(again[0], again[1].copy())) for one in (learner, other)]
    assert losses[0] == losses[1], f"after a state is given back the next losses are {losses[0]} and {losses[1]}"
    assert _same(learner.state(), other.state()), "after a state is given back the next step differs"


def _check_weights_alone(backend: Backend, learner: Learner, spec: LearnerSpec, device: str) -> None:
    weights = _model(learner.state())
    other = backend.learner(spec, device)
    other.restore(weights)
    assert _same(weights, _model(other.state())), "weights given back alone differ"
    plan, volumes = example_batch(spec.volume, 3)
    assert np.array_equal(learner.score(volumes), other.score(volumes)), "the scores of restored weights differ"
    assert np.isfinite(float(other.step(plan, volumes))), "weights given back alone cannot go on learning"


def _check_scores(learner: Learner, volume: VolumeShape) -> None:
    before = {name: array.copy() for name, array in learner.state().items()}
    _, volumes = example_batch(volume, 4)
    scores = learner.score(volumes)
    assert scores.shape == (PAIRS,), f"the scores of {PAIRS} pairs have the shape {scores.shape}"
    assert scores.dtype == np.float32, f"scores are {scores.dtype}, not float32"
    assert np.isfinite(scores).all(), "a score is not finite"
    assert np.array_equal(scores, learner.score(volumes)), "the same pairs score differently the second time"
    alone = np.concatenate([learner.score(volumes[row : row + 1]) for row in range(PAIRS)])
    assert _close(scores, alone), "a pair's score depends on the other pairs of the batch"
    assert _same(before, learner.state()), "scoring changed the state"


def _check_encoder(learner: Learner, volume: VolumeShape) -> None:
    encoder = learner.encoder()
    assert encoder.shape == volume, f"the encoder takes {encoder.shape}, not {volume}"
    plan, volumes = example_batch(volume, 5)
    first = volumes[:, 0]
    features = encoder(first)
    wanted = (PAIRS, encoder.width)
    assert features.shape == wanted, f"features have the shape {features.shape}, not {wanted}"
    assert features.dtype == np.float32, f"features are {features.dtype}, not float32"
    assert np.isfinite(features).all(), "a feature is not finite"
    alone = np.concatenate([encoder(first[row : row + 1]) for row in range(PAIRS)])
    assert _close(features, alone), "a volume's features depend on the rest of the batch"
    kept = features.copy()
    for _ in range(2):
        learner.step(plan, volumes)
    assert np.array_equal(kept, encoder(first)), "an encoder follows the steps made after it was taken"
    assert not np.array_equal(kept, learner.encoder()(first)), "two steps changed no feature"


def _check_same_run(backend: Backend, spec: LearnerSpec, device: str) -> None:
    """Scoring and encoding between the steps must not disturb what the steps draw."""
    quiet, asked = (backend.learner(spec, device) for _ in range(2))
    for step in range(3):
        plan, volumes = example_batch(spec.volume, step)
        quiet.step(plan, volumes)
        asked.score(volumes)
        asked.encoder()(volumes[:, 1])
        asked.step(plan, volumes)
    assert _same(quiet.state(), asked.state()), "scoring between the steps changes what they learn"


def _check_changes(backend: Backend, spec: LearnerSpec, device: str) -> None:
    """A first step is told from its loss: what F1 or F2 did to the volumes must be in it, once."""
    neutral, volumes = example_batch(spec.volume, 6)
    volumes[..., : spec.volume.width // 2, :] //= 4  # darker on the left, so that F2 shows
    # Second members in even rows, first ones in odd rows.
    flags = (np.arange(PAIRS)[:, np.newaxis] + np.arange(2)) % 2 == 1
    color = np.where(flags[..., np.newaxis], np.array([0.08, 0.6, 0.8], np.float32), neutral.color)
    for name, plan in {
        "F1": replace(neutral, recolor=flags, color=color.astype(np.float32)),
        "F2": replace(neutral, flip=flags),
    }.items():
        changed = volumes.copy()
        transform(plan, changed)
        learner = backend.learner(spec, device)
        given = (volumes if learner.recolors else changed).copy()
        kept = given.copy()
        found = float(learner.step(plan, given))
        assert np.array_equal(given, kept), f"step changed the volumes that it was given, for {name}"
        cut, wanted = (float(backend.learner(spec, device).step(neutral, v.copy())) for v in (volumes, changed))
        text = f"{name}: the loss is {found}, but {wanted} on volumes changed before and {cut} on those not changed"
        # A backend's own F1 may differ by a level of colour here and there.
        assert abs(found - wanted) <= 0.05 * abs(cut - wanted) + 1e-6 * abs(wanted), text


def _model(state: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    return {name: array for name, array in state.items() if name.startswith("model.")}


def _same(a: Mapping[str, NDArray[Any]], b: Mapping[str, NDArray[Any]]) -> bool:
    """The same arrays, bit for bit."""
    if a.keys() != b.keys():
        return False
    return all(
        (a[name].dtype, a[name].shape, a[name].tobytes()) == (b[name].dtype, b[name].shape, b[name].tobytes())
        for name in a
    )


def _close(a: NDArray[np.float32], b: NDArray[np.float32]) -> bool:
    """Equal but for the order in which a batch of another size is summed."""
    return float(np.abs(a - b).max()) <= 1e-4 * max(1e-6, float(np.abs(a).max()))
