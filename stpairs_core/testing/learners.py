"""What every backend's learner must do, whatever it learns: run `check_learner` on your own.

Each promise is a check of its own, of (backend, spec, device), in `CHECKS`; `suites.BackendTests` has a test for each.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stpairs_core import rng
from stpairs_core.errors import StpairsError
from stpairs_core.materialize import transform
from stpairs_core.protocols import Backend, Learner
from stpairs_core.registry import find_backend, plugin_names
from stpairs_core.spec import LearnerSpec, PairPlan, VolumeShape
from stpairs_core.testing.reproducing import construction, refusal, run_check

PAIRS = 4
"""Pairs of a step in these checks, half of them positive."""

Batch = tuple[PairPlan, NDArray[np.uint8]]
Check = Callable[[Backend, LearnerSpec, str], None]


def check_learner(backend: Backend, spec: LearnerSpec, device: str = "cpu") -> None:
    """Nothing, or an AssertionError that says which promise of `Learner` and `Encoder` is broken, and how to see it.

    The seed decides the first state; a step learns and returns a finite loss; a state given back continues bit for bit;
    scores and features have the right shapes, do not depend on the rest of the batch, and change nothing; an encoder
    does not follow later steps; F1 and F2 are applied once, by `step` where the learner `recolors` and else before it;
    what does not fit is refused and changes nothing.

    The same calls must give the same bits. That is promised on the CPU alone: on another device a learner passes only
    if its kernels repeat their bits there, which torch's on CUDA need not.
    """
    for check in CHECKS:
        run_check(check, "backend", build_backend(backend), backend, spec, device)


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


def seed_decides(backend: Backend, spec: LearnerSpec, device: str) -> None:
    """The seed, and nothing else, decides the first state."""
    first, second = (backend.learner(spec, device).state() for _ in range(2))
    assert _same(first, second), "two learners of one seed begin in different states"
    other = replace(spec, seed=spec.seed + 1)
    assert not _same(first, backend.learner(other, device).state()), "another seed begins in the same state"


def state_is_arrays(backend: Backend, spec: LearnerSpec, device: str) -> None:
    """A state is arrays that a checkpoint can keep, those of the weights named `model.`."""
    state = backend.learner(spec, device).state()
    assert any(name.startswith("model.") for name in state), "no key of the state starts with 'model.'"
    for name, array in state.items():
        assert isinstance(array, np.ndarray), f"{name} of the state is no NumPy array"
        assert array.dtype.kind in "fiub", f"{name} of the state is {array.dtype}, which safetensors cannot keep"


def steps_learn(backend: Backend, spec: LearnerSpec, device: str) -> None:
    """Steps change the weights, return finite losses, and leave alone the volumes and the states that were given."""
    learner = backend.learner(spec, device)
    held = learner.state()
    before = _copy(held)
    for step in range(2):
        plan, volumes = example_batch(spec.volume, step)
        kept = volumes.copy()
        loss = float(learner.step(plan, volumes))
        assert np.isfinite(loss), f"the loss of step {step} is {loss}"
        assert np.array_equal(volumes, kept), "step changed the volumes that it was given"
    assert _same(before, held), "a state that was handed out changed with later steps"
    assert not _same(_model(before), _model(learner.state())), "two steps changed no weight"


def state_continues(backend: Backend, spec: LearnerSpec, device: str) -> None:
    """A state given back to a fresh learner continues as if nothing had happened, bit for bit."""
    learner, other = _trained(backend, spec, device), backend.learner(spec, device)
    saved = learner.state()
    other.restore(saved)
    assert _same(saved, other.state()), "a state given back differs from the one that was taken"
    plan, volumes = example_batch(spec.volume, 2)
    losses = [float(one.step(plan, volumes.copy())) for one in (learner, other)]
    assert losses[0] == losses[1], f"after a state is given back the next losses are {losses[0]} and {losses[1]}"
    assert _same(learner.state(), other.state()), "after a state is given back the next step differs"


def weights_alone_continue(backend: Backend, spec: LearnerSpec, device: str) -> None:
    """Weights given back alone score the same, and learning goes on from them."""
    learner, other = _trained(backend, spec, device), backend.learner(spec, device)
    weights = _model(learner.state())
    other.restore(weights)
    assert _same(weights, _model(other.state())), "weights given back alone differ"
    plan, volumes = example_batch(spec.volume, 3)
    assert np.array_equal(learner.score(volumes), other.score(volumes)), "the scores of restored weights differ"
    assert np.isfinite(float(other.step(plan, volumes))), "weights given back alone cannot go on learning"


def scores(backend: Backend, spec: LearnerSpec, device: str) -> None:
    """Scores are finite float32 (B,), each its own pair's, and asking for them changes nothing."""
    learner = _trained(backend, spec, device)
    before = _copy(learner.state())
    _, volumes = example_batch(spec.volume, 4)
    found = learner.score(volumes)
    assert found.shape == (PAIRS,), f"the scores of {PAIRS} pairs have the shape {found.shape}"
    assert found.dtype == np.float32, f"scores are {found.dtype}, not float32"
    assert np.isfinite(found).all(), "a score is not finite"
    assert np.array_equal(found, learner.score(volumes)), "the same pairs score differently the second time"
    alone = np.concatenate([learner.score(volumes[row : row + 1]) for row in range(PAIRS)])
    assert _close(found, alone), "a pair's score depends on the other pairs of the batch"
    assert _same(before, learner.state()), "scoring changed the state"


