"""Nanoseconds a pair of `PairMiner.plan`, beside the same in vectorised NumPy and in plain Python.

python -m benchmarks.plans [--quick]
"""

import itertools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks import building
from benchmarks.footage import mixed_sizes, short_sizes, ucf101_sizes
from benchmarks.interleaved import Rounds, Run, interleave
from benchmarks.scale import Scale
from benchmarks.script import show
from benchmarks.twins import NumpyMiner, PythonMiner
from stpairs_core import MiningSpec, PairMiner

AT_ONCE = 20_000
"""Pairs that a thread mines before it reports: waking it takes as long as some hundred."""
PYTHON_PAIRS = 1_000


def measure(scale: Scale) -> dict[str, Any]:
    """Plans of different lengths against the peers, and miners of different numbers of videos against one another."""
    lengths = {str(pairs): by_length(scale, pairs).as_json() for pairs in scale.pairs}
    return {
        "lengths": lengths,
        "videos": by_videos(scale).as_json(),
        "built": [building.measure(videos) for videos in scale.videos],
    }


def by_length(scale: Scale, pairs: int) -> Rounds:
    """One length of plan: ours for the usual videos first, then worse ones, two threads and the peers."""
    spec = MiningSpec(scale.volume, pairs=pairs)
    count = scale.videos[1]
    usual, worst = ucf101_sizes(count, scale.picture), short_sizes(count, scale)
    runs = [
        mining("stpairs", usual, spec),
        mining("stpairs, worst case", worst, spec),
        mining("stpairs, mixed sizes", mixed_sizes(count), spec),
        *numpy_twins("", usual, spec),
        *numpy_twins(", worst case", worst, spec),
    ]
    if pairs <= PYTHON_PAIRS:
        runs.append(Run("plain Python", PythonMiner(usual, spec).plan, pairs))
    with ThreadPoolExecutor(2) as pool:
        runs.append(mining_in_two(pool, usual, spec))
        return interleave("pair", runs, scale.rounds, scale.least)


def by_videos(scale: Scale) -> Rounds:
    """One length of plan for few, the usual number of and many videos."""
    spec = MiningSpec(scale.volume, pairs=min(4096, max(scale.pairs)))
    runs = [mining(f"{count} videos", ucf101_sizes(count, scale.picture), spec) for count in scale.videos]
    return interleave("pair", runs, scale.rounds, scale.least)


def mining(name: str, sizes: NDArray[np.int32], spec: MiningSpec) -> Run:
    """One step after the other, in this thread."""
    miner, steps = PairMiner(sizes, spec, seed=0), itertools.count()
    return Run(name, lambda: miner.plan(next(steps)), spec.pairs)


def mining_in_two(pool: ThreadPoolExecutor, sizes: NDArray[np.int32], spec: MiningSpec) -> Run:
    """Even steps in one thread, odd ones in another."""
    miner, at_once = PairMiner(sizes, spec, seed=0), max(1, AT_ONCE // spec.pairs)
    even, odd = itertools.count(0, 2), itertools.count(1, 2)

    def mine(steps: "itertools.count[int]") -> None:
        for step in itertools.islice(steps, at_once):
            miner.plan(step)

    return Run("stpairs, two threads", lambda: list(pool.map(mine, (even, odd))), 2 * at_once * spec.pairs)


def numpy_twins(case: str, sizes: NDArray[np.int32], spec: MiningSpec) -> list[Run]:
    """The vectorised miner with the generator of ours, and with NumPy's usual one."""
    makers: dict[str, Callable[[int], np.random.BitGenerator]] = {"Philox": np.random.Philox, "PCG64": np.random.PCG64}
    return [
        Run(f"NumPy, {name}{case}", NumpyMiner(sizes, spec, make(0)).plan, spec.pairs) for name, make in makers.items()
    ]


if __name__ == "__main__":
    show(__doc__, measure)
