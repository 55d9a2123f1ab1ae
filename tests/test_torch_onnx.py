"""The exported graphs: valid, one file each, and the same numbers in ONNX Runtime as in torch."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray

import stpairs_torch
from stpairs_core.protocols import OnnxWriter
from stpairs_core.spec import LearnerSpec, LearningSpec, NetworkSpec, PairPlan, VolumeShape

SHAPE = VolumeShape(16, 32, 16)
"""Rows and columns differ, so that swapped axes show."""


def trained(network: NetworkSpec) -> stpairs_torch.TorchLearner:
    """A learner whose biases and running statistics are no longer those of a fresh one."""
    learner = stpairs_torch.backend.learner(LearnerSpec(SHAPE, network, LearningSpec(learning_rate=1e-2)), "cpu")
    rows = np.arange(4, dtype=np.int32)
    flags, label = np.zeros((4, 2), np.bool_), np.array([1, 1, -1, -1], np.int8)
    video = np.stack([rows, rows + (label < 0)], axis=1).astype(np.int32)
    plan = PairPlan(video, np.zeros((4, 2, 3), np.int32), flags, flags, np.zeros((4, 2, 3), np.float32), label, SHAPE)
    for step in range(3):
        learner.step(plan, make_volumes(4, step))
    return learner


def make_volumes(pairs: int, seed: int) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (pairs, 2, 16, 32, 16, 3), dtype=np.uint8)


def session(path: Path) -> onnxruntime.InferenceSession:
    return onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])


@pytest.mark.parametrize(
    "network",
    [
        NetworkSpec(1 / 16, "rgb", "none", "concat"),
        NetworkSpec(1 / 16, "residual", "batch", "compare"),
    ],
    ids=lambda network: f"{network.input}-{network.norm}-{network.head}",
)
def test_onnx_runtime_gives_torchs_features_and_scores(
    network: NetworkSpec, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    learner = trained(network)
    before = learner.state()
    writer: OnnxWriter = learner
    paths = tmp_path / "encoder.onnx", tmp_path / "score.onnx"
    writer.write_onnx(*paths)
    assert all(array.tobytes() == before[name].tobytes() for name, array in learner.state().items())
    assert capfd.readouterr() == ("", "")
    assert sorted(tmp_path.iterdir()) == sorted(paths)  # no weights beside them
    for path in paths:
        onnx.checker.check_model(str(path), full_check=True)
        facts = {entry.key: entry.value for entry in onnx.load(path).metadata_props}
        assert facts["stpairs.volume"] == "16x32x16"
        assert facts["stpairs.width"] == "128"
        assert facts["stpairs.version"]

    encoder, score = session(paths[0]), session(paths[1])
    assert [(i.name, i.type, i.shape) for i in encoder.get_inputs()] == [
        ("volumes", "tensor(uint8)", ["n", 16, 32, 16, 3])
    ]
    assert [(o.name, o.shape) for o in encoder.get_outputs()] == [("features", ["n", 128])]
    assert [i.name for i in score.get_inputs()] == ["first", "second"]
    assert [(o.name, o.shape) for o in score.get_outputs()] == [("score", ["n"])]
    for count in (1, 2, 5):
        volumes = make_volumes(count, 9)
        first, second = (np.ascontiguousarray(volumes[:, member]) for member in (0, 1))
        features = learner.encoder()(first)
        assert features.max() > 0
        assert np.abs(encoder.run(None, {"volumes": first})[0] - features).max() <= 1e-5 * features.max()
        scores = score.run(None, {"first": first, "second": second})[0]
        expected = learner.score(volumes)
        assert scores.shape == (count,)
        assert np.abs(scores - expected).max() <= 1e-5 * max(1.0, float(np.abs(expected).max()))
