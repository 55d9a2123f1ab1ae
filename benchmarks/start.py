"""The first call: seconds from a fresh interpreter to the first plan and the first pixels; and use from other
processes and threads.

    python -m benchmarks.start [--quick]
"""

import hashlib
import json
import multiprocessing
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.scale import Scale
from benchmarks.script import show

ROOT = Path(__file__).resolve().parents[1]
FRESH = """
import json, time
began = time.perf_counter()
import numba.core.dispatcher as dispatcher
compiled = []
compiling = dispatcher.Dispatcher.compile
dispatcher.Dispatcher.compile = lambda self, *a: (compiled.append(self), compiling(self, *a))[1]
import numpy as np
from stpairs_core import ArraySource, MiningSpec, PairMiner, VolumeShape, materialize
imported, at_import = time.perf_counter(), len(compiled)
videos = ArraySource([np.zeros((40, 128, 171, 3), np.uint8)] * 4)
spec = MiningSpec(VolumeShape({frames}, {height}, {width}), recolor_probability=1.0, flip_probability=1.0)
plan = PairMiner(videos.extents, spec, seed=0).plan(0)
planned = time.perf_counter()
materialize(plan, videos)
made = time.perf_counter()
print(json.dumps({{"import": imported - began, "plan": planned - began, "pixels": made - began,
                  "cpu": time.process_time(), "compiled_at_import": at_import, "compiled": len(compiled)}}))
"""
STEPS = range(2)


def measure(scale: Scale) -> dict[str, Any]:
    """Fresh processes, one after the other; and whether each way of running beside gives the same bytes."""
    shape = scale.volume
    code = FRESH.format(frames=shape.frames, height=shape.height, width=shape.width)
    return {
        "fresh": [_fresh(code) for _ in range(scale.fresh)],
        "ways": {way: json.loads(_output("-m", "benchmarks.start", "--way", way)) for way in scale.ways},
    }


def _fresh(code: str) -> dict[str, float]:
    """What a fresh interpreter reports; `process` is all that the user waits for, Python's own start included."""
    began = time.perf_counter()
    found: dict[str, float] = json.loads(_output("-c", code))
    return found | {"process": time.perf_counter() - began}


def _output(*arguments: str) -> str:
    # A way that hangs (a fork that waits for a lock for ever) is a failure, not a long figure.
    command = [sys.executable, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT, timeout=300).stdout


def beside(way: str) -> dict[str, Any]:
    """Whether the work done beside this process, which has compiled already, gives what it gives here; how long."""
    expected = [digest(step) for step in STEPS]
    began = time.perf_counter()
    found = _run_by(way)(STEPS)
    return {"equal": found == expected, "seconds": time.perf_counter() - began}


def _run_by(way: str) -> Callable[[range], list[str]]:
    def run(steps: range) -> list[str]:
        if way == "threads":
            with ThreadPoolExecutor(2) as threads:
                return list(threads.map(digest, steps))
        with multiprocessing.get_context(way).Pool(2) as processes:
            return processes.map(digest, steps, chunksize=1)

    return run


def digest(step: int) -> str:
    """A hash of one step's plan and pixels, every volume recoloured and flipped or not as the paper draws it."""
    from benchmarks.threaded import in_two_threads
    from stpairs_core import ArraySource, MiningSpec, PairMiner, VolumeShape

    frames = np.random.default_rng(4).integers(0, 256, (4, 12, 24, 32, 3), np.uint8)
    videos = ArraySource(list(frames))
    plan = PairMiner(videos.extents, MiningSpec(VolumeShape(4, 16, 16)), seed=0).plan(step)
    columns = (plan.video, plan.origin, plan.flip, plan.recolor, plan.color, plan.label)
    return hashlib.sha256(b"".join(x.tobytes() for x in (*columns, in_two_threads(plan, videos)))).hexdigest()


if __name__ == "__main__":
    if sys.argv[1:2] == ["--way"]:
        print(json.dumps(beside(sys.argv[2])))
    else:
        show(__doc__, measure)
