"""An encoder that runs an ONNX file."""

from pathlib import Path
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from stpairs_core.errors import BadFile, InvalidSpec, StpairsError
from stpairs_core.spec import VolumeShape
from stpairs_onnx.graphs import describe, read_graph, volume_shape
from stpairs_onnx.sessions import choose_device, first_line, start

_VOXELS = 10 * 16 * 112 * 112
"""That are encoded at once, ten volumes of full size: the 64 channels of C3D's first layer then take half a GB."""


@final
class OnnxEncoder:
    """The encoder in an ONNX file, a `stpairs_core.protocols.Encoder`. Threads may share it.

    `device` is "auto" (CUDA where it really works, else the CPU), "cpu" or "cuda". CUDA that is not there is a
    `MissingPart`, never a quiet run on the CPU; any other word is an `InvalidSpec`, a file that is no encoder a
    `BadFile`.
    """

    def __init__(self, path: str | Path, device: str = "auto") -> None:
        self._path = Path(path)
        self._session = open_session(self._path, device)
        self._shape = volume_shape(self._session, self._path, ("volumes",))
        self._width = _width(self._session, self._path)

    @property
    def shape(self) -> VolumeShape:
        """The volumes it takes."""
        return self._shape

    @property
    def width(self) -> int:
        """Length of one feature vector."""
        return self._width

    @property
    def provider(self) -> str:
        """What really runs it, such as CPUExecutionProvider."""
        return str(self._session.get_providers()[0])

    def __repr__(self) -> str:
        return f"OnnxEncoder({self._path.name}, {self.shape} -> {self.width}, {self.provider})"

    def __call__(self, volumes: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Features (n, width) of RGB volumes (n, T, H, W, 3), a few at a time so that memory stays bounded."""
        expected = (len(volumes), self.shape.frames, self.shape.height, self.shape.width, 3)
        if volumes.dtype != np.uint8 or volumes.shape != expected:
            given = f"{volumes.dtype} of shape {volumes.shape}"
            raise InvalidSpec(f"{self._path.name} takes uint8 volumes of shape {('n', *expected[1:])}, not {given}")
        step = max(1, _VOXELS // (self.shape.frames * self.shape.height * self.shape.width))
        features = np.empty((len(volumes), self.width), np.float32)
        for start_row in range(0, len(volumes), step):
            rows = slice(start_row, start_row + step)
            features[rows] = run(self._session, self._path, volumes=volumes[rows])
        return features


def open_session(path: Path, device: str) -> Any:
    """A session of an ONNX file on "auto", "cpu" or "cuda"; a `BadFile` where ONNX Runtime cannot run the file."""
    graph = read_graph(path)
    chosen = choose_device(device)
    try:
        return start(graph, chosen)
    except Exception as error:
        raise BadFile(f"ONNX Runtime cannot run {path} on {chosen}: {first_line(error)}") from error


def run(session: Any, path: Path, **inputs: NDArray[np.uint8]) -> NDArray[np.float32]:
    """The only output of a session for these inputs."""
    try:
        (output,) = session.run(None, {name: np.ascontiguousarray(value) for name, value in inputs.items()})
    except Exception as error:
        raise StpairsError(f"ONNX Runtime failed in {path}: {first_line(error)}") from error
    result: NDArray[np.float32] = output
    return result


def _width(session: Any, path: Path) -> int:
    found = session.get_outputs()
    if len(found) == 1 and found[0].name == "features" and found[0].type == "tensor(float)":
        shape = found[0].shape
        if len(shape) == 2 and not isinstance(shape[0], int) and isinstance(shape[1], int) and shape[1] > 0:
            return shape[1]
    raise BadFile(f"{path} gives {describe(found)}, but an encoder of ours gives features, float32 (n, width)")