def encoder_stays(backend: Backend, spec: LearnerSpec, device: str) -> None:
    """An encoder has right features, each its own volume's, and does not follow later steps."""
    learner = _trained(backend, spec, device)
    encoder = learner.encoder()
    assert encoder.shape == spec.volume, f"the encoder takes {encoder.shape}, not {spec.volume}"
    plan, volumes = example_batch(spec.volume, 5)
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


def asking_disturbs_nothing(backend: Backend, spec: LearnerSpec, device: str) -> None:
    """Scoring and encoding between the steps do not disturb what the steps draw."""
    quiet, asked = (backend.learner(spec, device) for _ in range(2))
    for step in range(3):
        plan, volumes = example_batch(spec.volume, step)
        quiet.step(plan, volumes)
        asked.score(volumes)
        asked.encoder()(volumes[:, 1])
        asked.step(plan, volumes)
    assert _same(quiet.state(), asked.state()), "scoring between the steps changes what they learn"


def changes_once(backend: Backend, spec: LearnerSpec, device: str) -> None:
    """F1 and F2 are applied once: a first step's loss is that of volumes changed before, not that of others."""
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


def wrong_volumes(backend: Backend, spec: LearnerSpec, device: str) -> None:
    """Volumes that do not fit the plan or the network are refused, and the state stays as it was."""
    learner = _trained(backend, spec, device)
    before = _copy(learner.state())
    plan, volumes = example_batch(spec.volume, 7)
    for name, wrong in {
        "a pair fewer than the plan": volumes[1:],
        "one member a pair": volumes[:, :1],
        "one more frame": np.concatenate([volumes, volumes[:, :, :1]], axis=2),
        "one more column": np.concatenate([volumes, volumes[:, :, :, :, :1]], axis=4),
        "one channel": volumes[..., :1],
        "float32": volumes.astype(np.float32),
    }.items():
        what = f"a batch with {name}, {wrong.dtype} {wrong.shape} for {spec.volume},"
        refusal(partial(learner.step, plan, wrong), what, StpairsError, ValueError, TypeError)
        assert _same(before, learner.state()), f"{what} is refused by step and changes the state"


def wrong_state(backend: Backend, spec: LearnerSpec, device: str) -> None:
    """A state that does not fit is refused by the name of the array at fault, and nothing is changed."""
    other, learner = _trained(backend, spec, device), backend.learner(spec, device)
    before, state = _copy(learner.state()), _copy(other.state())
    name = max(_model(state))
    lacking = {key: array for key, array in state.items() if key != name}
    for what, wrong in {
        f"a state without {name}": lacking,
        f"a state with another shape of {name}": {**state, name: np.zeros((2, 3, 4, 5, 6, 7))},
    }.items():
        text = refusal(partial(learner.restore, wrong), what, StpairsError, ValueError, KeyError)
        assert name in text, f"{what} is refused without that name: {text}"
        assert _same(before, learner.state()), f"{what} is refused and changes the learner"


CHECKS: tuple[Check, ...] = (
    seed_decides,
    state_is_arrays,
    steps_learn,
    state_continues,
    weights_alone_continue,
    scores,
    encoder_stays,
    asking_disturbs_nothing,
    changes_once,
    wrong_volumes,
    wrong_state,
)
"""All promises of a learner, in the order in which `check_learner` tries them."""


def build_backend(backend: Backend) -> str:
    """The lines that make a backend in a script: by its name where it is installed, else a comment."""
    installed = backend.name in plugin_names("stpairs.backends") and find_backend(backend.name) is backend
    if installed:
        return f"from stpairs_core import find_backend\n\nbackend = find_backend({backend.name!r})\n"
    return construction("backend", "")


def _trained(backend: Backend, spec: LearnerSpec, device: str) -> Learner:
    """A learner after two steps."""
    learner = backend.learner(spec, device)
    for step in range(2):
        learner.step(*example_batch(spec.volume, step))
    return learner


def _copy(state: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    return {name: array.copy() for name, array in state.items()}


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
