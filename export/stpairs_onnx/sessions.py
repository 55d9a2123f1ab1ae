"""ONNX Runtime sessions on a device that is really there: never on the CPU when CUDA was asked for."""

import contextlib
import ctypes
import functools
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from onnx import TensorProto, helper

from stpairs_core.errors import InvalidSpec, MissingPart

PROVIDERS: Mapping[str, str] = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}
"""What ONNX Runtime calls each device."""

_FATAL = 4
"""Log level: what goes wrong is raised, so nothing needs to be printed as well."""


def choose_device(device: str) -> str:
    """ "cpu" or "cuda" for "auto", "cpu" or "cuda"; a `MissingPart` that says what is missing where it is not there.

    Any other word is an `InvalidSpec`.
    """
    if device not in ("auto", *PROVIDERS):
        raise InvalidSpec(f'device must be "auto", "cpu" or "cuda", not {device!r}')
    if device == "cpu":
        return device
    fault = cuda_fault()
    if device == "cuda" and fault:
        raise MissingPart(f"CUDA was asked for, but {fault}; choose cpu or auto, or install what is missing")
    return "cpu" if fault else "cuda"


def start(graph: bytes, device: str) -> Any:
    """An `onnxruntime.InferenceSession` of a serialized graph, every operator of it on `device`, "cpu" or "cuda".

    ONNX Runtime's own exceptions come through; they share no base class but Exception.
    """
    options = onnxruntime.SessionOptions()
    options.log_severity_level = _FATAL
    provider: Any = PROVIDERS[device]
    if device == "cuda":
        # Without this, operators that CUDA cannot run, or all of them, would quietly run on the CPU.
        options.add_session_config_entry("session.disable_cpu_ep_fallback", "1")
        # TF32 has 10 bits of mantissa: features would differ from the CPU's in the third digit.
        provider = (provider, {"use_tf32": "0"})
    return onnxruntime.InferenceSession(graph, options, providers=[provider], enable_fallback=0)


def working_devices() -> Mapping[str, str]:
    """Each device on which a small graph really ran, with a word on it."""
    faults = {"cpu": _fault("cpu"), "cuda": cuda_fault()}
    return {
        device: f"{PROVIDERS[device]} of ONNX Runtime {onnxruntime.__version__}"
        for device, fault in faults.items()
        if fault is None
    }


@functools.cache
def cuda_fault() -> str | None:
    """Why CUDA cannot be used, as half a sentence; None where a small graph really ran on it."""
    if PROVIDERS["cuda"] not in onnxruntime.get_available_providers():
        return f"this ONNX Runtime ({onnxruntime.__version__}) was built without it: onnxruntime-gpu has it"
    return _library_fault() or _fault("cuda")


def _library_fault() -> str | None:
    """The library that CUDA's provider lacks. Asked before a session is, which would only print it and go on."""
    folder = Path(onnxruntime.__file__).parent / "capi"
    if not (folder / "libonnxruntime_providers_cuda.so").exists():
        return None  # On Windows its name differs, and the session tells.
    if hasattr(onnxruntime, "preload_dlls"):
        # Finds the libraries that the nvidia-* packages of pip brought, which lie on no search path.
        with contextlib.redirect_stdout(io.StringIO()):
            onnxruntime.preload_dlls()
    try:
        for name in ("libonnxruntime_providers_shared.so", "libonnxruntime_providers_cuda.so"):
            ctypes.CDLL(str(folder / name), mode=ctypes.RTLD_GLOBAL)
    except OSError as error:
        return f"its provider does not load: {error}"
    return None


def _fault(device: str) -> str | None:
    """Why a graph of one addition does not run on `device`."""
    try:
        session = start(_addition(), device)
        (result,) = session.run(None, {"x": np.ones(1, np.float32)})
    except Exception as error:
        return f"it does not run: {first_line(error)}"
    if session.get_providers()[0] != PROVIDERS[device] or result.tolist() != [2.0]:
        return "a small graph did not run on it"
    return None


def first_line(error: Exception) -> str:
    """What ONNX Runtime or onnx said, without the lines that follow."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def _addition() -> bytes:
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in "xy"]
    graph = helper.make_graph([helper.make_node("Add", ["x", "x"], ["y"])], "addition", values[:1], values[1:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    serialized: bytes = model.SerializeToString()
    return serialized
