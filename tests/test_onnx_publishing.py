"""From a learner to ONNX files: checked against the learner, or not there at all."""

import errno
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from stpairs_core.errors import InvalidSpec, MissingPart, NoRoom, StpairsError
from stpairs_core.protocols import Encoder, Learner
from stpairs_core.registry import find_backend
from stpairs_core.spec import LearnerSpec, NetworkSpec, VolumeShape
from stpairs_onnx import OnnxEncoder, publish
from stpairs_onnx.publishing import samples

SHAPE = VolumeShape(4, 6, 5)
WEIGHTS = np.random.default_rng(0).normal(size=(3, 7)).astype(np.float32)


def mean_nodes(name: str, out: str) -> list[onnx.NodeProto]:
    return [
        helper.make_node("Cast", [name], [f"{name} real"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", [f"{name} real"], [f"{name} mean"], axes=[1, 2, 3], keepdims=0),
        helper.make_node("MatMul", [f"{name} mean", "weights"], [out]),
    ]


def graph(nodes: list[onnx.NodeProto], inputs: list[str], output: str, dims: list[str | int]) -> onnx.ModelProto:
    shape = ("n", SHAPE.frames, SHAPE.height, SHAPE.width, 3)
    made = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info(name, TensorProto.UINT8, shape) for name in inputs],
        [helper.make_tensor_value_info(output, TensorProto.FLOAT, dims)],
        [numpy_helper.from_array(WEIGHTS, "weights"), numpy_helper.from_array(np.array([1]), "last")],
    )
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def encoder_graph() -> onnx.ModelProto:
    return graph(mean_nodes("volumes", "features"), ["volumes"], "features", ["n", 7])


def score_graph() -> onnx.ModelProto:
    """The sum of all products of the two features: (n,)."""
    nodes = [*mean_nodes("first", "f"), *mean_nodes("second", "s"), helper.make_node("Mul", ["f", "s"], ["product"])]
    nodes += [helper.make_node("ReduceSum", ["product", "last"], ["score"], keepdims=0)]
    return graph(nodes, ["first", "second"], "score", ["n"])


@dataclass
class Mean:
    """The encoder of the hand-made graph, in NumPy."""

    shape: VolumeShape = field(default_factory=lambda: SHAPE)
    width: int = 7
    scale: float = 1.0

    def __call__(self, volumes: NDArray[np.uint8]) -> NDArray[np.float32]:
        features: NDArray[np.float32] = self.scale * (volumes.mean(axis=(1, 2, 3)) @ WEIGHTS).astype(np.float32)
        return features


class Writer:
    """A learner as far as publishing needs one: what it computes, and what it writes."""

    def __init__(
        self, encoder: Encoder | None = None, change: Callable[[onnx.ModelProto], object] | None = None
    ) -> None:
        self._encoder = encoder or Mean()
        self._change = change or (lambda model: None)

    def encoder(self) -> Encoder:
        return self._encoder

    def score(self, volumes: NDArray[np.uint8]) -> NDArray[np.float32]:
        product: NDArray[np.float32] = (Mean()(volumes[:, 0]) * Mean()(volumes[:, 1])).sum(axis=1)
        return product

    def write_onnx(self, encoder: Path, score: Path | None = None) -> None:
        for path, model in ((encoder, encoder_graph()), (score, score_graph())):
            if path is not None:
                self._change(model)
                path.write_bytes(model.SerializeToString())


def learner(encoder: Encoder | None = None, change: Callable[[onnx.ModelProto], object] | None = None) -> Learner:
    return cast(Learner, Writer(encoder, change))


def refused(folder: Path, what: Learner, words: str, score: bool = False, kind: type[Exception] = StpairsError) -> None:
    """Publishing fails in one sentence; the old files stay as they were, and nothing is added."""
    targets = [folder / "e.onnx", folder / "s.onnx"]
    for target in targets:
        target.write_bytes(b"old")
    with pytest.raises(kind, match=words) as caught:
        publish(what, targets[0], targets[1] if score else None)
    assert "\n" not in str(caught.value)
    assert sorted(folder.iterdir()) == targets
    assert [target.read_bytes() for target in targets] == [b"old", b"old"]


