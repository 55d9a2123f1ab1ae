"""`stpairs doctor`: what is here, and what really works."""

import os
import platform
import shutil
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from typing import Annotated

import tyro

from stpairs_core.cli.output import Output
from stpairs_core.errors import MissingPart
from stpairs_core.protocols import Backend, Runtime
from stpairs_core.registry import find_backend, find_runtime, plugin_names
from stpairs_core.videos.ffmpeg import binary
from stpairs_core.videos.store import default_store

PACKAGES = ("stpairs", "numpy", "numba", "imageio-ffmpeg", "torch", "onnx", "onnxruntime", "onnxruntime-gpu", "pyarrow")
LEAST_ROOM = 1 << 30
"""Bytes free below which the frame store's disk counts as full: about ten minutes of video at 128x171."""


@dataclass(frozen=True)
class Finding:
    """One thing looked at."""

    name: str
    works: bool | None
    """None: not installed, which is no fault."""
    detail: str

    def __str__(self) -> str:
        mark = {True: "ok     ", False: "BROKEN ", None: "absent "}[self.works]
        return f"{mark} {self.name}: {self.detail}"


@dataclass(frozen=True)
class Doctor:
    """Say what is installed and what really works.

    The exit code is 0 when everything installed works, 1 when something is broken. A part that is not installed is
    no fault: miners need no torch, and who serves needs no torch either.
    """

    output: Annotated[Output, tyro.conf.arg(name="")] = Output()

    def run(self) -> Mapping[str, object]:
        """Look at everything."""
        versions = {name: found for name in PACKAGES if (found := _version(name))}
        self.output.say(f"Python {platform.python_version()} on {platform.platform()}, {os.cpu_count()} cores")
        self.output.say("  ".join(f"{name} {number}" for name, number in versions.items()))
        findings = [
            _look("ffmpeg", _ffmpeg),
            _one_onnxruntime(versions),
            *(_look(f"backend {name}", partial(_devices, find_backend, name)) for name in plugin_names(_BACKENDS)),
            *(_look(f"runtime {name}", partial(_devices, find_runtime, name)) for name in plugin_names(_RUNTIMES)),
            _room(),
        ]
        for finding in findings:
            self.output.say(str(finding))
        ok = all(finding.works is not False for finding in findings)
        self.output.say("everything installed works" if ok else "something is broken: see above")
        return {
            "ok": ok,
            "python": platform.python_version(),
            "versions": versions,
            "findings": [{"name": f.name, "works": f.works, "detail": f.detail} for f in findings],
        }


_BACKENDS = "stpairs.backends"
_RUNTIMES = "stpairs.runtimes"


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _look(name: str, check: Callable[[], str]) -> Finding:
    """A plug-in may break in any way while it loads; the doctor names it and goes on."""
    try:
        return Finding(name, True, check())
    except MissingPart as error:
        return Finding(name, None, str(error))
    except Exception as error:
        return Finding(name, False, f"{type(error).__name__}: {error}")


def _ffmpeg() -> str:
    program = os.fsdecode(binary())
    found = subprocess.run([program, "-version"], capture_output=True, text=True, timeout=20, check=True)
    return f"{found.stdout.split(' Copyright')[0]} ({program})"


def _devices(find: Callable[[str], Backend | Runtime], name: str) -> str:
    devices = find(name).devices()
    return "; ".join(f"{device} ({detail})" for device, detail in devices.items())


def _one_onnxruntime(versions: Mapping[str, str]) -> Finding:
    """The two wheels own one import name; and the GPU wheel runs on the CPU without a word where CUDA does not load."""
    name, here = "ONNX Runtime wheel", {"onnxruntime", "onnxruntime-gpu"} & versions.keys()
    if not here:
        return Finding(name, None, 'not installed: pip install "stpairs[onnx]", or [onnx-cpu]')
    if len(here) == 2:
        detail = "onnxruntime and onnxruntime-gpu overwrite each other: uninstall both, then install one"
        return Finding(name, False, detail)
    if here == {"onnxruntime-gpu"} and "cuda" not in find_runtime("onnx").devices():
        # Where there is an NVIDIA driver, CUDA was surely meant to run.
        return Finding(name, not shutil.which("nvidia-smi"), "onnxruntime-gpu, but CUDA does not load here: CPU only")
    return Finding(name, True, here.pop())


def _room() -> Finding:
    folder = default_store()
    existing = next(parent for parent in (folder, *folder.parents) if parent.exists())
    free = shutil.disk_usage(existing).free
    writable = os.access(existing, os.W_OK)
    detail = f"{folder}: {free / 2**30:.1f} GiB free" + ("" if writable else ", not writable")
    return Finding("frame store", writable and free >= LEAST_ROOM, detail)
