"""Table 2 of the paper made again: the time to mine one pair, by optical flow and by plans, on the same real video.

    python -m benchmarks.table2 [--quick]

Mining by flow needs at least the flow between neighbouring frames of the pair's two volumes; whatever it chooses by
that flow comes on top and is not counted. Frames are as the frame store has them, warm, for both.
"""

import itertools
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.footage import SHORTEST, footage
from benchmarks.interleaved import Run, interleave
from benchmarks.peers import imported
from benchmarks.scale import QUICK, Scale
from benchmarks.script import show
from stpairs_core import MiningSpec, PairMiner, materialize, open_videos
from stpairs_core.protocols import VideoSource

CLIPS = Path(__file__).resolve().parents[2] / "shared" / "data" / "ucf101" / "SoccerJuggling"
"""Two clips of UCF101, beside the checkout."""
PRINTED = {"optical flow": 8.0e-2, "plan": 1.8e-5}
"""Seconds a pair in the paper."""
Field = Callable[[NDArray[np.uint8], NDArray[np.uint8]], object]


def measure(scale: Scale) -> dict[str, Any]:
    """A table for each size of the frames, what it was measured on, and what was missing."""
    fields, missing = flows()
    real = scale is not QUICK and CLIPS.is_dir()
    tables = {}
    for name, short_side, picture in scale.flow:
        with _videos(scale, short_side, picture, real) as source:
            tables[name] = _by_pair(scale, source, fields)
    return {"videos": "two clips of UCF101" if real else "made-up videos", "missing": missing, "sizes": tables}


def flows() -> tuple[dict[str, Field], list[str]]:
    """The two usual optical flows between two grey pictures, and the names of those that are not installed."""
    cv2 = imported("cv2")
    if cv2 is None:
        return {}, ["Farneback", "TVL1"]
    cv2.setNumThreads(1)
    fields: dict[str, Field] = {
        "Farneback": lambda a, b: cv2.calcOpticalFlowFarneback(a, b, None, 0.5, 3, 15, 3, 5, 1.2, 0)
    }
    if not hasattr(cv2, "optflow"):
        return fields, ["TVL1"]
    tvl1 = cv2.optflow.DualTVL1OpticalFlow_create()
    return fields | {"TVL1": lambda a, b: tvl1.calc(a, b, None)}, []


@contextmanager
def _videos(scale: Scale, short_side: int, picture: tuple[int, int], real: bool) -> Iterator[VideoSource]:
    if not real:
        yield footage(replace(scale, picture=picture, memory=8 * SHORTEST * picture[0] * picture[1] * 3)).source
        return
    with tempfile.TemporaryDirectory() as cache:
        yield open_videos(CLIPS, short_side, cache=cache)


def _by_pair(scale: Scale, source: VideoSource, fields: dict[str, Field]) -> dict[str, Any]:
    spec = MiningSpec(scale.volume)
    miner, steps = PairMiner(source.extents, spec, seed=0), itertools.count()
    size = scale.volume
    out = np.empty((spec.pairs, 2, size.frames, size.height, size.width, 3), np.uint8)
    runs = [
        Run("plan", lambda: miner.plan(next(steps)), spec.pairs),
        Run("plan and pixels", lambda: materialize(miner.plan(next(steps)), source, out), spec.pairs),
    ]
    a_pair = 2 * (size.frames - 1)  # fields
    for name, field in fields.items():
        runs.append(Run(name, _flowing(field, miner, source), 1 / a_pair))
    return interleave("pair", runs, max(2, scale.rounds // 3), scale.least).as_json()


def _flowing(field: Field, miner: PairMiner, source: VideoSource) -> Callable[[], object]:
    """The flow between the next two neighbouring frames of the volumes that the miner draws."""
    following = _neighbours(miner, source)
    return lambda: field(*next(following))


def _neighbours(miner: PairMiner, source: VideoSource) -> Iterator[tuple[NDArray[np.uint8], NDArray[np.uint8]]]:
    cv2 = imported("cv2")
    for step in itertools.count():
        plan = miner.plan(step)
        for video, origin in zip(plan.video.reshape(-1).tolist(), plan.origin.reshape(-1, 3).tolist(), strict=True):
            frames = source.read(video, origin[0], plan.shape.frames)
            yield from itertools.pairwise(cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in frames)


if __name__ == "__main__":
    show(__doc__, measure)
