"""Where and when a figure was measured."""

import os
import platform
import subprocess
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import llvmlite.binding

PACKAGES = ("stpairs", "numpy", "numba", "torch", "opencv-contrib-python-headless", "kornia", "matplotlib")


def machine() -> dict[str, Any]:
    """The processor, its cores and memory, how busy it is, the date, the commit and the versions of everything."""
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "commit": _commit(),
        "processor": _processor(),
        "kind": llvmlite.binding.get_host_cpu_name(),
        "caches": _caches(),
        "cores": os.cpu_count(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "load": [round(load, 2) for load in os.getloadavg()],
        "system": platform.platform(),
        "versions": {"python": platform.python_version(), **{name: _version(name) for name in PACKAGES}},
    }


def _commit() -> str:
    here = Path(__file__).parent
    head = subprocess.run(
        ["git", "describe", "--always", "--dirty"], capture_output=True, text=True, check=False, cwd=here
    )
    return head.stdout.strip() or "unknown"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _caches() -> str:
    """The size of each data cache that the first core sees: a hot figure and a cold one differ by them."""
    found = []
    for cache in sorted(Path("/sys/devices/system/cpu/cpu0/cache").glob("index*")):
        kind, level, size = ((cache / name).read_text().strip() for name in ("type", "level", "size"))
        found += [f"L{level} {size}"] if kind != "Instruction" else []
    return ", ".join(found) or "unknown"


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