def test_an_encoder_is_published(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "new" / "e.onnx"
    found = publish(learner(), path)
    assert set(found) == {"features_error", "largest_feature"}
    volumes = samples(SHAPE)
    assert found["largest_feature"] == np.abs(Mean()(volumes)).max()
    assert 0 < found["features_error"] <= 1e-5 * found["largest_feature"]
    assert list(path.parent.iterdir()) == [path]
    np.testing.assert_allclose(OnnxEncoder(path, "cpu")(volumes), Mean()(volumes), rtol=1e-4)
    assert capfd.readouterr() == ("", "")


def test_a_pair_network_is_published_beside_it(tmp_path: Path) -> None:
    (tmp_path / "e.onnx").write_bytes(b"old")
    found = publish(learner(), tmp_path / "e.onnx", tmp_path / "other" / "s.onnx")
    assert found["scores_error"] <= 1e-5 * found["largest_score"]
    assert OnnxEncoder(tmp_path / "e.onnx").width == 7
    session = onnxruntime.InferenceSession(tmp_path / "other" / "s.onnx", providers=["CPUExecutionProvider"])
    volumes = samples(SHAPE)
    (score,) = session.run(None, {"first": volumes, "second": volumes[::-1]})
    np.testing.assert_allclose(score, (Mean()(volumes) * Mean()(volumes[::-1])).sum(axis=1), rtol=1e-4)
    assert {p.name for p in tmp_path.rglob("*")} == {"e.onnx", "other", "s.onnx"}


def test_samples_are_varied_and_fixed() -> None:
    volumes = samples(SHAPE)
    noise, gradient, black, white = volumes
    assert volumes.dtype == np.uint8
    np.testing.assert_array_equal(volumes, samples(SHAPE))
    assert len(np.unique(noise)) > 150
    assert (black == 0).all()
    assert (white == 255).all()
    for axis in range(4):
        assert (np.diff(gradient.astype(int), axis=axis) != 0).all()


def test_a_learner_that_cannot_write_is_a_missing_part(tmp_path: Path) -> None:
    class Mute:
        pass

    refused(tmp_path, cast(Learner, Mute()), "cannot write ONNX: its learner has no write_onnx", kind=MissingPart)


@pytest.mark.parametrize("scale", [1 + 3e-5, 1 - 3e-5, -1.0])
def test_features_that_differ_are_refused(tmp_path: Path, scale: float) -> None:
    refused(tmp_path, learner(Mean(scale=scale)), r"e\.onnx is not written: ONNX Runtime's features differ", score=True)


@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan])
def test_features_of_the_learner_that_are_no_numbers_are_refused(tmp_path: Path, value: float) -> None:
    class Broken(Mean):
        def __call__(self, volumes: NDArray[np.uint8]) -> NDArray[np.float32]:
            return np.full((len(volumes), 7), value, np.float32)

    refused(tmp_path, learner(Broken()), "some of its features are not finite")


def test_features_of_the_file_that_are_no_numbers_are_refused(tmp_path: Path) -> None:
    def break_weights(model: onnx.ModelProto) -> None:
        model.graph.initializer[0].CopyFrom(numpy_helper.from_array(np.full_like(WEIGHTS, np.nan), "weights"))

    refused(tmp_path, learner(change=break_weights), "some of its features are not finite")


def test_a_difference_for_one_colour_alone_is_seen(tmp_path: Path) -> None:
    """Black volumes hide a wrong matrix, white ones a wrong order of colours; noise and the gradient do not."""

    class Swapped(Mean):
        def __call__(self, volumes: NDArray[np.uint8]) -> NDArray[np.float32]:
            return super().__call__(volumes[..., ::-1])

    refused(tmp_path, learner(Swapped()), "features differ")


def test_a_graph_for_one_volume_only_is_refused(tmp_path: Path) -> None:
    def fix(model: onnx.ModelProto) -> None:
        shape = numpy_helper.from_array(np.array([1, 7]), "shape")
        model.graph.initializer.append(shape)
        model.graph.node[2].output[0] = "product"
        model.graph.node.append(helper.make_node("Reshape", ["product", "shape"], ["features"]))

    refused(tmp_path, learner(change=fix), r"e\.onnx")


def test_a_dead_network_is_refused(tmp_path: Path) -> None:
    def kill(model: onnx.ModelProto) -> None:
        model.graph.initializer[0].CopyFrom(numpy_helper.from_array(WEIGHTS * 0, "weights"))

    refused(tmp_path, learner(Mean(scale=0), kill), "every feature is 0, the network is dead")


def test_other_volumes_or_widths_are_refused(tmp_path: Path) -> None:
    refused(tmp_path, learner(Mean(shape=VolumeShape(4, 6, 6))), "is not 4x6x6 -> 7")
    refused(tmp_path, learner(Mean(width=8)), "is not 4x6x5 -> 8")


def test_scores_that_differ_are_refused_and_the_encoder_with_them(tmp_path: Path) -> None:
    class Wrong(Writer):
        def score(self, volumes: NDArray[np.uint8]) -> NDArray[np.float32]:
            return super().score(volumes) * np.float32(1.001)

    refused(tmp_path, cast(Learner, Wrong()), r"s\.onnx is not written: ONNX Runtime's scores differ", score=True)


