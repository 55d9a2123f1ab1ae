"""What a miner of many videos takes to build and to keep: python -m benchmarks.building VIDEOS prints it as JSON.

A process of its own: memory that was freed earlier would hide what is taken.
"""

import gc
import json
import subprocess
import sys
import time
import tracemalloc
from pathlib import Path
from typing import Any

from benchmarks.footage import mixed_sizes, ucf101_sizes
from stpairs_core import MiningSpec, PairMiner

ROOT = Path(__file__).resolve().parents[1]
MIB = 2**20


def measure(videos: int) -> dict[str, Any]:
    """Seconds to build a miner of so many videos, and the MiB that it holds, by two ways of asking."""
    command = [sys.executable, "-m", "benchmarks.building", str(videos)]
    child = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    return {"videos": videos, **json.loads(child.stdout)}


def timed(videos: int) -> dict[str, float | None]:
    """How long it takes, and by how much the process grows, extents of the videos not counted."""
    PairMiner(ucf101_sizes(10, (128, 171)), MiningSpec(), seed=0)  # whatever only the first miner takes
    usual, mixed = ucf101_sizes(videos, (128, 171)), mixed_sizes(videos)
    gc.collect()
    before = _resident()
    began = time.perf_counter()
    miner = PairMiner(usual, MiningSpec(), seed=0)
    seconds = time.perf_counter() - began
    gc.collect()
    after = _resident()
    del miner
    began = time.perf_counter()
    PairMiner(mixed, MiningSpec(), seed=0)
    grown = None if before is None or after is None else (after - before) / MIB
    return {"seconds": seconds, "seconds_mixed": time.perf_counter() - began, "resident_mib": grown}


def traced(videos: int) -> dict[str, float]:
    """What tracemalloc counts: held when built, and the most on the way."""
    sizes = ucf101_sizes(videos, (128, 171))
    tracemalloc.start()
    miner = PairMiner(sizes, MiningSpec(), seed=0)
    gc.collect()
    held, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    del miner  # alive until here
    return {"held_mib": held / MIB, "most_mib": most / MIB}


def _resident() -> int | None:
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except OSError:
        return None
    return pages * 4096


if __name__ == "__main__":
    asked = int(sys.argv[1])
    print(json.dumps(timed(asked) | traced(asked)))  # timed first: tracing slows
