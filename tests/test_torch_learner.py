"""The learner: exact losses and steps, resume bit for bit on the CPU, an encoder that stays as it was, devices."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from stpairs_core.errors import BadFile, InvalidSpec, MissingPart, TrainingStopped
from stpairs_core.protocols import Backend, Encoder, Learner
from stpairs_core.registry import find_backend
from stpairs_core.spec import LearnerSpec, LearningSpec, NetworkSpec, PairPlan, VolumeShape
from stpairs_torch import backend, devices
from stpairs_torch import encoder as encoder_room
from stpairs_torch import learner as learner_room
from stpairs_torch.c3d import PairNetwork

SHAPE = VolumeShape(16, 16, 16)
PLAIN = LearnerSpec(SHAPE, NetworkSpec(1 / 16, dropout=0.0), LearningSpec(learning_rate=1e-3), seed=3)
PAPER = replace(PLAIN, network=NetworkSpec(1 / 16))
OURS = replace(
    PLAIN,
    network=NetworkSpec(1 / 16, "residual", "batch", "compare", 0.3),
    learning=LearningSpec("dense", 1e-3, "squared"),
)

Volumes = NDArray[np.uint8]
State = dict[str, NDArray[np.generic]]


def make_plan(seed: int = 0, pairs: int = 6, positives: int = 2) -> PairPlan:
    video = np.random.default_rng(seed).permutation(2 * pairs).reshape(pairs, 2).astype(np.int32)
    video[:positives, 1] = video[:positives, 0]
    return PairPlan(
        video=video,
        origin=np.zeros((pairs, 2, 3), np.int32),
        flip=np.zeros((pairs, 2), np.bool_),
        recolor=np.zeros((pairs, 2), np.bool_),
        color=np.zeros((pairs, 2, 3), np.float32),
        label=np.where(np.arange(pairs) < positives, 1, -1).astype(np.int8),
        shape=SHAPE,
    )


def make_volumes(seed: int = 0, pairs: int = 6) -> Volumes:
    return np.random.default_rng(seed).integers(0, 256, (pairs, 2, 16, 16, 16, 3), dtype=np.uint8)


def trained(spec: LearnerSpec, steps: int = 2) -> Learner:
    learner = backend.learner(spec, "cpu")
    for step in range(steps):
        learner.step(make_plan(step), make_volumes(step))
    return learner


def snapshot(learner: Learner) -> State:
    return {name: array.copy() for name, array in learner.state().items()}


def differing(left: State, right: State) -> list[str]:
    assert left.keys() == right.keys()
    return [name for name, array in left.items() if array.tobytes() != right[name].tobytes()]


def naive_loss(scores: NDArray[np.float32], labels: NDArray[np.int8], weights: State, spec: LearningSpec) -> float:
    margins = np.maximum(0, 1 - scores.astype(np.float64) * labels)
    norm = np.sqrt(sum((array.astype(np.float64) ** 2).sum() for array in weights.values()))
    penalty = spec.penalty_weight * (norm**2 if spec.penalty == "squared" else norm)
    return float(margins[labels > 0].mean() + margins[labels < 0].mean() + penalty)


def test_the_entry_point_gives_this_backend() -> None:
    found: Backend = find_backend("torch")
    assert found is backend
    assert found.name == "torch"


@pytest.mark.parametrize("penalty", ["norm", "squared"])
def test_a_step_returns_the_loss_of_the_paper(penalty: str) -> None:
    spec = replace(PLAIN, learning=LearningSpec(penalty=penalty, penalty_weight=0.01))  # type: ignore[arg-type]
    learner = trained(spec)
    plan, volumes = make_plan(9), make_volumes(9)
    weights = {name: array for name, array in snapshot(learner).items() if name.startswith("model.")}
    expected = naive_loss(learner.score(volumes), plan.label, weights, spec.learning)
    assert float(learner.step(plan, volumes)) == pytest.approx(expected, rel=1e-5)


def test_the_dense_hinge_judges_the_plans_pairs_and_every_other_negative_of_a_step() -> None:
    spec = replace(PLAIN, learning=LearningSpec("dense"))
    learner = trained(spec)
    plan, volumes = make_plan(9, positives=6), make_volumes(9)
    weights = {name: array for name, array in snapshot(learner).items() if name.startswith("model.")}
    rows = [(i, j) for i in range(6) for j in range(6) if i == j or plan.video[i, 0] != plan.video[j, 1]]
    scores = learner.score(np.stack([np.stack([volumes[i, 0], volumes[j, 1]]) for i, j in rows]))
    labels = np.array([1 if plan.video[i, 0] == plan.video[j, 1] else -1 for i, j in rows], np.int8)
    expected = naive_loss(scores, labels, weights, spec.learning)
    assert float(learner.step(plan, volumes)) == pytest.approx(expected, rel=1e-5)


def test_steps_are_those_of_adam() -> None:
    """Against Adam written out (Kingma and Ba, Algorithm 1), on gradients of an identical network."""
    spec = replace(PLAIN, learning=LearningSpec(learning_rate=1e-3, penalty="squared", penalty_weight=0.01))
    learner = backend.learner(spec, "cpu")
    network = PairNetwork(SHAPE, spec.network)
    names = [name for name, _ in network.named_parameters()]
    weights = {name: learner.state()[f"model.{name}"].astype(np.float64) for name in names}
    mean = {name: np.zeros_like(weights[name]) for name in names}
    square = {name: np.zeros_like(weights[name]) for name in names}
    for step in (1, 2):
        before = snapshot(learner)
        network.load_state_dict({name: torch.from_numpy(before[f"model.{name}"]) for name in names})
        gradients = autograd(network, make_plan(step), make_volumes(step), spec.learning)
        learner.step(make_plan(step), make_volumes(step))
        for name in names:
            mean[name] = 0.9 * mean[name] + 0.1 * gradients[name]
            square[name] = 0.999 * square[name] + 0.001 * gradients[name] ** 2
            root = np.sqrt(square[name] / (1 - 0.999**step))
            moved = spec.learning.learning_rate * mean[name] / (1 - 0.9**step) / (root + 1e-8)
            weights[name] = before[f"model.{name}"].astype(np.float64) - moved
            after = learner.state()
            # A step moves a weight by up to 1e-3; float32 rounds weights near 1 by 6e-8.
            np.testing.assert_allclose(after[f"model.{name}"], weights[name], rtol=2e-7, atol=2e-6, err_msg=name)
            for moment, expected in (("exp_avg", mean), ("exp_avg_sq", square)):
                found, scale = after[f"optimizer.{name}.{moment}"], np.abs(expected[name]).max()
                np.testing.assert_allclose(found, expected[name], rtol=1e-4, atol=1e-5 * scale, err_msg=moment)


def autograd(
    network: PairNetwork, plan: PairPlan, volumes: Volumes, spec: LearningSpec
) -> dict[str, NDArray[np.float64]]:
    """Gradients of Eqn. 2 with the squared penalty, written anew."""
    network.zero_grad()
    first, second = (torch.from_numpy(np.ascontiguousarray(volumes[:, member])) for member in (0, 1))
    margins = (1 - network(first, second) * torch.from_numpy(plan.label)).clamp(min=0)
    positive = torch.from_numpy(plan.label > 0)
    squares = sum(weight.square().sum() for weight in network.parameters())
    loss = margins[positive].mean() + margins[~positive].mean() + spec.penalty_weight * squares
    loss.backward()
    return {name: weight.grad.numpy().astype(np.float64) for name, weight in network.named_parameters()}  # type: ignore[union-attr]


@pytest.mark.parametrize("spec", [PAPER, OURS], ids=["paper", "ours"])
def test_it_learns_a_batch_by_heart(spec: LearnerSpec) -> None:
    learner = backend.learner(spec, "cpu")
    plan, volumes = make_plan(), make_volumes()
    losses = [float(learner.step(plan, volumes)) for _ in range(40)]
    assert np.mean(losses[-5:]) < 0.5 * np.mean(losses[:5])


def test_a_step_needs_both_classes() -> None:
    learner = backend.learner(PLAIN, "cpu")
    with pytest.raises(InvalidSpec, match="6 positive and 0 negative"):
        learner.step(make_plan(positives=6), make_volumes())


@pytest.mark.parametrize("spec", [PAPER, OURS], ids=["paper", "ours"])
def test_two_runs_are_equal_byte_for_byte_and_leave_torchs_generator_alone(spec: LearnerSpec) -> None:
    torch.manual_seed(1)
    before = torch.get_rng_state()
    first = trained(spec)
    first.score(make_volumes())
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(2)
    assert differing(snapshot(first), snapshot(trained(spec))) == []


def test_the_seed_decides_first_weights_and_dropout() -> None:
    other = replace(PAPER, seed=4)
    names = differing(snapshot(trained(PAPER, 0)), snapshot(trained(other, 0)))
    assert "model.encoder.conv1.conv.weight" in names
    learner = trained(other, 0)
    learner.restore({name: array for name, array in trained(PAPER, 0).state().items() if name.startswith("model.")})
    assert learner.step(make_plan(), make_volumes()) != trained(PAPER, 0).step(make_plan(), make_volumes())


def test_dropout_differs_from_step_to_step() -> None:
    learner = trained(PAPER, 0)
    weights = {name: array for name, array in snapshot(learner).items() if name.startswith("model.")}
    first = learner.step(make_plan(), make_volumes())
    state = snapshot(learner)
    learner.restore(state | weights)  # the first weights again, at step 1
    assert learner.step(make_plan(), make_volumes()) != first


@pytest.mark.parametrize("spec", [PAPER, OURS], ids=["paper", "ours"])
@pytest.mark.parametrize("stop", [0, 1, 3])
def test_an_interrupted_run_ends_in_the_same_bytes(spec: LearnerSpec, stop: int) -> None:
    saved = snapshot(trained(spec, stop))
    resumed = backend.learner(spec, "cpu")
    resumed.step(make_plan(99), make_volumes(99))  # whatever was there before is forgotten
    resumed.restore(saved)
    assert differing(snapshot(resumed), saved) == []
    for step in range(stop, 4):
        resumed.step(make_plan(step), make_volumes(step))
    assert differing(snapshot(resumed), snapshot(trained(spec, 4))) == []


def test_weights_alone_restore_with_a_fresh_optimizer() -> None:
    source, target = snapshot(trained(OURS, 3)), trained(OURS, 2)
    weights = {name: array for name, array in source.items() if name.startswith("model.")}
    target.restore(weights)
    state = target.state()
    assert differing({name: state[name] for name in weights}, weights) == []
    assert state["step"] == 0
    assert not any(array.any() for name, array in state.items() if name.startswith("optimizer."))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda state: state.pop("model.encoder.conv2.conv.bias"), "lacks 'model.encoder.conv2.conv.bias'"),
        (lambda state: state.pop("optimizer.head.score.bias.exp_avg"), "lacks 'optimizer.head.score.bias.exp_avg'"),
        (lambda state: state.pop("step"), "lacks 'step'"),
        (lambda state: state.update(other=np.zeros(1)), "has 'other'"),
        (
            lambda state: state.update({"model.head.score.bias": np.zeros(2, np.float32)}),
            r"'model.head.score.bias' is float32 of shape \(2,\) in the state and float32 of shape \(1,\)",
        ),
        (lambda state: state.update({"model.head.score.bias": np.zeros(1)}), "float64"),
    ],
)
def test_a_state_that_does_not_fit_is_refused_whole(change: Callable[[State], object], message: str) -> None:
    learner = trained(PLAIN)
    kept = snapshot(learner)
    broken = snapshot(trained(PLAIN, 3))
    change(broken)
    with pytest.raises(BadFile, match=message):
        learner.restore(broken)
    assert differing(snapshot(learner), kept) == []


@pytest.mark.parametrize(("value", "what"), [(np.inf, "the loss"), (1e25, "a gradient's norm")])
def test_a_step_that_is_not_finite_stops_and_leaves_the_weights(value: float, what: str) -> None:
    learner = trained(replace(PLAIN, learning=LearningSpec(penalty_weight=0.0)))
    state = snapshot(learner)
    state["model.head.score.weight"] = np.full_like(state["model.head.score.weight"], value)
    learner.restore(state)
    with pytest.raises(TrainingStopped, match="not finite at step 2"):
        learner.step(make_plan(), make_volumes())
    assert differing(snapshot(learner), state) == [], what


@pytest.mark.parametrize("norm", ["none", "batch"])
def test_a_refused_step_leaves_statistics_too_and_advises_what_is_not_yet_done(norm: str) -> None:
    network = replace(OURS.network, norm=norm)  # type: ignore[arg-type]
    learner = trained(replace(OURS, network=network))
    state = snapshot(learner)
    state["model.head.score.weight"] = np.full_like(state["model.head.score.weight"], np.inf)
    learner.restore(state)
    with pytest.raises(TrainingStopped, match="lower the learning rate") as caught:
        learner.step(make_plan(), make_volumes())
    assert differing(snapshot(learner), state) == []
    assert ("norm=batch" in str(caught.value)) == (norm == "none")
    if norm == "batch":
        assert state["model.encoder.conv1.norm.num_batches_tracked"] == 2


def test_a_step_that_fails_otherwise_leaves_the_state(monkeypatch: pytest.MonkeyPatch) -> None:
    learner = trained(OURS)
    state = snapshot(learner)

    def out_of_memory(*_: object) -> None:
        raise torch.OutOfMemoryError

    monkeypatch.setattr(learner_room, "penalty", out_of_memory)
    with pytest.raises(torch.OutOfMemoryError):
        learner.step(make_plan(), make_volumes())
    assert differing(snapshot(learner), state) == []


def test_scores_do_not_depend_on_their_company() -> None:
    learner = trained(OURS)
    volumes = make_volumes(4, pairs=11)
    alone = np.concatenate([learner.score(volumes[row : row + 1]) for row in range(11)])
    np.testing.assert_allclose(learner.score(volumes), alone, rtol=1e-4, atol=1e-5)
    assert learner.score(volumes).dtype == np.float32
    assert learner.score(volumes[:0]).shape == (0,)


def test_memory_that_cannot_be_written_or_is_not_contiguous_is_read_all_the_same() -> None:
    learner = trained(PLAIN)
    volumes = make_volumes(4)
    expected = learner.score(volumes)
    locked = volumes.copy()
    locked.flags.writeable = False
    np.testing.assert_array_equal(learner.score(locked), expected)
    mirrored = volumes[..., ::-1, :].copy()[..., ::-1, :]
    np.testing.assert_array_equal(learner.score(mirrored), expected)


def test_an_encoder_gives_fc7_after_relu_a_few_volumes_at_a_time() -> None:
    learner = trained(OURS)
    encoder: Encoder = learner.encoder()
    assert encoder.width == 128
    volumes = make_volumes(1, pairs=17)[:, 0]  # one more than it takes at once
    features = encoder(volumes)
    assert features.shape == (17, 128)
    assert features.min() == 0
    assert features.max() > 0
    np.testing.assert_allclose(encoder(volumes[16:]), features[16:], rtol=1e-4, atol=1e-5)


def test_volumes_of_another_shape_or_kind_are_refused() -> None:
    learner = backend.learner(PLAIN, "cpu")
    with pytest.raises(InvalidSpec, match=r"expected uint8 volumes of shape \(6, 2, 16, 16, 16, 3\), got uint8"):
        learner.step(make_plan(), make_volumes()[:, :, :, :8])
    with pytest.raises(InvalidSpec, match="got uint8"):
        learner.step(make_plan(), make_volumes(pairs=5))
    with pytest.raises(InvalidSpec, match="got float32"):
        learner.encoder()(make_volumes()[:, 0].astype(np.float32))


def test_volumes_too_small_for_the_network_are_refused_when_it_is_built() -> None:
    with pytest.raises(InvalidSpec, match="smallest it takes are 16x16x16"):
        backend.learner(replace(PLAIN, volume=VolumeShape(8, 32, 32)), "cpu")


def test_cuda_is_never_quietly_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "cuda_fault", lambda: "there is none")
    with pytest.raises(MissingPart, match="CUDA was asked for, but there is none"):
        backend.learner(PLAIN, "cuda")
    assert devices.pick_device("auto").type == "cpu"
    assert list(backend.devices()) == ["cpu"]
    assert backend.devices()["cpu"].endswith("threads")
    with pytest.raises(InvalidSpec, match='"auto", "cpu" or "cuda", not \'tpu\''):
        backend.learner(PLAIN, "tpu")


def precision() -> object:
    """How torch would run convolutions on CUDA, as this version says it."""
    cudnn = torch.backends.cudnn
    return cudnn.conv.fp32_precision if hasattr(cudnn, "conv") else cudnn.allow_tf32


def test_full_precision_on_cuda_and_the_callers_choice_afterwards() -> None:
    before, cuda = precision(), torch.device("cuda")
    assert before in ("tf32", True), "torch's default changed"
    with encoder_room.full_precision(torch.device("cpu")):
        assert precision() == before
    with encoder_room.full_precision(cuda):
        assert precision() in ("ieee", False)
    assert precision() == before
    with pytest.raises(ZeroDivisionError), encoder_room.full_precision(cuda):
        raise ZeroDivisionError
    assert precision() == before
    first, second = encoder_room.full_precision(cuda), encoder_room.full_precision(cuda)
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)  # as one of two threads that share an encoder leaves first
    assert precision() in ("ieee", False)
    second.__exit__(None, None, None)
    assert precision() == before


def test_encoding_and_scoring_ask_for_full_precision(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    @contextmanager
    def noted(device: torch.device) -> Iterator[None]:
        asked.append(device.type)
        yield

    learner, volumes = trained(PLAIN, 0), make_volumes()
    monkeypatch.setattr(encoder_room, "full_precision", noted)
    monkeypatch.setattr(learner_room, "full_precision", noted)
    learner.encoder()(volumes[:, 0])
    learner.score(volumes)
    assert asked == ["cpu", "cpu"]


@pytest.mark.gpu
def test_features_and_scores_on_cuda_do_without_tf32() -> None:
    assert precision() in ("tf32", True)
    here, there = backend.learner(OURS, "cpu"), backend.learner(OURS, "cuda")
    volumes = make_volumes(8)
    expected = here.encoder()(volumes[:, 0])
    assert np.abs(there.encoder()(volumes[:, 0]) - expected).max() <= 2e-5 * np.abs(expected).max()
    np.testing.assert_allclose(there.score(volumes), here.score(volumes), rtol=1e-4, atol=1e-5)


@pytest.mark.gpu
@pytest.mark.parametrize("spec", [PLAIN, replace(OURS, network=replace(OURS.network, dropout=0.0))])
def test_cuda_agrees_with_the_cpu(spec: LearnerSpec, monkeypatch: pytest.MonkeyPatch) -> None:
    # TF32 keeps ten bits of each factor, which would hide a real difference.
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)
    assert "cuda" in backend.devices()
    here, there = backend.learner(spec, "cpu"), backend.learner(spec, "cuda")
    before = torch.cuda.get_rng_state()
    for step in range(3):
        plan, volumes = make_plan(step), make_volumes(step)
        assert float(there.step(plan, volumes)) == pytest.approx(float(here.step(plan, volumes)), rel=1e-3)
    assert torch.equal(torch.cuda.get_rng_state(), before)
    there.restore(here.state())
    assert differing(snapshot(there), snapshot(here)) == []
    volumes = make_volumes(8)
    np.testing.assert_allclose(there.score(volumes), here.score(volumes), rtol=1e-3, atol=1e-3)
    expected = here.encoder()(volumes[:, 0])
    assert np.abs(there.encoder()(volumes[:, 0]) - expected).max() <= 1e-4 * np.abs(expected).max()