def test_scores_of_another_shape_are_refused(tmp_path: Path) -> None:
    def column(model: onnx.ModelProto) -> None:
        if model.graph.output[0].name == "score":
            model.graph.node[-1].attribute[0].i = 1
            model.graph.output[0].CopyFrom(helper.make_tensor_value_info("score", TensorProto.FLOAT, ["n", 1]))

    refused(tmp_path, learner(change=column), r"its scores are float32 \(4, 1\), not float32 \(4,\)", score=True)


def test_graphs_that_onnx_refuses(tmp_path: Path) -> None:
    def unknown(model: onnx.ModelProto) -> None:
        model.graph.node[0].op_type = "Exec"

    def dangling(model: onnx.ModelProto) -> None:
        model.graph.node[0].input[0] = "nothing"

    for change in (unknown, dangling):
        refused(tmp_path, learner(change=change), r"e\.onnx is not written: onnx refuses the graph")


def test_weights_beside_the_file_are_refused(tmp_path: Path) -> None:
    class Outside(Writer):
        def write_onnx(self, encoder: Path, score: Path | None = None) -> None:
            model = encoder_graph()
            onnx.save(model, encoder, save_as_external_data=True, location="w.bin", size_threshold=0)
            assert encoder.with_name("w.bin").exists()

    refused(tmp_path, cast(Learner, Outside()), "keeps the weight 'weights' in another file")


@pytest.mark.parametrize(("code", "kind"), [(errno.ENOSPC, NoRoom), (errno.EACCES, StpairsError)])
def test_a_disk_that_refuses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, kind: type[StpairsError]
) -> None:
    def full(*_: Any) -> None:
        raise OSError(code, os.strerror(code))

    class Full(Writer):
        def write_onnx(self, encoder: Path, score: Path | None = None) -> None:
            full()

    refused(tmp_path, cast(Learner, Full()), r"e\.onnx", kind=kind)
    monkeypatch.setattr(os, "fsync", full)
    refused(tmp_path, learner(), r"e\.onnx", kind=kind)


def test_a_disk_that_refuses_the_second_file_leaves_the_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real, calls = os.fsync, iter([True, False])

    def full(handle: int) -> None:
        if not next(calls, True):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(handle)

    monkeypatch.setattr(os, "fsync", full)
    refused(tmp_path, learner(), r"no room on the disk to write .*s\.onnx", score=True, kind=NoRoom)


def test_a_score_that_cannot_be_written_is_named_and_the_encoder_stays(tmp_path: Path) -> None:
    encoder, file, folder = tmp_path / "e.onnx", tmp_path / "file", tmp_path / "folder"
    encoder.write_bytes(b"old")
    file.write_bytes(b"a file, no folder")
    folder.mkdir()
    for score, words in (
        (file / "s.onnx", r"cannot write .*file/s\.onnx: "),
        (folder, "cannot write .*folder: it is a folder"),
    ):
        with pytest.raises(StpairsError, match=words):
            publish(learner(), encoder, score)
        assert encoder.read_bytes() == b"old"
        assert sorted(tmp_path.iterdir()) == [encoder, file, folder]
        assert list(folder.iterdir()) == []
    with pytest.raises(StpairsError, match=r"cannot write .*folder: it is a folder"):
        publish(learner(), folder)


def test_one_path_for_two_files_is_refused_first(tmp_path: Path) -> None:
    encoder = tmp_path / "e.onnx"
    (tmp_path / "other").mkdir()
    for score in (encoder, tmp_path / "other" / ".." / "e.onnx"):
        with pytest.raises(InvalidSpec, match=r"cannot both be written to .*e\.onnx; give two paths"):
            publish(cast(Learner, None), encoder, score)  # asked before anything else
    assert not encoder.exists()


@pytest.mark.parametrize(
    "network", [NetworkSpec(width=1 / 16), NetworkSpec(width=1 / 16, input="residual", norm="batch", head="compare")]
)
def test_torch_learners_are_published(tmp_path: Path, network: NetworkSpec) -> None:
    trained = find_backend("torch").learner(LearnerSpec(VolumeShape(16, 32, 32), network), "cpu")
    found = publish(trained, tmp_path / "e.onnx", tmp_path / "s.onnx")
    assert found["largest_feature"] > 0
    assert found["largest_score"] > 0
    encoder = OnnxEncoder(tmp_path / "e.onnx", "cpu")
    assert encoder.shape == VolumeShape(16, 32, 32)
    volumes = np.random.default_rng(3).integers(0, 256, (5, 16, 32, 32, 3), dtype=np.uint8)
    expected = trained.encoder()(volumes)
    np.testing.assert_allclose(encoder(volumes), expected, rtol=0, atol=1e-5 * np.abs(expected).max())
    # ONNX Runtime runs these on the CPU whatever it is asked for, and a CUDA session then refuses the whole graph.
    operators = {node.op_type for name in ("e.onnx", "s.onnx") for node in onnx.load(tmp_path / name).graph.node}
    assert not operators & {"Shape", "Size", "If", "Loop", "Scan"}
