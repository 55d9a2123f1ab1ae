"""The plug-in that the core finds under the name `onnx`."""

from collections.abc import Mapping
from pathlib import Path
from typing import final

from stpairs_core.protocols import Learner, Runtime
from stpairs_onnx import publishing
from stpairs_onnx.encoder import OnnxEncoder
from stpairs_onnx.sessions import working_devices


@final
class OnnxRuntime:
    """ONNX Runtime as a `stpairs_core.protocols.Runtime`."""

    name = "onnx"

    def encoder(self, path: Path, device: str) -> OnnxEncoder:
        """The encoder in an ONNX file, on "auto", "cpu" or "cuda"; see `OnnxEncoder`."""
        return OnnxEncoder(path, device)

    def publish(self, learner: Learner, encoder: Path, score: Path | None = None) -> Mapping[str, float]:
        """Export a learner, checked first; see `publishing.publish`."""
        return publishing.publish(learner, encoder, score)

    def devices(self) -> Mapping[str, str]:
        """Each device that really ran a graph just now, with what runs it."""
        return working_devices()


runtime: Runtime = OnnxRuntime()
"""What the entry point `onnx` of `stpairs.runtimes` names."""
