"""One hash over a million pairs: whether plans come through a loader byte for byte, whatever the framework.

`python -m stpairs_core.testing.golden` prints the hash of the plans as they are now; `GOLDEN` is what it must be.
"""

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from stpairs_core.plan import PairMiner
from stpairs_core.spec import MiningSpec
from stpairs_core.stream import PairSteps

GOLDEN = "77c19d5e17d7e8858d4a875a17d4877cf29a13ec404243251b10d1db2739f7e9"
"""`digest(golden_steps())`; it changes only when the plans of a seed do."""


def golden_steps(rows: slice = slice(None)) -> PairSteps:
    """A million pairs in 16 steps, or those rows of each; of 1,000 videos, some too small, some in groups."""
    video = np.arange(1000)
    extents = np.stack([10 + 7 * video % 290, 100 + video % 37, 120 + video % 41], axis=1)
    groups = [None if number % 5 == 0 else number // 4 for number in video.tolist()]
    return PairSteps(PairMiner(extents, MiningSpec(pairs=62_500), 2018, groups), rows=rows, steps=16)


def digest(batches: Iterable[Mapping[str, Any]]) -> str:
    """SHA-256 over the columns of all batches, however the rows are parted; a column is all that NumPy takes."""
    columns: dict[str, Any] = {}
    for batch in batches:
        for name in batch:
            column = np.ascontiguousarray(batch[name])
            start = f"{name} {column.dtype} {column.shape[1:]} ".encode()
            columns.setdefault(name, hashlib.sha256(start)).update(column)
    return hashlib.sha256(b"".join(columns[name].digest() for name in sorted(columns))).hexdigest()


if __name__ == "__main__":
    print(digest(golden_steps()))
