"""ONNX files through ONNX Runtime: hand-made graphs, good and bad, and devices that are there or not."""

import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from stpairs_core.errors import BadFile, InvalidSpec, MissingPart, StpairsError
from stpairs_core.registry import find_runtime
from stpairs_core.spec import VolumeShape
from stpairs_core.testing import EncoderTests
from stpairs_onnx import OnnxEncoder, runtime, sessions
from stpairs_onnx import encoder as encoder_room

SHAPE = VolumeShape(4, 6, 5)
WEIGHTS = np.random.default_rng(0).normal(size=(3, 7)).astype(np.float32)
VOLUMES = np.random.default_rng(1).integers(0, 256, (5, 4, 6, 5, 3), dtype=np.uint8)


def features(volumes: NDArray[np.uint8]) -> NDArray[np.float64]:
    """What the hand-made graph computes, in NumPy."""
    mean: NDArray[np.float64] = volumes.astype(np.float64).mean(axis=(1, 2, 3)) @ WEIGHTS
    return mean


def model(
    shape: Sequence[int | str] = ("n", 4, 6, 5, 3),
    kind: int = TensorProto.UINT8,
    name: str = "volumes",
    output: str = "features",
    width: int | str = 7,
    opset: int = 17,
) -> onnx.ModelProto:
    """Mean colour of each volume times a matrix."""
    nodes = [
        helper.make_node("Cast", [name], ["real"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["real"], ["mean"], axes=[1, 2, 3], keepdims=0),
        helper.make_node("MatMul", ["mean", "weights"], [output]),
    ]
    graph = helper.make_graph(
        nodes,
        "mean colour",
        [helper.make_tensor_value_info(name, kind, shape)],
        [helper.make_tensor_value_info(output, TensorProto.FLOAT, [shape[0], width])],
        [numpy_helper.from_array(np.resize(WEIGHTS, (int(shape[-1]), 7)), "weights")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


@pytest.fixture
def good(tmp_path: Path) -> Path:
    path = tmp_path / "encoder.onnx"
    path.write_bytes(model().SerializeToString())
    return path


class TestOnnxEncoder(EncoderTests):
    """All that an encoder promises, also while its file is replaced."""

    @pytest.fixture
    def encoder(self, good: Path) -> OnnxEncoder:
        self.path = good
        return OnnxEncoder(good, "cpu")

    def train(self) -> None:
        self.path.write_bytes(b"another file")


def test_it_gives_what_the_graph_computes(good: Path) -> None:
    encoder = OnnxEncoder(good, "cpu")
    assert (encoder.shape, encoder.width, encoder.provider) == (SHAPE, 7, "CPUExecutionProvider")
    assert repr(encoder) == "OnnxEncoder(encoder.onnx, 4x6x5 -> 7, CPUExecutionProvider)"
    found = encoder(VOLUMES)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, features(VOLUMES), rtol=1e-5)
    with pytest.raises(InvalidSpec, match=r"encoder\.onnx takes uint8 volumes of shape \('n', 4, 6, 5, 3\), not "):
        encoder(VOLUMES[:, :3])


def test_the_core_finds_it_by_name(good: Path) -> None:
    found = find_runtime("onnx")
    assert found is runtime
    assert found.name == "onnx"
    np.testing.assert_allclose(found.encoder(good, "auto")(VOLUMES), features(VOLUMES), rtol=1e-4)


def test_a_few_volumes_at_a_time(good: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = OnnxEncoder(good, "cpu")
    sizes: list[int] = []
    whole = encoder(VOLUMES)
    run = encoder_room.run

    def counted(session: Any, path: Path, **inputs: NDArray[np.uint8]) -> NDArray[np.float32]:
        sizes.append(len(inputs["volumes"]))
        return run(session, path, **inputs)

    monkeypatch.setattr(encoder_room, "run", counted)
    monkeypatch.setattr(encoder_room, "_VOXELS", 2 * 4 * 6 * 5 + 1)
    np.testing.assert_array_equal(encoder(VOLUMES), whole)
    assert sizes == [2, 2, 1]
    monkeypatch.setattr(encoder_room, "_VOXELS", 1)
    np.testing.assert_array_equal(encoder(VOLUMES[:2]), whole[:2])
    assert sizes[3:] == [1, 1]


def test_ten_volumes_of_full_size_run_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "e.onnx").write_bytes(model(("n", 16, 112, 112, 3)).SerializeToString())
    encoder = OnnxEncoder(tmp_path / "e.onnx", "cpu")
    sizes: list[int] = []

    def counted(session: Any, path: Path, volumes: NDArray[np.uint8]) -> NDArray[np.float32]:
        sizes.append(len(volumes))
        return np.zeros((len(volumes), 7), np.float32)

    monkeypatch.setattr(encoder_room, "run", counted)
    encoder(np.zeros((11, 16, 112, 112, 3), np.uint8))
    assert sizes == [10, 1]


def test_its_path_may_be_a_word(good: Path) -> None:
    encoder = OnnxEncoder(str(good), "cpu")
    np.testing.assert_array_equal(encoder(VOLUMES), OnnxEncoder(good, "cpu")(VOLUMES))
    assert "encoder.onnx" in repr(encoder)
    with pytest.raises(BadFile, match=r"cannot read the encoder nowhere/e\.onnx"):
        OnnxEncoder("nowhere/e.onnx")


def test_unreadable_files(good: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Missing, a folder, empty, cut anywhere, not ONNX: one sentence, and nothing printed."""
    whole = good.read_bytes()
    with pytest.raises(BadFile, match=r"cannot read the encoder .*none\.onnx: No such file"):
        OnnxEncoder(good.parent / "none.onnx")
    with pytest.raises(BadFile, match="Is a directory"):
        OnnxEncoder(good.parent)
    for content in [
        b"",
        b"\x00",
        b"PK\x03\x04 a zip file",
        b"<html>",
        *(whole[:size] for size in range(len(whole))),
    ]:
        good.write_bytes(content)
        with pytest.raises(BadFile, match=r"encoder\.onnx") as caught:
            OnnxEncoder(good)
        assert "\n" not in str(caught.value)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"kind": TensorProto.FLOAT}, r"takes volumes tensor\(float\) \(n, 4, 6, 5, 3\), but"),
        ({"shape": ("n", 4, 6, 5, 4)}, r"\(n, 4, 6, 5, 4\), but an encoder of ours takes volumes"),
        ({"shape": ("n", 3, 4, 6, 5)}, r"\(n, 3, 4, 6, 5\), but"),
        ({"shape": (2, 4, 6, 5, 3)}, "with n free"),
        ({"shape": ("n", "t", 6, 5, 3)}, r"\(n, t, 6, 5, 3\), but"),
        ({"shape": ("n", 4, 6, 5)}, r"\(n, 4, 6, 5\), but"),
        ({"name": "pixels"}, r"takes pixels tensor\(uint8\)"),
        ({"output": "logits"}, r"gives logits tensor\(float\) \(n, 7\), but an encoder of ours gives features"),
        ({"opset": 9999}, "cannot run"),
    ],
)
def test_graphs_of_another_kind(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], change: dict[str, Any], words: str
) -> None:
    path = tmp_path / "other.onnx"
    path.write_bytes(model(**change).SerializeToString())
    with pytest.raises(BadFile, match=words) as caught:
        OnnxEncoder(path, "cpu")
    assert "other.onnx" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert capfd.readouterr() == ("", "")


def test_operators_that_nobody_knows(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    graph = model()
    graph.graph.node[2].op_type = "Exec"
    (tmp_path / "e.onnx").write_bytes(graph.SerializeToString())
    with pytest.raises(BadFile, match=r"ONNX Runtime cannot run .*e\.onnx on cpu"):
        OnnxEncoder(tmp_path / "e.onnx", "cpu")
    assert capfd.readouterr() == ("", "")


def _in_initializer(graph: onnx.ModelProto) -> onnx.TensorProto:
    tensor: onnx.TensorProto = graph.graph.initializer[0]
    return tensor


def _in_attribute(graph: onnx.ModelProto) -> onnx.TensorProto:
    constant = helper.make_node("Constant", [], ["c"], value=numpy_helper.from_array(WEIGHTS, "hidden"))
    graph.graph.node.append(constant)
    tensor: onnx.TensorProto = graph.graph.node[-1].attribute[0].t
    return tensor


def _in_subgraph(graph: onnx.ModelProto) -> onnx.TensorProto:
    branch = helper.make_graph([], "b", [], [], [numpy_helper.from_array(WEIGHTS, "hidden")])
    graph.graph.node.append(helper.make_node("If", ["c"], ["d"], then_branch=branch, else_branch=branch))
    tensor: onnx.TensorProto = graph.graph.node[-1].attribute[0].g.initializer[0]
    return tensor


def _in_function(graph: onnx.ModelProto) -> onnx.TensorProto:
    constant = helper.make_node("Constant", [], ["c"], value=numpy_helper.from_array(WEIGHTS, "hidden"))
    graph.functions.append(helper.make_function("ours", "F", [], ["c"], [constant], [helper.make_opsetid("", 17)]))
    tensor: onnx.TensorProto = graph.functions[0].node[0].attribute[0].t
    return tensor


@pytest.mark.parametrize("place", [_in_initializer, _in_attribute, _in_subgraph, _in_function])
def test_weights_in_other_files_are_refused(
    tmp_path: Path, place: Callable[[onnx.ModelProto], onnx.TensorProto]
) -> None:
    graph = model()
    tensor = place(graph)
    (tmp_path / "weights.bin").write_bytes(tensor.raw_data)
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="weights.bin")
    path = tmp_path / "e.onnx"
    path.write_bytes(graph.SerializeToString())
    with pytest.raises(BadFile, match=rf"e\.onnx keeps the weight '{tensor.name}' in another file"):
        OnnxEncoder(path, "cpu")


def test_a_graph_that_fails_when_it_runs(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    graph = model()
    shape = numpy_helper.from_array(np.array([999, 7]), "shape")
    graph.graph.initializer.append(shape)
    graph.graph.node[2].output[0] = "product"
    graph.graph.node.append(helper.make_node("Reshape", ["product", "shape"], ["reshaped"]))
    graph.graph.node.append(helper.make_node("Identity", ["reshaped"], ["features"]))
    path = tmp_path / "e.onnx"
    path.write_bytes(graph.SerializeToString())
    # Shape inference may already see it; then the file is refused when it is opened.
    with pytest.raises(StpairsError, match=r"e\.onnx") as caught:
        OnnxEncoder(path, "cpu")(VOLUMES)
    assert "\n" not in str(caught.value)
    assert capfd.readouterr() == ("", "")


def test_devices_are_those_that_ran_a_graph() -> None:
    found = runtime.devices()
    assert found["cpu"] == f"CPUExecutionProvider of ONNX Runtime {onnxruntime.__version__}"
    assert set(found) <= {"cpu", "cuda"}
    assert ("cuda" in found) == (sessions.cuda_fault() is None)


def test_an_unknown_device_is_said(good: Path) -> None:
    with pytest.raises(InvalidSpec, match='device must be "auto", "cpu" or "cuda", not \'tpu\''):
        OnnxEncoder(good, "tpu")


@pytest.fixture
def fresh_faults() -> Any:
    sessions.cuda_fault.cache_clear()
    yield
    sessions.cuda_fault.cache_clear()


def test_cuda_is_refused_where_the_wheel_has_none(
    good: Path, monkeypatch: pytest.MonkeyPatch, fresh_faults: None, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CPUExecutionProvider"])
    with pytest.raises(MissingPart, match=r"CUDA was asked for, but this ONNX Runtime .* was built without it"):
        OnnxEncoder(good, "cuda")
    assert OnnxEncoder(good, "auto").provider == "CPUExecutionProvider"
    assert "cuda" not in runtime.devices()
    assert capfd.readouterr() == ("", "")


def test_a_listed_provider_that_falls_back_does_not_count(
    good: Path, monkeypatch: pytest.MonkeyPatch, fresh_faults: None
) -> None:
    """As on a machine with onnxruntime-gpu and no driver: the list has CUDA, a session quietly has the CPU."""
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: list(sessions.PROVIDERS.values()))
    real = onnxruntime.InferenceSession

    def falls_back(graph: bytes, options: Any, providers: Any, **_: Any) -> Any:
        plain = onnxruntime.SessionOptions()
        return real(graph, plain, providers=["CPUExecutionProvider"])

    monkeypatch.setattr(sessions, "_library_fault", lambda: None)
    monkeypatch.setattr(onnxruntime, "InferenceSession", falls_back)
    with pytest.raises(MissingPart, match="CUDA was asked for, but a small graph did not run on it"):
        OnnxEncoder(good, "cuda")
    assert OnnxEncoder(good, "auto").provider == "CPUExecutionProvider"


def test_the_library_that_is_missing_is_named(
    good: Path, monkeypatch: pytest.MonkeyPatch, fresh_faults: None, tmp_path: Path
) -> None:
    """As with onnxruntime-gpu where CUDA's libraries are not installed."""
    (tmp_path / "capi").mkdir()
    (tmp_path / "capi" / "libonnxruntime_providers_cuda.so").touch()
    monkeypatch.setattr(onnxruntime, "__file__", str(tmp_path / "__init__.py"))
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: list(sessions.PROVIDERS.values()))
    with pytest.raises(MissingPart, match=r"its provider does not load: .*libonnxruntime_providers_shared\.so"):
        OnnxEncoder(good, "cuda")


def test_no_training_framework_is_loaded(good: Path) -> None:
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "from pathlib import Path; import numpy as np\n"
        "from stpairs_core.registry import find_runtime\n"
        f"encoder = find_runtime('onnx').encoder(Path({str(good)!r}), 'cpu')\n"
        "print(encoder(np.zeros((2, 4, 6, 5, 3), np.uint8)).shape)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert (done.stdout.strip(), done.stderr) == ("(2, 7)", "")


@pytest.mark.gpu
def test_cuda_agrees_with_the_cpu(good: Path) -> None:
    encoder = OnnxEncoder(good, "cuda")
    assert encoder.provider == "CUDAExecutionProvider"
    np.testing.assert_allclose(encoder(VOLUMES), OnnxEncoder(good, "cpu")(VOLUMES), rtol=1e-4)
